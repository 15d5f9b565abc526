"""Figure 5 and curvature along the path, made of tiny runs: shared gammas and directions, tables, what is kept."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from landscape.errors import InputError
from landscape.figures.items import curvature_along_path, fig5
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.study_flatness import flatness_of, gammas_of
from landscape.flatness.directions import Direction


@pytest.fixture(scope="module")
def product(study: Study):
    return fig5.make(study)


def test_columns_are_the_targets_and_all_of_them_together(study: Study, product) -> None:
    axes = np.array(product.figures[""].axes).reshape(3, -1)
    assert [ax.get_title() for ax in axes[0]] == [*study.targets, "combined"]
    assert product.figures[""].subfigs[0]._suptitle.get_text().startswith("different losses")


def test_every_target_seed_and_method_has_the_same_gammas(study: Study, product) -> None:
    curves = product.long["curves"]
    assert set(curves["gamma"]) == set(gammas_of(study))
    counts = curves[curves["target"] != "combined"].groupby(["target", "seed", "method", "loss", "statistic"]).size()
    assert set(counts) == {study.scale.gammas}
    assert len(counts) == len(study.targets) * len(study.seeds) * 4 * 3 * 3


def test_the_directions_are_shared_by_all_methods(study: Study, monkeypatch, tmp_path) -> None:
    drawn: dict[int, list[tuple[float, ...]]] = {}
    original = Direction.draw.__func__

    def draw(cls, like, k, *, seed=0):
        found = original(cls, like, k, seed=seed)
        name = next(iter(found.parts))
        drawn.setdefault(k, []).append(tuple((found.scale * found.parts[name]).flatten().tolist()[:5]))
        return found

    monkeypatch.setattr(Direction, "draw", classmethod(draw))
    flatness = flatness_of(replace(study, results=tmp_path), study.main, 0, gammas_of(study))
    assert flatness.methods == ("ERM", "A", "C", "FGMix")
    assert sorted(drawn) == list(range(study.scale.directions))
    assert all(len(each) >= 4 and len(set(each)) == 1 for each in drawn.values())


def test_differences_are_over_seeds_against_erm(study: Study, product) -> None:
    curves, differences = product.long["curves"], product.long["differences"]
    row = differences.iloc[-1]
    same = (curves[list(by := ["target", "loss", "statistic", "gamma"])] == row[by].to_numpy()).all(axis=1)
    wide = curves[same].pivot_table(index="seed", columns="method", values="mean")
    own = wide[row["method"]] - wide["ERM"]
    assert row["seeds"] == len(study.seeds)
    assert row["minus_erm"] == pytest.approx(own.mean())
    # Two seeds: half the interval is 12.706 standard errors.
    assert row["high"] - own.mean() == pytest.approx(12.7062 * own.std(ddof=1) / np.sqrt(2), rel=1e-4)
    assert set(differences["verdict"]) <= {"higher", "lower", "undecided"}
    assert "ERM" not in set(differences["method"])


def test_combined_is_the_mean_over_targets(study: Study, product) -> None:
    table = product.long["curves"].set_index(["target", "seed", "method", "loss", "statistic", "gamma"])["mean"]
    gamma = gammas_of(study)[-1]
    means = [table[(target, 1, "C", "shared", "squared", gamma)] for target in study.targets]
    assert table[("combined", 1, "C", "shared", "squared", gamma)] == pytest.approx(np.mean(means))


def test_combined_is_of_seeds_with_every_target(study: Study) -> None:
    gammas = gammas_of(study)
    found = {(t, s): flatness_of(study, t, s, gammas) for s in study.seeds for t in study.targets}
    del found["sketch", 1]
    curves = fig5.curves_table(found)
    assert set(curves[curves["target"] == "combined"]["seed"]) == {0}
    assert set(curves[curves["target"] == "cartoon"]["seed"]) == {0, 1}
    differences = fig5.differences_table(curves)
    assert set(differences[differences["target"] == "combined"]["seeds"]) == {1}


def test_a_second_call_measures_nothing(study: Study, product, monkeypatch) -> None:
    monkeypatch.setattr("landscape.flatness.measure.measure", None)
    again = fig5.make(study)
    pd.testing.assert_frame_equal(again.long["curves"], product.long["curves"])


def test_after_the_demo_erm_and_fgmix_are_shown_and_the_others_noted(demo_study: Study) -> None:
    product = fig5.make(demo_study)
    assert product.facts["methods"] == {demo_study.main: ["ERM", "FGMix"]}
    assert len(product.figures[""].axes) == 3
    assert any("A for sketch (seed 0)" in note for note in product.notes)
    assert "one seed, so undecided" in product.finding


def test_without_runs_the_sentence_says_how_to_make_them(make_study) -> None:
    for item in (fig5, curvature_along_path):
        with pytest.raises(InputError, match="--train"):
            item.make(make_study())


def test_curvature_from_the_start_of_mixup_to_the_end(study: Study, monkeypatch) -> None:
    product = curvature_along_path.make(study)
    run = study.run("erm", study.main)
    assert run is not None
    steps = product.facts["steps"]
    assert len(steps) == study.scale.curvature_steps
    assert steps[-1] == run.config.steps
    assert abs(steps[0] - run.config.mixup.start) <= run.config.record_every / 2
    table = product.tables[""]
    assert list(table["path"].unique()) == ["ERM", "FGMix"]
    assert list(table[table["path"] == "ERM"]["step"]) == list(steps)
    assert len(product.figures[""].axes) == 3
    monkeypatch.setattr("landscape.flatness.curvature.measure", None)
    assert curvature_along_path.make(study).tables[""].equals(table)
