"""What determines a run: :class:`RunConfig`, its presets and its hashes.

Defaults follow DomainBed and the FGMix paper; where the paper is silent the option's help says so and
names the choice. No torch in here: ``--help`` has to answer at once.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, cast

import tyro

from landscape.algorithms.catalogue import METHODS, find
from landscape.algorithms.fgmix_options import MixupConfig
from landscape.algorithms.method import Method, Options, StoredOptions
from landscape.errors import InputError
from landscape.fields import known, normalise, option, to_store
from landscape.storage import digest

__all__ = ["PRESETS", "Device", "MixupConfig", "Precision", "PresetFlag", "PresetName", "RunConfig"]

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16"]


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a training run."""

    algorithm: str = "fgmix"
    """Method of training, by its name (python -m landscape.algorithms lists them), or your package.module:Class."""
    data: str = "sixstyles"
    """Built-in name (sixstyles, pacs, vlcs, officehome, terraincognita, domainnet), a folder domain/class/image,
    or a CSV or JSON manifest."""
    data_dir: str | None = None
    """Folder that holds the downloaded data sets, as DomainBed lays them out."""
    target: str = "sketch"
    """The domain that training never sees; all others are sources. In Python, beside `sources` give `targets`."""
    sources: tuple[str, ...] = option((), later=True)
    """Domains to train on; none given means all but the targets. The targets are then --targets, else all others."""
    targets: tuple[str, ...] = option((), later=True)
    """Several domains that training never sees, each scored by itself; in place of --target."""
    domains: tuple[str, ...] = ()
    """Domains to use; none given means the data set's default."""
    seed: int = 0
    """Trial seed: splits, batches, augmentation, initialisation."""
    steps: int = option(5000, least=1)
    """Updates; step t is the t-th."""

    image_size: int = option(224, least=8)
    """Side of the square input in pixels."""
    batch_size: int = option(32, least=1)
    """Images per source domain and step."""
    augmentation: Literal["domainbed", "affine", "randaugment", "none"] = "domainbed"
    """Crop, flip, colour jitter and grayscale as in DomainBed; its fast affine and colour-matrix form; RandAugment; or
    none."""
    random_ops: int = option(2, least=1, later=True)
    """RandAugment: operations drawn for an image, one after the other."""
    magnitude: int = option(9, least=0, most=30, later=True)
    """RandAugment: their strength, from 0 to 30."""
    views: int = option(0, least=0, later=True)
    """Independently augmented copies of each image in a minibatch, each a domain of its own to the method; 0: as many
    as the method asks for, which is one for most."""
    augment_validation: bool = False
    """Augment the source validation split too, as DomainBed does."""
    sampler: Literal["uniform", "class-first"] = "uniform"
    """Draw images, or first classes and then images of them (for data with many classes, as for DomainNet)."""
    classes_per_batch: int = option(8, least=1)
    """Classes drawn by the class-first sampler. The paper's value is lost."""
    split: Literal["auto", "concept", "random", "domainbed"] = "auto"
    """80/20 split of each domain: by concept, at random per (seed, domain), or DomainBed's own rule. auto: by
    concept where the data has concepts, else random."""

    model: str = "efficientnet_lite0"
    """efficientnet_lite0, resnet18, resnet50, densenet121, small_cnn, timm:NAME, or your package.module:function; the
    built-in ones and timm's may add layers: resnet18+selfnorm."""
    weights: str = "imagenet"
    """imagenet, none, or the path of a file of weights."""
    head: Literal["linear", "nonlinear"] = "linear"
    """Classifier: one linear layer, or DomainBed's three."""
    dropout: float = option(0.0, least=0, below=1)
    """Dropout on the latent code."""
    batch_norm: Literal["auto", "frozen", "train"] = "auto"
    """Running statistics fixed (affine weights are still trained), or not; auto: frozen when pretrained; a network of
    your own whose running statistics are all still at their initial values is trained."""

    lr: float = option(5e-5, above=0)
    """The optimizer's learning rate."""
    weight_decay: float = option(0.0, least=0)
    """L2 term inside the optimizer (coupled, as in DomainBed): added to the gradient after any gradient rule."""
    optimizer: Literal["adam", "sgd"] = option("adam", later=True)
    """Adam, or SGD with momentum."""
    momentum: float = option(0.9, least=0, below=1, later=True)
    """SGD's momentum."""
    schedule: Literal["constant", "cosine"] = option("constant", later=True)
    """Learning rate over the run: constant, or along half a cosine to 0 at the last step."""
    swa_start: int = option(100, least=1)
    """t0: the average covers the weights after steps t0 - 1, t0, t0 + 1, ..."""

    device: Device = "auto"
    """Where to compute."""
    precision: Precision = "auto"
    """fp32, bf16 autocast, or whichever a short timing on this hardware finds faster."""
    record_every: int = option(300, least=1)
    """Steps between recorded checkpoints; a run keeps at most 20."""
    save_every: int = option(100, least=1)
    """Steps between saves of the resume state."""
    strict: bool = False
    """Stop at the first unreadable image instead of leaving it out."""

    mixup: MixupConfig = field(default_factory=MixupConfig)
    """The mixup of latent codes and its weight policy."""
    options: Options = field(default_factory=Options)
    """Settings of the chosen method."""

    def __post_init__(self) -> None:
        normalise(self)
        self._take_options()
        if self.targets and self.target not in self.targets:
            object.__setattr__(self, "target", self.targets[0])
        if self.recorded_points > 20:
            raise InputError(
                f"--record-every {self.record_every} makes {self.recorded_points} checkpoints over {self.steps} steps; "
                f"a run keeps at most 20. Try --record-every {-(-self.steps // 19)}."
            )

    def _take_options(self) -> None:
        """Default settings where none are given; FGMix's own are the mixup's."""
        wanted, given = self.method.options, cast(Options | None, self.options)
        if wanted is MixupConfig and isinstance(given, MixupConfig):
            object.__setattr__(self, "mixup", given)
            given = None
        if given is None or type(given) is Options:
            object.__setattr__(self, "options", Options() if wanted is MixupConfig else wanted())
        elif not isinstance(given, wanted) and wanted is not StoredOptions:
            raise InputError(
                f"the settings of {self.algorithm} are {wanted.__name__}, but {type(given).__name__} were given."
            )

    @property
    def method(self) -> Method:
        """The algorithm's row of the catalogue."""
        return find(self.algorithm)

    @property
    def recorded_points(self) -> int:
        """Checkpoints of the raw iterates that a run of this many steps keeps, its start and its end included."""
        return 1 + -(-self.steps // self.record_every)

    @property
    def views_per_image(self) -> int:
        """Augmented copies of each image in a minibatch."""
        return self.views or self.method.views

    @property
    def uses_mixup(self) -> bool:
        """Whether the algorithm ever mixes latent codes with a weight policy: FGMix and its variants."""
        return self.method.options is MixupConfig

    @property
    def trunk_steps(self) -> int:
        """Updates that the algorithm shares with others: of most none, of ERM and FGMix those before T0."""
        # A schedule stretches over the whole run, so that the first steps of two runs differ.
        shared = self.method.trunk and self.schedule == "constant"
        return min(self.mixup.start - 1, self.steps) if shared else 0

    def replace(self, **changes: Any) -> "RunConfig":
        """A copy with some fields changed.

        Another algorithm comes with its own default settings, and beside sources a target is the only one.
        """
        if changes.get("algorithm", self.algorithm) != self.algorithm:
            changes = {"options": None, **changes}
        if "target" in changes and changes.get("sources", self.sources):
            changes = {"targets": (changes["target"],), **changes}
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, for JSON."""
        values = to_store(self)
        options = values.pop("options")
        options = dict(options["values"]) if isinstance(self.options, StoredOptions) else options
        return {**values, "options": options} if options else values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RunConfig":
        """The inverse of :meth:`to_dict`; it imports nothing of the user's own."""
        values = known(cls, values)
        if "algorithm" in values and ":" not in values["algorithm"] and values["algorithm"] not in METHODS:
            raise InputError(
                f"the stored configuration has the algorithm {values['algorithm']!r}, which this version does not "
                "have; was it written by a newer one?"
            )
        values["mixup"] = MixupConfig(**known(MixupConfig, values.get("mixup", {})))
        if stored := values.get("options"):
            row = find(values["algorithm"])
            if row.options is StoredOptions:
                values["options"] = StoredOptions(tuple((name, _frozen(value)) for name, value in stored.items()))
            else:
                values["options"] = row.options(**known(row.options, stored))
        return cls(**values)

    def identity(self) -> dict[str, Any]:
        """The values that the run's bits depend on: no step count, device or recording.

        `precision` must have been resolved (not ``auto``) before a run is named by it. The mixup's settings are
        FGMix's; of them a run that it may branch from has the momentum of the tracked feature moments. Settings that
        came later than the first runs are in here only where they differ from their default.
        """
        values = self.to_dict()
        for name in ("steps", "device", "record_every", "save_every", "strict", "data_dir"):
            del values[name]
        if not self.uses_mixup:
            del values["mixup"]
            if self.method.trunk:
                values["mixup"] = {"momentum": self.mixup.momentum}
        if self.schedule != "constant":
            values["steps"] = self.steps
        # A setting that is not used names nothing, and a method's own default is as good as the same number given.
        used = {
            "views": self.views_per_image > 1,
            "random_ops": self.augmentation == "randaugment",
            "magnitude": self.augmentation == "randaugment",
            "momentum": self.optimizer == "sgd",
        }
        numbers = {**vars(self), "views": self.views_per_image}
        values = {name: value for name, value in values.items() if name not in used}
        values |= {name: numbers[name] for name, counts in used.items() if counts}
        return values

    def hash(self) -> str:
        """Eight hexadecimal digits that name the run's folder."""
        return digest(json.dumps(self.identity(), sort_keys=True))[:8]

    def trunk_hash(self) -> str:
        """The same for the trunk that this run branches from: without algorithm, T0 and mixup settings."""
        values = self.replace(algorithm="erm").identity()
        values["algorithm"] = "trunk"
        return digest(json.dumps(values, sort_keys=True))[:8]


def _frozen(value: Any) -> Any:
    """JSON's lists as tuples, which can be hashed."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


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
