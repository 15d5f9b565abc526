"""The causal synthetic data: what it promises about shared and domain-specific features."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from landscape.toy.causal_domains import CausalDomains


def test_shares_shapes_and_repeatability() -> None:
    domains = CausalDomains(shares=(0.9, 0.2), classes=3, features=5, seed=4)
    sample = domains.sample(4000, "a")
    assert sample.x.shape == (2, 4000, 10)
    assert sample.x.dtype == np.float32
    assert sample.invariant.mean(axis=1) == pytest.approx([0.9, 0.2], abs=0.03)
    assert np.bincount(sample.labels.ravel()) / 8000 == pytest.approx([1 / 3] * 3, abs=0.03)
    again, other = domains.sample(4000, "a"), domains.sample(4000, "b")
    assert np.array_equal(again.x, sample.x)
    assert not np.array_equal(other.x, sample.x)


def test_only_invariant_instances_carry_what_holds_elsewhere() -> None:
    domains = CausalDomains(shares=(0.5, 0.5), seed=1)
    sample = domains.sample(3000)
    q = domains.features

    def transfer(part: slice, kind: bool) -> float:
        """Accuracy on domain 1 of a classifier that was trained on domain 0, on some features and instances."""
        train, test = (sample.invariant[d] == kind for d in (0, 1))
        model = LogisticRegression(max_iter=500).fit(sample.x[0][train][:, part], sample.labels[0][train])
        return float(model.score(sample.x[1][test][:, part], sample.labels[1][test]))

    def within(part: slice, kind: bool) -> float:
        rows = sample.invariant[0] == kind
        x, y = sample.x[0][rows][:, part], sample.labels[0][rows]
        return float(LogisticRegression(max_iter=500).fit(x[:500], y[:500]).score(x[500:], y[500:]))

    assert transfer(slice(0, q), True) > 0.9
    assert within(slice(q, None), False) > 0.9
    assert transfer(slice(q, None), False) < 0.6
    assert within(slice(0, q), False) < 0.35
    assert within(slice(q, None), True) < 0.35
