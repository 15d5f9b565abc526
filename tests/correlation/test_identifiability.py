"""What the weights say of a score: the exact ambiguity, and statistics that do not depend on it."""

import itertools

import numpy as np
import pytest
import torch

from landscape.correlation.identifiability import Place, centred, within_groups
from landscape.correlation.rank import spearman
from landscape.fgmix import score_sums, softmax_weights

GROUPS, N = 60, 3


def drawn(n: int = N, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Scores and symmetric cosines (M, n, n) of random groups, and any function h of the members (M, n)."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(GROUPS, n, n, generator=generator, dtype=torch.float64)
    cosine = torch.rand(GROUPS, n, n, generator=generator, dtype=torch.float64) * 2 - 1
    h = torch.randn(GROUPS, n, generator=generator, dtype=torch.float64)
    return scores, (cosine + cosine.mT) / 2, h


def weights(scores: torch.Tensor) -> torch.Tensor:
    return softmax_weights(score_sums(scores))


def off_diagonal(values: torch.Tensor) -> np.ndarray:
    return values[:, ~torch.eye(values.shape[-1], dtype=torch.bool)].flatten().numpy()


@pytest.mark.parametrize("n", [2, 3, 5])
def test_scores_that_differ_by_h_give_the_same_weights(n: int) -> None:
    scores, _, h = drawn(n)
    other = scores + h.unsqueeze(2) + (n - 1) * h.unsqueeze(1)
    torch.testing.assert_close(weights(other), weights(scores), rtol=0, atol=1e-14)
    # With another factor than n - 1 they do not.
    wrong = scores + h.unsqueeze(2) + n * h.unsqueeze(1)
    assert (weights(wrong) - weights(scores)).abs().max() > 0.1


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_the_same_weights_go_with_any_rho(sign: float) -> None:
    # Members whose gradients are mostly alike, so that a function of one of them follows the cosine.
    generator = torch.Generator().manual_seed(0)
    level = torch.rand(GROUPS, N, generator=generator, dtype=torch.float64)
    cosine = level.unsqueeze(2) * level.unsqueeze(1)
    scores, _, _ = drawn()
    h = sign * 100 * level
    other = scores + h.unsqueeze(2) + (N - 1) * h.unsqueeze(1)
    torch.testing.assert_close(weights(other), weights(scores), rtol=0, atol=1e-12)
    rho = float(spearman(off_diagonal(other), off_diagonal(cosine)))
    assert sign * rho > 0.85
    assert abs(float(spearman(off_diagonal(scores), off_diagonal(cosine)))) < 0.2
    # The centred scores within groups stay what they are.
    sums = (score_sums(each).numpy() for each in (other, scores))
    np.testing.assert_allclose(*(centred(each) for each in sums), atol=1e-12)


def null_space(n: int, m: int) -> tuple[int, int, bool]:
    """Dimension of all changes of S that change no weight: m instances in each of n domains, all groups of them.

    Also the dimension of the family in the documentation, ``h_e(a) + sum_f h_f(b)``, and whether it is inside.
    """
    instances = [[(d, a) for a in range(m)] for d in range(n)]
    ordered = [(i, j) for i in itertools.chain(*instances) for j in itertools.chain(*instances) if i[0] != j[0]]
    column = {pair: index for index, pair in enumerate(ordered)}
    rows = []
    for group in itertools.product(*instances):
        sums = np.zeros((n, len(column)))
        for (row, i), j in itertools.product(enumerate(group), group):
            if i != j:
                sums[row, column[i, j]] = 1
        rows.append(sums - sums.mean(0))
    seen = np.concatenate(rows)
    family = []
    for i in itertools.chain(*instances):
        for e in set(range(n)) - {i[0]}:
            # h_e(i): once for every score of i with domain e, and for every score of another one with i.
            family.append([float(a == i and b[0] == e) + float(b == i) for a, b in ordered])
    inside = np.abs(seen @ np.transpose(family)).max() < 1e-12
    return len(column) - np.linalg.matrix_rank(seen), int(np.linalg.matrix_rank(np.array(family))), bool(inside)


@pytest.mark.parametrize(("n", "m"), [(3, 2), (3, 4), (4, 3), (5, 2)])
def test_with_three_sources_and_more_the_family_is_all_there_is(n: int, m: int) -> None:
    free, family, inside = null_space(n, m)
    assert inside
    # Constants of a pair of domains are both an h and, but for n - 1 of them, redundant.
    assert free == family == n * (n - 1) * m - (n - 1)


@pytest.mark.parametrize("m", [2, 4])
def test_with_two_sources_any_symmetric_function_is_free(m: int) -> None:
    free, _, inside = null_space(2, m)
    assert inside
    assert free == m * m
    scores, cosine, _ = drawn(2)
    torch.testing.assert_close(weights(scores + 7 * cosine), weights(scores), rtol=0, atol=1e-14)
    generator = np.random.default_rng(0)
    got = within_groups(
        score_sums(scores).numpy(), score_sums(cosine).numpy(), resamples=50, permutations=50, generator=generator
    )
    assert np.isnan([got.value, got.low, got.high, got.p]).all()


def exact_p(score: np.ndarray, cosine: np.ndarray) -> float:
    """Over all orders of the members of all groups."""
    score, cosine = centred(score), centred(cosine)
    observed = abs(float(spearman(score.ravel(), cosine.ravel())))
    orders = list(itertools.permutations(range(score.shape[1])))
    rhos = [
        float(spearman(np.concatenate([row[list(o)] for row, o in zip(score, chosen, strict=True)]), cosine.ravel()))
        for chosen in itertools.product(orders, repeat=len(score))
    ]
    return float(np.mean(np.abs(rhos) >= observed - 1e-12))


def test_p_within_groups_is_that_of_all_permutations() -> None:
    generator = np.random.default_rng(3)
    score = generator.normal(size=(4, 3))
    cosine = 0.8 * score + generator.normal(size=(4, 3)) + generator.normal(size=(4, 1)) * 5
    got = within_groups(score, cosine, resamples=100, permutations=4000, generator=generator)
    expected = exact_p(score, cosine)
    assert 0.01 < expected < 0.6
    assert got.p == pytest.approx(expected, abs=4 * np.sqrt(expected / 4000))
    assert got.n == 12


def test_groups_that_differ_as_a_whole_say_nothing() -> None:
    generator = np.random.default_rng(0)
    level = 10 * generator.normal(size=(300, 1))
    score, cosine = (level + generator.normal(size=(300, 3)) for _ in range(2))
    assert float(spearman(score.ravel(), cosine.ravel())) > 0.9
    got = within_groups(score, cosine, resamples=300, permutations=300, generator=generator)
    assert abs(got.value) < 0.1
    assert got.low < 0 < got.high
    assert got.p > 0.05


def test_the_interval_is_over_groups() -> None:
    # Copies of one group after another are no new information: the interval of 300 groups, each of them six times.
    generator = np.random.default_rng(0)
    score = generator.normal(size=(100, 3))
    cosine = score + generator.normal(size=(100, 3))
    got = within_groups(score, cosine, resamples=1500, permutations=10, generator=generator)
    width = got.high - got.low
    # Fisher's z with the 200 values that are free: the centred ones sum to 0 in each group.
    z = np.arctanh(got.value) + np.array([-1, 1]) * 1.96 / np.sqrt(200 - 3)
    assert width == pytest.approx(np.ptp(np.tanh(z)), rel=0.25)


def test_place_counts() -> None:
    untrained = np.array([-0.4, -0.1, 0.0, 0.1, 0.3, np.nan])
    place = Place.of(0.2, untrained)
    assert place.n == 5
    assert place.below == pytest.approx(4 / 5)
    assert place.p_greater == pytest.approx(2 / 6)
    assert place.p_two_sided == pytest.approx(3 / 6)
    assert Place.of(2.0, untrained).p_greater == pytest.approx(1 / 6)
    assert np.isnan(Place.of(np.nan, untrained).p_greater)
    assert np.isnan(Place.of(0.1, np.empty(0)).p_greater)
