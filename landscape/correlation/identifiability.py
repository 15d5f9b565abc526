"""What the weights say of a learned score, and what a score says that was never trained.

The weights of a group depend on S only through the differences of ``s_i = sum_{j != i} S(g_i, g_j)`` (Eqs. 3, 4), so

    ``S(a, b) + h(a) + (n - 1) h(b)``

gives the same weights as S for any function h: every s_i of a group of n moves by ``(n - 1) sum_j h(g_j)``. More
generally h may depend on the partner's domain, ``S(a, b) + h_e(a) + sum_{f} h_f(b)`` with e the domain of b and f
running over the domains other than b's own, which is all there is for n > 2: within one pair of domains S is known
only up to any function of a plus any function of b. With n = 2 sources any symmetric function may be added, the
cosine itself among them. A correlation of S with the cosine is therefore no property of the learned policy alone.

What the weights do identify is the score of a member within its group, ``s_i - mean_j s_j``: that is compared with
its counterpart of variant C, where the cosine takes the place of S. And what training did shows only against scores
that were never trained.
"""

from dataclasses import dataclass

import numpy as np

from landscape.correlation.rank import nothing, spearman
from landscape.intervals import Interval, bca

_BATCH = 2**22


def centred(scores: np.ndarray) -> np.ndarray:
    """``s_i - mean_j s_j`` in each group: (M, n) -> (M, n). All that Eq. 4 sees of the scores."""
    return scores - scores.mean(-1, keepdims=True)


def ambiguity(members: int) -> str:
    """What the weights of groups of so many members say of S, as a sentence."""
    if members == 2:
        return (
            "With two sources the weights determine only S(a, b) - S(b, a): any symmetric function, the cosine too, "
            "may be added to S, so rho says nothing about them."
        )
    return (
        f"The weights determine S only up to S(a, b) + h(a) + {members - 1} h(b) for any h, which can give any rho; "
        "they do determine the centred scores within groups."
    )


def within_groups(
    score: np.ndarray,
    cosine: np.ndarray,
    *,
    resamples: int,
    permutations: int,
    generator: np.random.Generator,
) -> Interval:
    """Spearman's rho of centred scores over all members of all groups, with the group as the unit.

    The members of a group are not independent (their centred scores sum to 0): the bootstrap draws whole groups, and
    p is that of a permutation test which exchanges the members within each group, ``(1 + b) / (1 + permutations)``
    with b the number of permutations whose rho is at least as far from 0.

    Args:
        score: (M, n) learned scores of the members, centred or not.
        cosine: (M, n) sums of cosines (variant C's scores).
        resamples: bootstrap samples.
        permutations: permutations.
        generator: source of both.

    Returns:
        The estimate, n being groups times members; NaN with two members, for which variant C weighs every group
        uniformly, as the cosine is symmetric.
    """
    groups, members = score.shape
    score, cosine = centred(score), centred(cosine)
    if groups < 2 or members < 3:
        return nothing(groups * members)

    def at(index: np.ndarray, axis: int = -1) -> np.ndarray:
        return spearman(_joined(score[index]), _joined(cosine[index]))

    rho = float(at(np.arange(groups)))
    if np.isnan(rho):
        return nothing(groups * members)
    low, high = bca(at, groups, resamples=resamples, generator=generator)
    extreme, left = 0, permutations
    while left:
        count = min(left, max(1, _BATCH // score.size))
        order = generator.random((count, groups, members)).argsort(-1)
        shuffled = np.take_along_axis(np.broadcast_to(score, order.shape), order, -1)
        # A rounding error must not turn the identity permutation into one that is less extreme.
        extreme += int((np.abs(spearman(_joined(shuffled), cosine.ravel())) >= abs(rho) - 1e-12).sum())
        left -= count
    return Interval(rho, low, high, groups * members, "members", p=(1 + extreme) / (1 + permutations))


def _joined(values: np.ndarray) -> np.ndarray:
    """(..., M, n) -> (..., M n)."""
    return values.reshape(*values.shape[:-2], -1)


@dataclass(frozen=True)
class Untrained:
    """The same statistics, on the same pairs and groups, of scores S_phi as they are before any training.

    Attributes:
        rho: (K, P) Spearman's rho of every initialisation in every pair of domains.
        partial: (K, P) the partial one, given both gradient norms.
        within: (K,) the one of the centred scores within groups.
    """

    rho: np.ndarray
    partial: np.ndarray
    within: np.ndarray

    def __len__(self) -> int:
        return len(self.within)


@dataclass(frozen=True)
class Place:
    """Where an observed statistic lies among those of untrained scores.

    Attributes:
        observed: the statistic of the trained score.
        low: 2.5 % quantile of the untrained ones.
        high: 97.5 % quantile.
        below: share of the untrained ones that are smaller.
        p_greater: one-sided, ``(1 + #{untrained >= observed}) / (1 + K)``.
        p_two_sided: ``(1 + #{|untrained| >= |observed|}) / (1 + K)``. The sign of an untrained score is arbitrary
            (flipping its last layer gives an equally likely one), so its correlations are symmetric about 0.
        n: K, the untrained scores that have a value.
    """

    observed: float
    low: float
    high: float
    below: float
    p_greater: float
    p_two_sided: float
    n: int

    @classmethod
    def of(cls, observed: float, untrained: np.ndarray) -> "Place":
        """Place a value among (K,) others; NaN where either is missing."""
        known = untrained[~np.isnan(untrained)]
        k = len(known)
        if k == 0 or np.isnan(observed):
            return cls(observed, np.nan, np.nan, np.nan, np.nan, np.nan, k)
        low, high = np.quantile(known, [0.025, 0.975])
        return cls(
            observed=observed,
            low=float(low),
            high=float(high),
            below=float((known < observed).mean()),
            p_greater=float((1 + (known >= observed).sum()) / (1 + k)),
            p_two_sided=float((1 + (np.abs(known) >= abs(observed)).sum()) / (1 + k)),
            n=k,
        )
