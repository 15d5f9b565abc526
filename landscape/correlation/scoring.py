"""Scores, cosines and norms of classifier gradients, for any groups of images."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from landscape.checkpoint import Checkpoint
from landscape.fgmix import (
    VARIANTS,
    CompatibilityNetwork,
    Gradients,
    LinearGradients,
    WeightPolicy,
    classifier_gradients,
    pair_cosines,
)
from landscape.mixture import restore_policy
from landscape.seeding import torch_seed

# Numbers held at a time; the first layer's products of a DomainNet pair would not fit all at once.
_BUDGET = 2**26


@dataclass(frozen=True)
class Instances:
    """Images by their latent codes, with the classifier that their gradients are of; all in float64.

    Attributes:
        rows: (R,) sorted indices into the task's images.
        codes: (R, D) latent codes.
        labels: (R,) classes.
        classifier: theta_C.
    """

    rows: np.ndarray
    codes: Tensor
    labels: Tensor
    classifier: nn.Module

    @classmethod
    def of(cls, rows: np.ndarray, codes: Tensor, labels: np.ndarray, classifier: nn.Module) -> "Instances":
        """Take codes and classifier as an evaluation leaves them, which are of float32."""
        # Apple's accelerators know no float64.
        device = codes.device if codes.device.type != "mps" else torch.device("cpu")
        own = copy.deepcopy(classifier).to(device, torch.float64).eval().requires_grad_(False)
        return cls(rows, codes.to(device, torch.float64), torch.from_numpy(labels).to(device), own)

    @torch.no_grad()
    def scores(self, score: CompatibilityNetwork, members: np.ndarray) -> np.ndarray:
        """Scores ``S(g_i, g_j)`` of all ordered pairs within each group: (M, n) rows -> (M, n, n)."""
        # Per distinct image the first layer's products, with K numbers each on the way.
        classes = int(self.labels.max()) + 1
        parts = [
            score(gradients, local).cpu().numpy()
            for gradients, local in self._parts(members, numbers=score.weight[..., 0].numel() * classes)
        ]
        return np.concatenate(parts)

    @torch.no_grad()
    def geometry(self, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cosines (M, n, n) of the gradients within each group, and their Euclidean norms (M, n)."""
        cosines, norms = [], []
        for gradients, local in self._parts(members, numbers=1):
            cosines.append(pair_cosines(gradients, local).cpu().numpy())
            each = gradients.norms() if isinstance(gradients, LinearGradients) else gradients.norm(dim=-1)
            norms.append(each[local].cpu().numpy())
        return np.concatenate(cosines), np.concatenate(norms)

    def _parts(self, members: np.ndarray, *, numbers: int) -> Iterator[tuple[Gradients, Tensor]]:
        """Gradients of some groups' members, and the groups' members among them; bounded in memory."""
        where = torch.from_numpy(np.searchsorted(self.rows, members)).to(self.codes.device)
        size = sum(parameter.numel() for parameter in self.classifier.parameters())
        dense = 0 if type(self.classifier) is nn.Linear else size
        step = max(1, _BUDGET // (members.shape[1] * max(numbers, dense, self.codes.shape[1])))
        for start in range(0, len(where), step):
            used, local = torch.unique(where[start : start + step], return_inverse=True)
            yield classifier_gradients(self.classifier, self.codes[used], self.labels[used]), local


def trained_score(checkpoint: Checkpoint, classifier: nn.Module, feature_dim: int) -> CompatibilityNetwork:
    """The compatibility score S_phi that a checkpoint holds, in float64."""
    with torch_seed(0, "policy"):  # the initial values are overwritten; the global generator is left as it was
        policy = restore_policy(checkpoint, classifier, feature_dim)
    return _frozen(policy)


def untrained_score(
    checkpoint: Checkpoint, classifier: nn.Module, feature_dim: int, *parts: int | str
) -> CompatibilityNetwork:
    """A compatibility score of the same architecture as the training would start with it.

    Args:
        checkpoint: says the architecture and the trial seed.
        classifier: theta_C, for the size of its gradients.
        feature_dim: coordinates of a latent code.
        parts: which initialisation; none at all: the one that the run itself started with.
    """
    config = checkpoint.config
    assert config is not None
    with torch_seed(config.seed, "policy", *parts):
        policy = WeightPolicy(VARIANTS[config.algorithm], config.mixup, classifier=classifier, feature_dim=feature_dim)
    return _frozen(policy)


def _frozen(policy: WeightPolicy) -> CompatibilityNetwork:
    assert policy.score is not None  # the variant is learned
    return policy.score.double().eval().requires_grad_(False)
