"""What determines a run: :class:`RunConfig`, its presets and its hashes.

Defaults follow DomainBed and the FGMix paper; where the paper is silent the option's help says so and
names the choice. No torch in here: ``--help`` has to answer at once.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Annotated, Any, Literal, get_args, get_origin

import tyro

from landscape.errors import InputError, unknown_choice
from landscape.storage import digest

AlgorithmName = Literal["erm", "a0", "a", "b", "c", "d", "e0", "e", "f", "fgmix"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16"]

ALGORITHMS: tuple[str, ...] = get_args(AlgorithmName)
DISPLAY_NAMES = {"erm": "ERM", "fgmix": "FGMix"} | {name: name.upper() for name in ("a0", *"abcd", "e0", *"ef")}


def _at_least(flag: str, value: float, least: float) -> None:
    if not value >= least:
        raise InputError(f"{flag} is {value}; expected at least {least}.")


def _above(flag: str, value: float, bound: float) -> None:
    if not value > bound:
        raise InputError(f"{flag} is {value}; expected a number above {bound}.")


def _normalise(config: Any, prefix: str = "--") -> None:
    """Give equal configurations equal values, and so equal hashes; refuse a choice that does not exist.

    Python takes 0 for 0.0 and a list for a tuple without a word, JSON writes them differently, and it refuses
    NumPy's numbers.
    """
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if get_origin(item.type) is Literal and value not in get_args(item.type):
            flag = prefix + item.name.replace("_", "-")
            raise unknown_choice(flag, str(value), [str(choice) for choice in get_args(item.type)])
        if item.type in (float, float | None) and isinstance(value, Real):
            object.__setattr__(config, item.name, float(value))
        if item.type is int and isinstance(value, Integral):
            object.__setattr__(config, item.name, int(value))
        if isinstance(value, list):
            object.__setattr__(config, item.name, tuple(value))


def _known(cls: type, values: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(values.keys() - {item.name for item in dataclasses.fields(cls)})
    if unknown:
        raise InputError(
            f"the stored configuration has unknown settings ({', '.join(unknown)}); "
            "expected those of this version. Was it written by a newer one?"
        )
    return values


@dataclass(frozen=True)
class MixupConfig:
    """The mixup of latent codes and its weight policy (FGMix and its variants A-F)."""

    start: int = 3000
    """T0: the first step that uses mixup; the steps before it are plain ERM (section 3.3)."""
    codes: int = 32
    """M: mixup codes a step (section 4.1)."""
    domains_per_mixup: int = 0
    """Sources mixed into one code, drawn anew for every code; 0 means all of them (section 3.4)."""
    groups: Literal["anchor", "uniform"] = "anchor"
    """How the class of a code is drawn: that of a random original sample, or uniform over the classes that all
    sources have in the batch. The paper is silent."""
    weighting: Literal["pooled", "sum"] = "pooled"
    """Eq. 2: the mean over original and mixup codes together, or the sum of the two means. The formula pools."""
    code_weight: float = 1.0
    """Weight of a mixup code's loss relative to an original's."""
    concentration: float = 1.0
    """Variant A: concentration of the Dirichlet distribution. The paper is silent."""
    scale_init: float = 3.0
    """Initial scaling factor lambda of Eq. 5; the fixed one of variant D. Searched over 1, 3, 5, 8."""
    scale_min: float | None = None
    """Lower bound for the learned lambda; the paper states none."""
    policy_lr: float = 1e-3
    """Learning rate of the policy and of the discriminator. Searched over 1e-4, 1e-3, 1e-2."""
    eta: float = 0.1
    """Weight of the adversarial loss in Eq. 8. Searched over 0.01, 0.03, 0.1, 0.3."""
    radius: float = 1.0
    """gamma of Eq. 6: the distance walked in the classifier's weight space. The paper's values are lost."""
    radius_relative: bool = False
    """Take the radius as a fraction of the classifier's norm."""
    directions: int = 100
    """Random directions of Eq. 6, drawn as pairs (+u, -u)."""
    flat_loss: Literal["signed", "squared", "absolute"] = "signed"
    """The difference in Eq. 6. The text says "loss difference"."""
    flat_data: Literal["pooled", "generated"] = "pooled"
    """Codes that Eq. 6 averages over: original and generated (section 1), or generated only."""
    activation: Literal["tanh", "relu", "leaky_relu"] = "tanh"
    """Activation of the compatibility score. Its name is lost from the paper."""
    depth: Literal[1, 2] = 2
    """Hidden layers of the compatibility score, 64 wide each ("hidden sizes for both layers")."""
    hidden: int = 64
    """Width of the policy's and the discriminator's hidden layers."""
    gradient_norm: Literal["none", "l2", "layernorm"] = "none"
    """Normalisation of the gradients before the compatibility score. The paper states none."""
    generator_loss: Literal["saturating", "non-saturating"] = "saturating"
    """Policy side of Eq. 7: log(1 - D) as written, or -log D."""
    momentum: float = 0.9
    """Momentum of the moving averages behind the prior, tracked from the first step. The paper is silent."""

    def __post_init__(self) -> None:
        _normalise(self, "--mixup.")
        _at_least("--mixup.start", self.start, 1)
        _at_least("--mixup.codes", self.codes, 1)
        _at_least("--mixup.directions", self.directions, 2)
        _at_least("--mixup.domains-per-mixup", self.domains_per_mixup, 0)
        if self.directions % 2:
            raise InputError(f"--mixup.directions is {self.directions}; expected an even number: they come in pairs.")
        if self.domains_per_mixup == 1:
            raise InputError("--mixup.domains-per-mixup is 1; expected 0 (all sources) or at least 2.")
        _at_least("--mixup.hidden", self.hidden, 1)
        _at_least("--mixup.code-weight", self.code_weight, 0)
        _at_least("--mixup.eta", self.eta, 0)
        _above("--mixup.concentration", self.concentration, 0)
        _above("--mixup.scale-init", self.scale_init, 0)
        _above("--mixup.policy-lr", self.policy_lr, 0)
        _above("--mixup.radius", self.radius, 0)
        if not 0 <= self.momentum < 1:
            raise InputError(f"--mixup.momentum is {self.momentum}; expected a number from 0 up to, not including, 1.")


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a training run."""

    algorithm: AlgorithmName = "fgmix"
    """erm, the variants a-f of the FGMix paper's Table 2, fgmix, or a control: a0 (copies instead of mixtures) or e0 (e
    with lambda fixed at --mixup.scale-init)."""
    data: str = "sixstyles"
    """Built-in name (sixstyles, pacs, vlcs, officehome, terraincognita, domainnet), a folder domain/class/image,
    or a CSV or JSON manifest."""
    data_dir: str | None = None
    """Folder that holds the downloaded data sets, as DomainBed lays them out."""
    target: str = "sketch"
    """The domain that training never sees."""
    domains: tuple[str, ...] = ()
    """Domains to use; none given means the data set's default."""
    seed: int = 0
    """Trial seed: splits, batches, augmentation, initialisation."""
    steps: int = 5000
    """Updates; step t is the t-th."""

    image_size: int = 224
    """Side of the square input in pixels."""
    batch_size: int = 32
    """Images per source domain and step."""
    augmentation: Literal["domainbed", "affine", "none"] = "domainbed"
    """Crop, flip, colour jitter and grayscale as in DomainBed; its fast affine and colour-matrix form; or none."""
    augment_validation: bool = False
    """Augment the source validation split too, as DomainBed does."""
    sampler: Literal["uniform", "class-first"] = "uniform"
    """Draw images, or first classes and then images of them (for data with many classes, as for DomainNet)."""
    classes_per_batch: int = 8
    """Classes drawn by the class-first sampler. The paper's value is lost."""
    split: Literal["auto", "concept", "random", "domainbed"] = "auto"
    """80/20 split of each domain: by concept, at random per (seed, domain), or DomainBed's own rule. auto: by
    concept where the data has concepts, else random."""

    model: str = "efficientnet_lite0"
    """efficientnet_lite0, resnet18, resnet50, densenet121, small_cnn, timm:NAME, or your package.module:function."""
    weights: str = "imagenet"
    """imagenet, none, or the path of a file of weights."""
    head: Literal["linear", "nonlinear"] = "linear"
    """Classifier: one linear layer, or DomainBed's three."""
    dropout: float = 0.0
    """Dropout on the latent code."""
    batch_norm: Literal["auto", "frozen", "train"] = "auto"
    """Running statistics fixed (affine weights are still trained), or not; auto: frozen when pretrained; a network of
    your own whose running statistics are all still at their initial values is trained."""

    lr: float = 5e-5
    """Adam's learning rate."""
    weight_decay: float = 0.0
    """L2 term inside Adam (coupled, as in DomainBed)."""
    swa_start: int = 100
    """t0: the average covers the weights after steps t0 - 1, t0, t0 + 1, ..."""

    device: Device = "auto"
    """Where to compute."""
    precision: Precision = "auto"
    """fp32, bf16 autocast, or whichever a short trial on this hardware finds faster."""
    record_every: int = 300
    """Steps between recorded checkpoints; a run keeps at most 20."""
    save_every: int = 100
    """Steps between saves of the resume state."""
    strict: bool = False
    """Stop at the first unreadable image instead of leaving it out."""

    mixup: MixupConfig = field(default_factory=MixupConfig)
    """The mixup of latent codes and its weight policy."""

    def __post_init__(self) -> None:
        _normalise(self)
        _at_least("--steps", self.steps, 1)
        _at_least("--batch-size", self.batch_size, 1)
        _at_least("--image-size", self.image_size, 8)
        _at_least("--swa-start", self.swa_start, 1)
        _at_least("--record-every", self.record_every, 1)
        _at_least("--save-every", self.save_every, 1)
        if not 0 <= self.dropout < 1:
            raise InputError(f"--dropout is {self.dropout}; expected a number from 0 up to, not including, 1.")
        _above("--lr", self.lr, 0)
        _at_least("--weight-decay", self.weight_decay, 0)
        _at_least("--classes-per-batch", self.classes_per_batch, 1)
        if self.recorded_points > 20:
            raise InputError(
                f"--record-every {self.record_every} makes {self.recorded_points} checkpoints over {self.steps} steps; "
                f"a run keeps at most 20. Try --record-every {-(-self.steps // 19)}."
            )

    @property
    def recorded_points(self) -> int:
        """Checkpoints of the raw iterates that a run of this many steps keeps, its start and its end included."""
        return 1 + -(-self.steps // self.record_every)

    @property
    def uses_mixup(self) -> bool:
        """Whether the algorithm ever mixes."""
        return self.algorithm != "erm"

    @property
    def trunk_steps(self) -> int:
        """Updates that all algorithms share: the state after step T0 - 1."""
        return min(self.mixup.start - 1, self.steps)

    def replace(self, **changes: Any) -> "RunConfig":
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RunConfig":
        """The inverse of :meth:`to_dict`."""
        values = dict(_known(cls, values))
        values["mixup"] = MixupConfig(**_known(MixupConfig, values.get("mixup", {})))
        return cls(**values)

    def identity(self) -> dict[str, Any]:
        """The values that the run's bits depend on: no step count, device or recording.

        `precision` must have been resolved (not ``auto``) before a run is named by it. ERM's identity leaves
        out the mixup's settings except the momentum of the tracked feature moments.
        """
        values = self.to_dict()
        for name in ("steps", "device", "record_every", "save_every", "strict", "data_dir"):
            del values[name]
        if not self.uses_mixup:
            values["mixup"] = {"momentum": self.mixup.momentum}
        return values

    def hash(self) -> str:
        """Eight hexadecimal digits that name the run's folder."""
        return digest(json.dumps(self.identity(), sort_keys=True))[:8]

    def trunk_hash(self) -> str:
        """The same for the trunk that this run branches from: without algorithm, T0 and mixup settings."""
        values = self.replace(algorithm="erm").identity()
        values["algorithm"] = "trunk"
        return digest(json.dumps(values, sort_keys=True))[:8]


PresetName = Literal["quick", "full", "paper", "domainbed-2020", "domainbed-2024", "swad"]

PRESETS: dict[str, RunConfig] = {
    # Minutes on two CPU cores.
    "quick": RunConfig(
        steps=160, image_size=64, augmentation="affine", record_every=20, save_every=20, mixup=MixupConfig(start=100)
    ),
    # The paper's schedule on the embedded data.
    "full": RunConfig(steps=5000, image_size=128),
    # The paper: DomainBed's protocol with ResNet-50.
    "paper": RunConfig(steps=5000, image_size=224, data="pacs", model="resnet50"),
    # DomainBed as published (torchvision ResNet-50, frozen batch norm).
    "domainbed-2020": RunConfig(
        algorithm="erm",
        steps=5001,
        image_size=224,
        data="pacs",
        model="resnet50",
        split="domainbed",
        augment_validation=True,
        swa_start=5001,
    ),
    # DomainBed since July 2024 (timm's AugMix weights, batch norm trained).
    "domainbed-2024": RunConfig(
        algorithm="erm",
        steps=5001,
        image_size=224,
        data="pacs",
        model="timm:resnet50.ram_in1k",
        batch_norm="train",
        split="domainbed",
        augment_validation=True,
        swa_start=5001,
    ),
    # SWAD's and the FGMix paper's search space has lr 1e-5, 3e-5, 5e-5, dropout 0, .1, .5, weight decay 1e-4, 1e-6.
    "swad": RunConfig(
        algorithm="erm",
        steps=5001,
        image_size=224,
        data="pacs",
        model="resnet50",
        split="domainbed",
        lr=5e-5,
        dropout=0.1,
        weight_decay=1e-4,
    ),
}

PresetFlag = Annotated[PresetName, tyro.conf.arg(help="Starting values; flags given beside it win.")]
