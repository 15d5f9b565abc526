"""From scores to mixup codes: softmax, scaling and shifting, linear combination (paper, Eqs. 1 and 3-5).

Everywhere M groups of n members; ``rows`` (M, n) names the members in the pooled batch.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from landscape.fgmix.gradients import Gradients, pairwise_cosine


def score_sums(pair_scores: Tensor) -> Tensor:
    """Score of each member, ``s_i = sum_{j != i} S(g_i, g_j)`` (Eq. 3).

    >>> score_sums(torch.tensor([[[9.0, 1.0, 2.0], [3.0, 9.0, 4.0], [5.0, 6.0, 9.0]]]))
    tensor([[ 3.,  7., 11.]])

    Args:
        pair_scores: (M, n, n) scores of ordered pairs; the diagonal is not used.

    Returns:
        (M, n).
    """
    own = torch.eye(pair_scores.shape[-1], dtype=torch.bool, device=pair_scores.device)
    return pair_scores.masked_fill(own, 0.0).sum(-1)


def softmax_weights(scores: Tensor) -> Tensor:
    """Weights of an interpolation, ``w_i = exp(s_i) / sum_j exp(s_j)`` (Eq. 4).

    >>> softmax_weights(torch.tensor([[0.0, 0.0], [0.0, 3.0]]).log1p())
    tensor([[0.5000, 0.5000],
            [0.2000, 0.8000]])

    Args:
        scores: (M, n).

    Returns:
        (M, n), each row positive with sum 1.
    """
    return torch.softmax(scores, dim=-1)


def scale_and_shift(weights: Tensor, scale: Tensor | float) -> Tensor:
    """Weights that may extrapolate, ``w~_i = lambda w_i + (1 - lambda) / n`` (Eq. 5).

    The shift is the only common one that keeps the sum at 1. lambda = 1 changes nothing, uniform weights never
    change, and ``|w~_i - w_i| = |lambda - 1| |w_i - 1/n|``.

    >>> scale_and_shift(torch.tensor([[0.5, 0.5], [0.25, 0.75]]), 3.0)
    tensor([[ 0.5000,  0.5000],
            [-0.2500,  1.2500]])

    Args:
        weights: (M, n), each row sums to 1.
        scale: scaling factor lambda.

    Returns:
        (M, n), each row sums to 1, entries of any sign.
    """
    return scale * weights + (1 - scale) / weights.shape[-1]


def extrapolation_onset(weights: Tensor) -> Tensor:
    """The scaling factor above which a code extrapolates, ``lambda* = 1 / (1 - n min_i w_i)``.

    The more distinctive the weights, the smaller it is (section 3.2).

    >>> extrapolation_onset(torch.tensor([[0.0, 1.0], [0.25, 0.75], [0.5, 0.5]]))
    tensor([1., 2., inf])

    Args:
        weights: (M, n) of Eq. 4.

    Returns:
        (M,) from 1; infinite for uniform weights.
    """
    spread = 1 - weights.shape[-1] * weights.min(-1).values
    return spread.clamp(min=0.0).reciprocal()


def extrapolated(weights: Tensor) -> Tensor:
    """Whether a code lies outside the convex hull of its members, ``any_i w_i < 0`` (section 3.1).

    >>> extrapolated(torch.tensor([[0.5, 0.5], [-0.25, 1.25]]))
    tensor([False,  True])

    Args:
        weights: (M, n) of Eq. 5.

    Returns:
        (M,) bool.
    """
    return (weights < 0).any(-1)


def weight_entropy(weights: Tensor) -> Tensor:
    """Entropy of each group's softmax weights, ``-sum_i w_i log w_i`` in nats.

    log n for uniform weights, 0 for a copy. Negative weights are no distribution: a row that has one gets NaN, so
    give the weights of Eq. 4, not those of Eq. 5.

    >>> weight_entropy(torch.tensor([[0.5, 0.5], [0.0, 1.0], [-0.25, 1.25]]))
    tensor([0.6931, 0.0000,    nan])

    Args:
        weights: (M, n) of Eq. 4.

    Returns:
        (M,).
    """
    entropy = torch.special.entr(weights).sum(-1)
    return torch.where(extrapolated(weights), torch.nan, entropy)


def mix_codes(codes: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    """Mixup codes, ``z~_m = sum_i w_mi z_{rows[m, i]}`` (Eq. 1).

    >>> mix_codes(torch.tensor([[0.0, 0.0], [4.0, 8.0]]), torch.tensor([[0, 1]]), torch.tensor([[-0.25, 1.25]]))
    tensor([[ 5., 10.]])

    Args:
        codes: (N, D) latent codes of the pooled batch.
        rows: (M, n) members.
        weights: (M, n).

    Returns:
        (M, D); gradients reach both the codes and the weights.
    """
    # An embedding look-up is codes[rows], but with a backward pass that adds in a fixed order. Plain indexing adds
    # atomically on several threads, so that two runs would differ in the last bit.
    return torch.einsum("mn,mnd->md", weights, F.embedding(rows, codes))


def pair_cosines(vectors: Gradients, rows: Tensor) -> Tensor:
    """Cosine similarities within each group.

    >>> pair_cosines(torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]]), torch.tensor([[0, 2], [0, 1]]))
    tensor([[[ 1., -1.],
             [-1.,  1.]],
    <BLANKLINE>
            [[ 1.,  0.],
             [ 0.,  1.]]])

    Args:
        vectors: (N, P) or in rank-one form.
        rows: (M, n) members.

    Returns:
        (M, n, n).
    """
    return pairwise_cosine(vectors[rows])


def cosine_scores(vectors: Gradients, rows: Tensor) -> Tensor:
    """Scores with cosine similarity in place of S_phi, ``s_i = sum_{j != i} cos(v_i, v_j)``.

    >>> cosine_scores(torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]]), torch.tensor([[0, 1, 2]]))
    tensor([[-1.,  0., -1.]])

    Args:
        vectors: latent codes (N, D) for variant B, classifier gradients for variant C (section 4.4).
        rows: (M, n) members.

    Returns:
        (M, n).
    """
    return score_sums(pair_cosines(vectors, rows))


def cosine_weights(vectors: Gradients, rows: Tensor) -> Tensor:
    """Softmax of :func:`cosine_scores`: what a member has in common with the others decides its weight.

    >>> cosine_weights(torch.tensor([[1.0, 0.0], [2.0, 0.0], [-3.0, 0.0]]), torch.tensor([[0, 1, 2]]))
    tensor([[0.4683, 0.4683, 0.0634]])

    Args:
        vectors: see :func:`cosine_scores`.
        rows: (M, n) members.

    Returns:
        (M, n), each row positive with sum 1.
    """
    return softmax_weights(cosine_scores(vectors, rows))


def dirichlet_weights(count: int, n: int, concentration: float, generator: np.random.Generator) -> Tensor:
    """Random interpolation weights (variant A): draws from ``Dirichlet(c, ..., c)``.

    >>> weights = dirichlet_weights(1000, 4, 1.0, np.random.default_rng(0))
    >>> weights.shape, bool((weights >= 0).all()), bool(torch.allclose(weights.sum(1), torch.ones(1000)))
    (torch.Size([1000, 4]), True, True)

    Args:
        count: groups.
        n: members of each.
        concentration: c; 1 is uniform on the simplex, less is nearer to a copy.
        generator: source of randomness.

    Returns:
        (count, n) float32.
    """
    draws = generator.dirichlet(np.full(n, concentration), size=count)
    return torch.from_numpy(draws.astype(np.float32))


def one_hot_weights(count: int, n: int, generator: np.random.Generator) -> Tensor:
    """Weights that copy one member at random (control A0).

    >>> one_hot_weights(3, 2, np.random.default_rng(0))
    tensor([[0., 1.],
            [0., 1.],
            [0., 1.]])

    Args:
        count: groups.
        n: members of each.
        generator: source of randomness.

    Returns:
        (count, n) float32.
    """
    return torch.from_numpy(np.eye(n, dtype=np.float32)[generator.integers(0, n, size=count)])
