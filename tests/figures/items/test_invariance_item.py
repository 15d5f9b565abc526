"""Weights against known invariance: the measures, and that the result is found again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from landscape.figures.items import weights_vs_invariance as module
from landscape.figures.items.weights_vs_invariance import Setting, auc_by_domain, auc_within, measure
from landscape.figures.machinery.study import Study
from landscape.toy.causal_domains import CausalDomains


def groups(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = rng.random((60, 3)) < [0.8, 0.5, 0.2]
    weights = np.round(rng.random((60, 3)) + 0.2 * positive, 1)
    return weights, positive, np.tile(np.arange(3), (60, 1))


def test_auc_within_groups_counts_pairs_of_a_group() -> None:
    weights, positive, _ = groups()
    won, count = 0.0, 0
    for w, p in zip(weights, positive, strict=True):
        for i in np.flatnonzero(p):
            for j in np.flatnonzero(~p):
                won += 1.0 if w[i] > w[j] else 0.5 if w[i] == w[j] else 0.0
                count += 1
    assert auc_within(weights, positive) == pytest.approx(won / count)
    assert np.isnan(auc_within(weights, np.ones_like(positive)))


def test_a_weight_that_knows_only_the_domain_is_found_out_within_domains() -> None:
    _, positive, domains = groups()
    weights = np.tile([3.0, 2.0, 1.0], (60, 1))
    assert auc_within(weights, positive) > 0.6
    assert auc_by_domain(weights, positive, domains) == 0.5


def test_auc_by_domain_is_the_mean_of_sklearns() -> None:
    weights, positive, domains = groups()
    expected = np.mean([roc_auc_score(positive[:, d], weights[:, d]) for d in range(3)])
    assert auc_by_domain(weights, positive, domains) == pytest.approx(expected)
    assert np.isnan(auc_by_domain(weights, np.ones_like(positive), domains))


SMALL = Setting(
    seeds=(0, 1), steps=30, start=20, batch=16, groups=300, hidden=16, codes=8, domains=CausalDomains(features=4)
)


def test_measured_once_and_found_again(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = replace(study, results=tmp_path)
    table = measure(own, SMALL)
    assert list(table["weights"]) == [*module.KINDS] * 2
    assert table[["within", "domain"]].stack().between(0, 1).all()
    # Random weights know nothing; cosines have something to go by from the start.
    means = table.groupby("weights")["within"].mean()
    assert means["random"] == pytest.approx(0.5, abs=0.08)
    monkeypatch.setattr(module, "_train", None)
    assert measure(own, SMALL).equals(table)


def test_the_item_states_its_seeds_and_both_measures(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Setting", lambda: SMALL)
    product = module.make(replace(study, results=tmp_path))
    assert list(product.tables[""]["weights"]) == list(module.KINDS.values())
    assert product.facts["seeds"] == [0, 1]
    assert "2 trial seeds" in product.caption
    axes = product.figures[""].axes
    assert [ax.get_title() for ax in axes] == ["within groups", "within domains"]
    assert [len(dots.get_offsets()) for dots in axes[0].collections] == [2] * 4
