"""Source validation against target accuracy, and SWA's gain as a difference of differences."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from landscape.figures.items import selection
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.interval import Mean
from landscape.figures.numbers.run_scores import percent
from landscape.training import evaluations


def test_rho_is_scipys_over_the_checkpoints_that_both_kinds_have(study: Study) -> None:
    found = selection.measure(study)
    run = study.run("erm", "sketch", 1)
    assert run is not None
    raw, swa = ({row["step"]: row for row in evaluations(run, kind)} for kind in ("raw", "swa"))  # type: ignore[arg-type]
    steps = sorted((raw.keys() & swa.keys()) - {0})
    points = found.points["erm", "sketch", 1]
    assert points.steps.tolist() == steps
    for index, rows in enumerate((raw, swa)):
        x = [rows[step]["validation"]["accuracy"] for step in steps]
        y = [rows[step]["target"]["accuracy"] for step in steps]
        assert points.validation[index].tolist() == x
        assert points.target[index].tolist() == y
    chosen = replace(
        points, steps=np.arange(5), validation=np.array([[1, 2, 3, 4, 5], [2, 1, 4, 3, 5]]), target=np.eye(2, 5) + 0.1
    )
    expected = [stats.spearmanr(a, b).statistic for a, b in zip(chosen.validation, chosen.target, strict=True)]
    assert chosen.rho() == pytest.approx(expected)
    assert np.isnan(replace(chosen, steps=np.arange(3)).rho()).all()


def test_gain_is_compared_with_erms_on_the_same_runs(study: Study) -> None:
    found = selection.measure(study)
    per_seed = [
        np.mean(
            [
                percent(study.run("fgmix", target, seed), swa=True)
                - percent(study.run("fgmix", target, seed))
                - percent(study.run("erm", target, seed), swa=True)
                + percent(study.run("erm", target, seed))
                for target in study.targets
            ]
        )
        for seed in study.seeds
    ]
    assert found.gain_over("fgmix") == pytest.approx(Mean.of(per_seed)) or found.gain_over("fgmix") == Mean.of(per_seed)


def test_the_item_and_its_figure(study: Study) -> None:
    product = selection.make(study)
    table = product.tables[""].set_index("method")
    assert list(table.index) == ["ERM", "A", "C", "FGMix"]
    assert table.loc["ERM", "gain minus ERM's, points"] == "n/a"
    assert len(product.tables["values"]) == 16
    left, middle, right = product.figures[""].axes
    assert len(left.get_legend().get_texts()) == 4
    assert [label.get_text() for label in middle.get_yticklabels()] == ["ERM", "A", "C", "FGMix"]
    assert [label.get_text() for label in right.get_yticklabels()] == ["A", "C", "FGMix"]
    assert "minus ERM's" in right.get_xlabel()
    dots = [line for line in right.lines if line.get_marker() == "o"]
    assert len(dots) == 3 * 2  # methods x targets
    assert "over 2 seeds" in product.caption


def test_one_seed_decides_nothing(study: Study) -> None:
    found = selection.measure(replace(study, seeds=(0,)))
    far = Mean(2.0, 1.0, 3.0, 2, "targets", 0.1)
    assert selection._open(far, found.block) == " (2 targets, one seed, undecided)"
    assert selection._open(replace(far, unit="seeds"), selection.measure(study).block) == " (2 seeds)"


def test_one_run_of_each_has_no_interval(demo_study: Study) -> None:
    product = selection.make(demo_study)
    assert "[" not in product.finding
    assert "undecided" in product.finding or "constant" in product.finding
