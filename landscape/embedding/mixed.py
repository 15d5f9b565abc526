"""Mixup codes: which images each is made of, with which weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from landscape.errors import InputError


@dataclass(frozen=True, eq=False)
class Mixed:
    """M mixup codes ``z~_m = sum_i w_mi z_{members[m, i]}`` (FGMix paper, Eq. 1).

    Attributes:
        name: what made the weights: ``A``, ``FGMix``, ...
        members: (M, n) int64 images, as positions among the codes; -1 fills up a smaller group.
        weights: (M, n) float32, each row sums to 1; NaN where there is no member.

    Raises:
        InputError: shapes that differ, an empty group, or weights that do not sum to 1.
    """

    name: str
    members: np.ndarray
    weights: np.ndarray

    def __post_init__(self) -> None:
        members, weights = np.asarray(self.members, dtype=np.int64), np.array(self.weights, dtype=np.float32)
        if members.ndim != 2 or members.shape != weights.shape or not members.size or (members[:, 0] < 0).any():
            raise InputError(
                f"mixup {self.name!r} has members {members.shape} and weights {weights.shape}; expected two arrays "
                "(M, n), with the images of each group first."
            )
        weights[members < 0] = np.nan
        sums = np.nansum(weights.astype(np.float64), axis=1)
        room = 1e-3 * max(1.0, float(np.nanmax(np.abs(weights))))
        if np.isnan(weights[members >= 0]).any() or np.abs(sums - 1).max() > room:
            raise InputError(f"mixup {self.name!r} has weights that do not sum to 1 in each group; divide by the sums.")
        object.__setattr__(self, "members", members)
        object.__setattr__(self, "weights", weights)

    def __len__(self) -> int:
        return len(self.members)

    @property
    def extrapolated(self) -> np.ndarray:
        """(M,) bool: whether a weight is negative, so that the code lies outside its members' convex hull."""
        return (np.nan_to_num(self.weights) < 0).any(1)

    def codes(self, codes: np.ndarray) -> np.ndarray:
        """(M, D) float32 mixup codes, given the images' codes (N, D).

        Summed in float64 member by member: the same bits on every machine, so a file need not hold them.
        """
        total = np.zeros((len(self), codes.shape[1]))
        for column, weight in zip(self.members.T, np.nan_to_num(self.weights.T).astype(np.float64), strict=True):
            total += weight[:, None] * codes[column]  # weight 0 where there is no member
        return total.astype(np.float32)

    def labels(self, labels: np.ndarray) -> np.ndarray:
        """(M,) class of each code: that of its first member."""
        return labels[self.members[:, 0]]


def matched_control(mixed: Mixed, generator: np.random.Generator) -> Mixed:
    """Random weights for the same groups, scaled to the same number of extrapolated codes.

    Draws ``w ~ Dirichlet(1, ..., 1)`` and applies Eq. 5, ``w~ = lambda w + (1 - lambda) / n``, with the lambda
    between the onsets ``1 / (1 - n min_i w_i)`` at which exactly as many codes extrapolate as in `mixed`. Count and
    share are the same; how far the codes reach out is not matched.
    """
    here = mixed.members >= 0
    size = here.sum(1, keepdims=True)
    draws = generator.gamma(1.0, size=mixed.members.shape) * here
    weights = draws / draws.sum(1, keepdims=True)
    smallest = np.where(here, weights, np.inf).min(1)
    spread = 1 - size[:, 0] * smallest
    onset = 1 / np.maximum(spread, 1e-12)
    scale = 1.0
    if count := int(mixed.extrapolated.sum()):
        order = np.sort(onset)
        scale = float(order[-1] * 1.01 if count == len(order) else (order[count - 1] + order[count]) / 2)
    scaled = scale * weights + (1 - scale) / size
    return Mixed(f"control of {mixed.name}", mixed.members, scaled.astype(np.float32))


def padded(parts: Sequence[Mixed]) -> tuple[np.ndarray, np.ndarray]:
    """Members (M, n) and weights (M, n) of several mixups, one after the other, as wide as the widest."""
    if not parts:
        return np.empty((0, 1), np.int64), np.empty((0, 1), np.float32)  # a file knows no axis without length
    width = max(part.members.shape[1] for part in parts)
    members = [np.pad(part.members, ((0, 0), (0, width - part.members.shape[1])), constant_values=-1) for part in parts]
    weights = [
        np.pad(part.weights, ((0, 0), (0, width - part.weights.shape[1])), constant_values=np.nan) for part in parts
    ]
    return np.concatenate(members), np.concatenate(weights)
