"""Figure 6 and the items on its plane, made of tiny runs: tables against the surfaces, captions, and what is kept."""

from dataclasses import replace

import numpy as np
import pytest

from landscape.errors import InputError
from landscape.figures.items import conflict_map, fig6, shift, surfaces_per_domain
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.interval import Mean
from landscape.figures.numbers.seeds import over_seeds, verdict
from landscape.figures.numbers.study_surfaces import main_key, surface_of
from landscape.surface.shift import shift_of


def test_figure_6_has_a_row_for_each_target_and_tables_for_every_seed(study: Study, tmp_path) -> None:
    product = fig6.make(study)
    assert len(product.figures[""].axes) == 3 * len(study.targets)
    ends = product.tables["ends"]
    assert {*zip(ends["target"], ends["seed"], strict=True)} == {(t, s) for t in study.targets for s in study.seeds}
    surface = surface_of(study, study.main, study.seeds[1])
    rows = ends[(ends["target"] == study.main) & (ends["seed"] == study.seeds[1])].set_index("point")
    for mark in surface.marks:
        assert rows.loc[mark.label, "off_plane"] == mark.residual
        assert rows.loc[mark.label, "train_loss"] == mark.true["train_loss"]
        assert rows.loc[mark.label, "train_loss_projected"] == mark.projected["train_loss"]
    planes = product.tables["planes"].set_index(["target", "seed"])
    assert planes.loc[(study.main, study.seeds[1]), "angle_degrees"] == surface.about["angle"]
    seeds = product.tables["seeds"]
    mean = seeds[(seeds["target"] == study.main) & (seeds["point"] == "ERM") & (seeds["quantity"] == "train_loss")]
    own = ends[(ends["target"] == study.main) & (ends["point"] == "ERM")]["train_loss"]
    assert mean["mean"].item() == pytest.approx(own.mean())
    assert (mean["seeds"].item(), mean["low"].item() < own.mean() < mean["high"].item()) == (2, True)
    residuals = [mark.residual for target in study.targets for mark in surface_of(study, target, study.seeds[0]).ends]
    assert f"end {min(residuals):.2g} to {max(residuals):.2g} off the plane" in product.caption
    assert "fig6-ends" in product.caption
    assert len(product.caption) < 1300
    page = product.pages[study.main](tmp_path / "page.html")
    assert "plotly.min.js" in page.read_text()
    assert (tmp_path / "plotly.min.js").is_file()
    assert not product.notes or "left out" not in product.notes[0]


def test_a_second_call_measures_nothing(study: Study, monkeypatch) -> None:
    first = fig6.make(study)
    monkeypatch.setattr("landscape.surface.measure.measure", None)
    again = fig6.make(study)
    assert again.caption == first.caption
    assert again.tables["ends"].equals(first.tables["ends"])


def test_after_the_demo_there_is_one_row_and_a_note(demo_study: Study) -> None:
    product = fig6.make(demo_study)
    assert product.facts["targets"] == [demo_study.main]
    assert "seeds" not in product.tables
    assert "one seed" in product.finding
    assert "cartoon (seed 0)" in product.notes[0]


def test_without_runs_the_sentence_says_how_to_make_them(make_study) -> None:
    for item in (fig6, shift, surfaces_per_domain, conflict_map):
        with pytest.raises(InputError, match="--train"):
            item.make(make_study())


def test_distances_of_the_shift_are_those_of_the_surfaces(study: Study) -> None:
    product = shift.make(study)
    table = product.tables[""].set_index(["target", "seed"])
    assert len(table) == len(study.targets) * len(study.seeds)
    for key in table.index:
        found = shift_of(surface_of(study, *key))
        assert table.loc[key, "to_loss"] == found.to_loss
        assert table.loc[key, "to_accuracy"] == found.to_accuracy
        assert table.loc[key, "grid_error"] == found.error
    (ax,) = product.figures[""].axes
    assert [text.get_text() for text in ax.get_yticklabels()] == list(study.targets)
    assert "seeds" in product.tables
    assert "seeds" not in shift.make(replace(study, seeds=study.seeds[:1])).tables


def test_the_mean_distance_is_over_seeds_with_every_target(study: Study) -> None:
    table = shift.make(study).tables[""]
    assert "over 2 seeds" in shift._finding(study, table)
    part = table.drop(table[(table["seed"] == 1) & (table["target"] == "cartoon")].index)
    said = shift._finding(study, part)
    assert f"{table[table['seed'] == 0]['to_accuracy'].mean():.2f}, one seed" in said


def test_a_panel_for_each_domain_key_the_main_target(study: Study) -> None:
    product = surfaces_per_domain.make(study)
    titles = [ax.get_title() for ax in product.figures[""].axes]
    assert titles[-1] == f"{study.main} (target)"
    assert len(titles) == len(study.listing.domains)
    pairs = len(titles) * (len(titles) - 1) // 2
    assert len(product.tables["distances"]) == pairs
    minima = product.tables["minima"].set_index("domain")
    surface = surface_of(study, *main_key(study))
    photo = surface.panel("loss", domain="photo", split="in").values
    assert minima.loc["photo", "loss"] == photo.min()


def test_the_map_of_conflict_is_stored_and_drawn(study: Study, monkeypatch) -> None:
    product = conflict_map.make(study)
    table = product.tables[""]
    assert len(table) == study.scale.conflict_points**2
    assert table["mean_cosine"].between(-1, 1).all()
    assert list(study.results.glob("conflict-*.nc"))
    assert not list(study.results.glob("conflict-*.jsonl"))
    assert len([name for name in table.columns if name.startswith("norm_")]) == 3
    monkeypatch.setattr("landscape.surface.domain_gradients.measure_conflict", None)
    assert conflict_map.make(study).tables[""].equals(table)
    assert "float64 dot products" in product.caption


def test_the_main_target_gives_way_to_one_with_runs(study: Study) -> None:
    other = replace(study, chosen=("cartoon",))
    assert main_key(other)[0] == "cartoon"
    assert main_key(study)[0] == "sketch"


def test_intervals_over_seeds_decide_only_without_zero() -> None:
    import pandas as pd

    table = pd.DataFrame({"target": ["a"] * 3 + ["b"], "x": [1.0, 2.0, 3.0, 5.0]})
    rows = over_seeds(table, ["target"], ["x"]).set_index("target")
    # Student's t with two degrees of freedom: 4.3027 standard errors.
    assert rows.loc["a", "high"] - 2.0 == pytest.approx(4.302653 / np.sqrt(3), rel=1e-6)
    assert np.isnan(rows.loc["b", "low"])
    assert verdict(Mean.of([1.0, 2.0, 3.0])) == "undecided"
    assert verdict(Mean.of([1.0, 1.1, 1.2])) == "higher"
    assert verdict(Mean.of([-1.0, -1.1, -1.2])) == "lower"
    assert verdict(Mean.of([7.0])) == "undecided"
