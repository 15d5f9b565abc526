"""Domain entropy and silhouettes against plain loops."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from landscape.embedding.fit import embed_codes
from landscape.embedding.mingling import (
    compare,
    domain_entropy,
    domain_silhouette,
    mingle,
    neighbours_within,
)
from landscape.embedding.recipe import Recipe
from landscape.errors import InputError

RECIPE = Recipe(codes=(), dimensions=(), neighbours=5, resamples=200, iterations=10, perplexity=5)


def entropy_loop(codes, label, domain, k) -> list[float]:
    result = []
    for i in range(len(codes)):
        others = [j for j in range(len(codes)) if j != i and label[j] == label[i]]
        others.sort(key=lambda j: math.dist(codes[i], codes[j]))
        counts = Counter(domain[j] for j in others[:k])
        total = sum(counts.values())
        result.append(-sum(c / total * math.log(c / total) for c in counts.values()) if total else math.nan)
    return result


def silhouette_loop(codes, group) -> list[float]:
    result = []
    for i in range(len(codes)):
        distances = {
            g: [math.dist(codes[i], codes[j]) for j in range(len(codes)) if j != i and group[j] == g]
            for g in set(group)
        }
        own = distances.pop(group[i])
        if not own:
            result.append(0.0)
            continue
        a, b = sum(own) / len(own), min(sum(d) / len(d) for d in distances.values())
        result.append((b - a) / max(a, b))
    return result


def test_entropy_is_that_of_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((40, 5))
    label, domain = rng.integers(0, 3, 40), rng.integers(0, 4, 40)
    label[0] = 9  # alone in its class
    label[1:4] = 8  # fewer than k neighbours
    near = neighbours_within(codes, label, 5)
    assert (near[0] == -1).all()
    assert (near[1] >= 0).sum() == 2
    np.testing.assert_allclose(domain_entropy(near, domain), entropy_loop(codes, label, domain, 5), atol=1e-12)


def test_silhouettes_are_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(1)
    codes, label, domain = rng.standard_normal((30, 4)), np.repeat([0, 1], 15), rng.integers(0, 3, 30)
    expected = silhouette_loop(codes[:15], domain[:15]) + silhouette_loop(codes[15:], domain[15:])
    np.testing.assert_allclose(domain_silhouette(codes, label, domain), expected, atol=1e-9)
    domain[:15] = 2  # a class in one domain only
    assert np.isnan(domain_silhouette(codes, label, domain)[:15]).all()


@pytest.mark.parametrize(("shift", "mixed"), [(0.0, True), (100.0, False)])
def test_mixed_domains_reach_what_shuffled_ones_have_and_separate_ones_reach_nothing(codes_of, shift, mixed) -> None:
    codes = codes_of(per_cell=15)
    rng = np.random.default_rng(3)
    apart = rng.standard_normal(codes.codes.shape) + shift * np.eye(6)[codes.domain] + 50 * codes.label[:, None]
    scores, estimates = mingle(replace(codes, codes=apart.astype(np.float32)), RECIPE)
    table = {(row.measure, row.pool): row for row in estimates}
    entropy = table["domain entropy", "all domains"]
    assert entropy.reference == pytest.approx(1.1, abs=0.15)  # of five neighbours among four domains
    if mixed:
        assert entropy.value == pytest.approx(entropy.reference, abs=0.08)
        assert table["domain silhouette", "all domains"].value == pytest.approx(0, abs=0.1)
    else:
        assert entropy.value == 0
        assert table["domain silhouette", "all domains"].value > 0.9
    sources = scores["domain_entropy_sources"]
    assert np.isnan(sources).tolist() == codes.is_target.tolist()
    assert table["domain entropy", "sources"].n == (~codes.is_target).sum()


def test_models_are_compared_image_by_image(codes_of) -> None:
    one = embed_codes(replace(codes_of(), mixtures=()), RECIPE, progress=False)
    other = embed_codes(replace(codes_of(), codes=codes_of().codes[:, ::-1] ** 3, mixtures=()), RECIPE, progress=False)
    rows = {(row.measure, row.pool): row for row in compare([one, other], resamples=200)}
    assert len(rows) == 6
    for first, second in zip(one.mixing, other.mixing, strict=True):
        assert rows[first.measure, first.pool].value == pytest.approx(second.value - first.value)
    assert all(row.value == row.low == row.high == 0 for row in compare([one, one], resamples=200))
    with pytest.raises(InputError, match="two or more"):
        compare([one])
    fewer = embed_codes(replace(codes_of(per_cell=9), mixtures=()), RECIPE, progress=False)
    with pytest.raises(InputError, match=r"different images \(80 and 72\)"):
        compare([one, fewer])
