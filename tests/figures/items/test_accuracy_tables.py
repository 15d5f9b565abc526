"""Tables 1, 2, C.1 and C.2: the numbers of the runs, fairly compared, beside the paper's only where they match."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from landscape.config import PRESETS
from landscape.errors import InputError
from landscape.figures.items import table1, table2, tablec1, tablec2
from landscape.figures.machinery.scale import SCALES
from landscape.figures.machinery.study import Study
from landscape.figures.numbers import published
from landscape.figures.numbers.interval import Mean
from landscape.figures.numbers.run_scores import Block, Scores, percent, step_time
from landscape.figures.numbers.tabulate import concepts, per_target
from landscape.reference import read
from landscape.training import evaluations, select


def test_scores_are_those_of_the_journal(study: Study) -> None:
    scores = Scores.of(study, ("erm", "fgmix", "b"))
    assert (scores.algorithms, scores.missing, scores.runs) == (("erm", "fgmix"), ("b",), 8)
    run = study.run("fgmix", "sketch", 1)
    assert run is not None
    for swa, kind in ((False, "raw"), (True, "swa")):
        last, chosen = evaluations(run, kind)[-1], select(run, kind)  # type: ignore[arg-type]
        for metric in ("accuracy", "balanced_accuracy"):
            options = {"swa": swa, "metric": metric}
            assert scores.value("fgmix", "sketch", 1, **options) == last["target"][metric]
            assert scores.value("fgmix", "sketch", 1, selection="validation", **options) == chosen["target"][metric]
            assert percent(run, **options) == 100 * last["target"][metric]  # type: ignore[arg-type]
    assert np.isnan(scores.value("fgmix", "photo", 1, swa=False))
    assert np.isnan(percent(None))


def test_a_comparison_takes_the_targets_and_seeds_that_all_methods_have(study: Study) -> None:
    scores = Scores.of(study, ("erm", "a", "fgmix"))
    full = Block.of(scores, study)
    assert (full.targets, full.seeds, full.notes) == (("cartoon", "sketch"), (0, 1), ())
    # A lacks seed 1 on sketch, so seed 1 is left out for all of them.
    table = scores.table
    gone = (table["algorithm"] == "a") & (table["target"] == "sketch") & (table["seed"] == 1)
    part = Block.of(replace(scores, table=table[~gone]), study)
    assert (part.targets, part.seeds) == (("cartoon", "sketch"), (0,))
    assert "1" in part.notes[-1]
    # Without sketch in its first seed A is compared on cartoon.
    gone = (table["algorithm"] == "a") & (table["target"] == "sketch")
    part = Block.of(replace(scores, table=table[~gone]), study)
    assert (part.targets, part.seeds) == (("cartoon",), (0, 1))


def test_table_1_averages_targets_then_seeds(study: Study) -> None:
    product = table1.make(study)
    table = product.tables[""].set_index("method")
    assert list(table.index) == ["ERM", "A", "C", "FGMix", "ERM + SWA", "A + SWA", "C + SWA", "FGMix + SWA"]
    values = [[percent(study.run("fgmix", t, s)) for s in study.seeds] for t in study.targets]
    seeds = np.mean(values, axis=0)
    mean = Mean.of(seeds)
    assert table.loc["FGMix", "accuracy, last step ± SE"] == f"{seeds.mean():.1f} ± {mean.error:.1f}"
    gap = [percent(study.run("fgmix", t, s)) - percent(study.run("erm", t, s)) for t in study.targets for s in (0, 1)]
    assert table.loc["FGMix", "minus ERM with the same weights, points (last step)"] == f"{np.mean(gap):+.1f}"
    averaged = [
        percent(study.run("fgmix", t, s), swa=True) - percent(study.run("erm", t, s), swa=True)
        for t in study.targets
        for s in (0, 1)
    ]
    assert (
        table.loc["FGMix + SWA", "minus ERM with the same weights, points (last step)"] == f"{np.mean(averaged):+.1f}"
    )
    assert set(table["paper, by source validation"]) == {"n/a"}
    assert any("smallest possible p is 0.5" in note for note in product.notes)
    assert product.facts["n"] == 4
    assert "standard error over 2 seeds" in product.caption


def test_one_seed_has_no_error(study: Study) -> None:
    product = table1.make(replace(study, seeds=(1,)))
    assert "accuracy, last step" in product.tables[""]
    assert not product.tables[""].map(lambda cell: "±" in str(cell)).any(axis=None)
    assert "one seed" in product.caption
    assert table1.make(replace(study, seeds=(1,), chosen=("sketch",))).finding.count("one seed") == 2


def test_the_papers_table_is_complete_and_ours_waits_below_it(study: Study) -> None:
    table = table1.make(study).tables["published"]
    paper = table[table["row"] == "paper"]
    assert len(paper) == 20
    assert paper.set_index("method").loc["FGMix", "PACS"] == "86.8 ± 1.2"
    assert paper.set_index("method").loc["ERM + SWA †", "time, ms"] == "293.1"
    ours = table[table["row"] == "ours"].drop(columns=["row", "method"])
    assert (ours == "n/a").all(axis=None)


def test_per_target_tables_leave_cells_without_a_run_empty(study: Study) -> None:
    wide = replace(study, chosen=("photo", "sketch"))
    product = tablec1.make(wide)
    table = product.tables[""].set_index("method")
    assert set(table["photo"]) == {"n/a"} == set(table["average"]) == set(table["paper"])
    cells = [percent(study.run("c", "sketch", seed)) for seed in study.seeds]
    assert table.loc["C", "sketch"].startswith(f"{np.mean(cells):.1f} ± ")
    assert any("photo seed 0" in note for note in product.notes)
    assert {"", "balanced", "validation", "validation-balanced", "values"} == set(product.tables)


def test_ablation_names_components_and_what_is_missing(study: Study) -> None:
    product = table2.make(study)
    assert list(product.tables[""]["method"][:3]) == ["A", "C", "FGMix"]
    assert "B, D, E, F" in product.notes[0]
    assert product.tables["published"].set_index("variant").loc["FGMix", "TerraInc Avg"] == "49.2 ± 1.4"
    assert product.finding.startswith("Points of accuracy from variant to variant: A to C ")
    assert "L100" in " ".join(tablec2.make(study).notes)


def test_the_papers_values_stand_beside_our_selected_ones(study: Study) -> None:
    scores = Scores.of(study, ("fgmix",))

    def lookup(algorithm: str, swa: bool, target: str | None) -> published.Printed:
        return published.Printed(86.8, 1.2)

    assert set(per_target(scores, study, lookup)["paper"]) == {"n/a"}
    chosen = per_target(scores, study, lookup, selection="validation")
    assert set(chosen["sketch, paper"]) == set(chosen["average, paper"]) == {"86.8 ± 1.2"}


def test_an_interval_over_targets_of_one_seed_decides_nothing(study: Study) -> None:
    scores = Scores.of(study, ("erm", "fgmix"))
    table = scores.table.copy()
    mine = table["algorithm"] == "fgmix"
    table.loc[mine, "accuracy"] = 0.9 + 0.001 * (table["target"] == "sketch")
    table.loc[~mine, "accuracy"] = 0.1
    found = replace(scores, table=table)
    both = table1.finding_of(Block.of(found, study))
    one = table1.finding_of(Block.of(replace(found, table=table[table["seed"] == 0]), study))
    assert "undecided" not in both
    assert one.count("over 2 targets, one seed, undecided") == 2


def test_concepts_that_a_source_shows_stand_apart(study: Study) -> None:
    run = study.run("fgmix", "sketch", 0)
    assert run is not None
    last = evaluations(run, "swa")[-1]
    scores = Scores.of(study, ("erm", "fgmix"))
    if "target_seen" not in last:  # files named by number name no concepts
        assert "concepts" not in table1.make(study).tables
    else:
        assert scores.value("fgmix", "sketch", 0, swa=True, metric="seen") == last["target_seen"]["accuracy"]
    table = scores.table.assign(seen=0.75, n_seen=30, unseen=0.5, n_unseen=10)
    shown = concepts(Block.of(replace(scores, table=table), study), ("erm", "fgmix")).set_index("method")
    assert list(shown.index) == ["ERM", "FGMix", "ERM + SWA", "FGMix + SWA"]
    assert shown.loc["FGMix", "seen concepts, accuracy ± SE"] == "75.0 ± 0.0"
    assert shown.loc["ERM", "unseen concepts, accuracy ± SE"] == "50.0 ± 0.0"
    assert set(shown["n, unseen"]) == {"10"}


def test_nothing_finished_is_a_sentence(make_study) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="no finished run"):
        table1.make(make_study())


def paper_study(data: str, **changes: object) -> Study:
    config = PRESETS["paper"].replace(**changes)  # type: ignore[arg-type]
    return Study(SCALES["paper"], data=data, config=config)


def test_the_papers_numbers_stand_beside_the_same_data_and_protocol_only() -> None:
    pacs = paper_study("pacs")
    assert published.matched(pacs) == "PACS"
    assert str(published.overall(pacs, "fgmix", swa=False)) == "86.8 ± 1.2"
    assert str(published.overall(pacs, "fgmix", swa=True, target="art_painting")) == "89.6 ± 0.7"
    assert str(published.ablation(pacs, "d", target="sketch")) == "80.0 ± 0.7"
    assert published.overall(pacs, "a", swa=False) is None  # Table 1 has no variants
    assert published.matched(paper_study("terraincognita")) == "TerraInc"
    for other in (
        paper_study("sixstyles"),
        paper_study("pacs", steps=100),
        paper_study("pacs", model="resnet18"),
        paper_study("pacs", lr=1e-3),
        paper_study("domainnet"),  # needs 15,000 steps and the class-first sampler
        replace(pacs, scale=SCALES["quick"], config=None),
    ):
        assert published.matched(other) is None
        assert published.overall(other, "fgmix", swa=False) is None


def test_every_printed_number_has_one_place() -> None:
    pacs, table = paper_study("pacs"), read("fgmix_results")
    own = table[(table["table"] == "C.1 PACS") & (table["algorithm"] == "FGMix") & (table["target_domain"] != "Avg")]
    domains = {"A": "art_painting", "C": "cartoon", "P": "photo", "S": "sketch"}
    for row in own.itertuples():
        found = published.overall(pacs, "fgmix", swa=bool(row.swa), target=domains[str(row.target_domain)])
        assert found is not None
        assert (found.mean, found.spread) == (row.mean, row.std)


def test_step_time_is_the_journals(study: Study) -> None:
    run = study.run("fgmix", "cartoon", 0)
    assert run is not None
    rows = pd.DataFrame([row for row in run.metrics() if row["event"] == "step"])
    time = step_time(run)
    early, late = (1000 * rows["seconds"][rows["step"] < 5], 1000 * rows["seconds"][rows["step"] >= 5])
    assert time.before == pytest.approx(early.median())
    assert time.active == pytest.approx(late.median())
    assert time.schedule == pytest.approx((4 * early.median() + 4 * late.median()) / 8)
