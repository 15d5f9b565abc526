"""FGMix's train surface: mixup codes of the whole training data with frozen groups and weights."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape.checkpoint import Checkpoint
from landscape.data import Task
from landscape.errors import InputError
from landscape.fgmix import VARIANTS, Groups, WeightPolicy, anchored_groups, classifier_gradients, mix_codes
from landscape.seeding import numpy_generator

# Numbers held at a time while weights and codes are made; a batch of DomainNet's would not fit at once.
_BUDGET = 2**26


@dataclass(frozen=True)
class Mixture:
    """Groups of same-class source images with fixed mixing weights (FGMix paper, Figure 6b, footnote 6).

    Each in-split source image anchors one group: itself and a random image of its class from every other source.
    The weights ``w~`` come from the last iterate's policy and stay what they are; the codes
    ``z~_m = sum_i w~_mi z_i`` are made anew at every point of the surface, from that point's own latent codes.

    Attributes:
        rows: (M, n) the members, as positions among the evaluated images.
        weights: (M, n) float32, each row sums to 1; an entry below 0 extrapolates.
        labels: (M,) class of each group.
        skipped: training images that anchor no group, because a source lacks their class.
    """

    rows: Tensor
    weights: Tensor
    labels: Tensor
    skipped: int

    @classmethod
    @torch.no_grad()
    def frozen(
        cls, task: Task, rows: np.ndarray, codes: Tensor, classifier: nn.Module, checkpoint: Checkpoint
    ) -> "Mixture":
        """Weigh the groups by a checkpoint's policy (Eqs. 3-5), at the codes and the classifier of that checkpoint.

        Args:
            task: gives the training images.
            rows: (n,) images that `codes` belong to, as indices into the task's images.
            codes: (n, D) their latent codes.
            classifier: theta_C of the checkpoint, on the codes' device.
            checkpoint: its algorithm, settings, trial seed and policy.

        Raises:
            InputError: the checkpoint has no policy, or no class is in every source.
        """
        classifier = copy.deepcopy(classifier).to(codes.dtype)  # an evaluation in float64 has it in float64
        policy = restore_policy(checkpoint, classifier, codes.shape[1]).to(codes.device).eval()
        config = checkpoint.config
        assert config is not None  # restore_policy has checked
        training = np.flatnonzero(np.isin(rows, task.source_rows("in")))
        images = task.images
        source = np.array([task.sources.index(images.domains[d]) for d in images.domain[rows[training]]])
        groups = anchored_groups(
            torch.from_numpy(images.labels[rows[training]]),
            torch.from_numpy(source),
            generator=numpy_generator(config.seed, "evaluation", "surface", "groups"),
        )
        if len(groups) == 0:
            raise InputError(
                f"no class of {images.name} is in all of the sources {', '.join(task.sources)}, so there are no "
                "mixup codes to evaluate."
            )
        positions = torch.from_numpy(training)[groups.rows].to(codes.device)
        labels = torch.from_numpy(images.labels[rows]).to(codes.device)
        generator = numpy_generator(config.seed, "evaluation", "surface", "weights")
        parts = [
            _weigh(policy, classifier, codes, labels, positions[part], groups.domains[part], generator)
            for part in _chunks(len(groups), _numbers_per_group(policy, classifier, positions.shape[1]))
        ]
        return cls(
            rows=positions,
            weights=torch.cat(parts),
            labels=groups.labels.to(codes.device),
            skipped=groups.requested - len(groups),
        )

    def __len__(self) -> int:
        return self.rows.shape[0]

    @property
    def extrapolated(self) -> float:
        """Share of the codes that lie outside the convex hull of their members."""
        return float((self.weights < 0).any(1).double().mean())

    @torch.no_grad()
    def loss(self, codes: Tensor, classifier: nn.Module) -> np.ndarray:
        """(M,) cross entropy of each mixup code in nats, float64.

        Args:
            codes: (n, D) latent codes of the evaluated images at this point.
            classifier: theta_C at this point.
        """
        dtype = next((parameter.dtype for parameter in classifier.parameters()), codes.dtype)
        losses = []
        for part in _chunks(len(self), self.rows.shape[1] * codes.shape[1]):
            logits = classifier(mix_codes(codes, self.rows[part], self.weights[part]).to(dtype))
            # In float64 from the logits on, like every other loss of the surface.
            losses.append(F.cross_entropy(logits.double(), self.labels[part], reduction="none"))
        result: np.ndarray = torch.cat(losses).cpu().numpy()
        return result


def has_policy(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint knows how its mixup codes are weighed."""
    config = checkpoint.config
    return config is not None and config.uses_mixup and any(name.startswith("policy/") for name in checkpoint.algorithm)


def restore_policy(checkpoint: Checkpoint, classifier: nn.Module, feature_dim: int) -> WeightPolicy:
    """The weight policy that a checkpoint holds.

    Raises:
        InputError: it holds none.
    """
    if not has_policy(checkpoint) or checkpoint.config is None:
        raise InputError(f"{checkpoint.label} holds no mixup policy; expected a checkpoint of FGMix or of a variant.")
    config = checkpoint.config
    policy = WeightPolicy(VARIANTS[config.algorithm], config.mixup, classifier=classifier, feature_dim=feature_dim)
    state: Mapping[str, Tensor] = {
        name.removeprefix("policy/"): tensor
        for name, tensor in checkpoint.algorithm.items()
        if name.startswith("policy/")
    }
    try:
        policy.load_state_dict(dict(state))
    except RuntimeError as error:
        raise InputError(f"the policy in {checkpoint.label} does not fit its own settings: {error}") from error
    return policy


def _weigh(
    policy: WeightPolicy,
    classifier: nn.Module,
    codes: Tensor,
    labels: Tensor,
    positions: Tensor,
    domains: Tensor,
    generator: np.random.Generator,
) -> Tensor:
    """Weights (M', n) of some of the groups; only their members' gradients are made."""
    members, local = torch.unique(positions, return_inverse=True)
    own, classes = codes[members], labels[members]
    gradients = classifier_gradients(classifier, own, classes) if policy.needs_gradients else None
    groups = Groups(rows=local, labels=classes[local[:, 0]], domains=domains.to(local.device), requested=len(local))
    return policy(own, gradients, groups, generator).scaled.float()


def _numbers_per_group(policy: WeightPolicy, classifier: nn.Module, n: int) -> int:
    parameters = sum(parameter.numel() for parameter in classifier.parameters())
    dense = policy.needs_gradients and not isinstance(classifier, nn.Linear)
    # A linear head's gradients stay in rank-one form; what is left is small beside the pairs' hidden units.
    return n * parameters if dense else n * n * 1024


def _chunks(count: int, numbers: int) -> Iterator[slice]:
    size = max(1, _BUDGET // max(numbers, 1))
    for start in range(0, count, size):
        yield slice(start, start + size)
