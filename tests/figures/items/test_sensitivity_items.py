"""The grid of Table C.3 and the fixed lambdas: which runs they want, and what they make of those there are."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from landscape.errors import InputError
from landscape.figures.items import scaling_sensitivity, tablec3
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.run_scores import percent
from landscape.reference import read
from landscape.training import train


def test_the_grid_is_the_papers(study: Study) -> None:
    printed = read("fgmix_sensitivity")
    assert {(row.lambda_init, row.eta) for row in printed.itertuples()} == {
        (start, eta) for start in tablec3.STARTS for eta in tablec3.ETAS
    }
    configs = tablec3.wanted(study)
    assert len({config.hash() for config in configs}) == 16 * len(study.seeds)
    own = {config.hash() for config in study.wanted(("fgmix",), [study.main])}
    assert own <= {config.hash() for config in configs}  # the default setting is not trained twice
    assert len({config.trunk_hash() for config in configs}) == len(study.seeds)


def test_a_grid_with_one_run_shows_that_one_and_the_papers(study: Study) -> None:
    product = tablec3.make(study)
    table = product.tables[""].set_index(["lambda at the start", "eta"])
    cells = [percent(study.run("fgmix", study.main, seed)) for seed in study.seeds]
    assert table.loc[("3", "0.1"), "accuracy"].startswith(f"{np.mean(cells):.1f} ±")
    assert (table["accuracy"] != "n/a").sum() == 1
    assert table.loc[("3", "0.1"), "paper, TerraIncognita"] == "49.2"
    assert set(table["paper"]) == {"n/a"}
    assert "nothing to compare" in product.finding
    ours, paper = product.figures[""].axes
    assert [text.get_text() for text in ours.texts] == [f"{np.mean(cells):.1f}"]
    assert [text.get_text() for text in paper.texts] == [f"{value:.1f}" for value in read("fgmix_sensitivity")["mean"]]
    assert [tick.get_text() for tick in paper.get_yticklabels()] == ["1", "3", "5", "8"]


def test_the_finding_names_the_maximum_and_what_seeds_say() -> None:
    values = np.full((4, 4, 3), 50.0)
    values[1, 2] = 60, 61, 62
    values[3, 0] = 40, 41, 39
    words = tablec3._finding(values)
    assert words.startswith("Highest at lambda 3, eta 0.1 (61.0), lowest at lambda 8, eta 0.01 (40.0): +21.0 points")
    assert "undecided" not in words
    assert tablec3._finding(values[..., :1]).endswith("one seed, undecided.")
    assert "undecided" in tablec3._finding(50 + np.random.default_rng(0).normal(0, 1e-3, (4, 4, 2)))


def test_no_run_is_a_sentence(make_study: Callable[..., Study]) -> None:
    with pytest.raises(InputError, match="no finished run of FGMix"):
        tablec3.make(make_study())
    with pytest.raises(InputError, match="no finished run of"):
        scaling_sensitivity.make(make_study())


def test_fixed_lambdas_with_and_without_flatness(make_study: Callable[..., Study]) -> None:
    study = make_study(chosen=("sketch",), seeds=(0,))
    configs = scaling_sensitivity.wanted(study)
    assert len(configs) == 12
    assert {(c.algorithm, c.mixup.scale_init) for c in configs[:10]} == {
        (name, scale) for name in ("d", "e0") for scale in (1.0, 2.0, 3.0, 5.0, 8.0)
    }
    task = study.task("sketch", 0)
    chosen = [c for c in configs if c.algorithm in ("erm", "fgmix") or c.mixup.scale_init in (1.0, 8.0)]
    for config in chosen:
        train(config, root=study.root, task=task, progress=False)
    found = scaling_sensitivity.measure(study)
    run = study.finished(scaling_sensitivity.config_of(study, "e0", 8.0, 0))
    assert run is not None
    assert found.values["accuracy"][1, 4, 0] == percent(run)
    assert float(run.load().algorithm["policy/scale"]) == 8.0  # it was never learned
    known = ~np.isnan(found.values["rise, own"][..., 0])
    assert known.tolist() == [[True, False, False, False, True]] * 2
    assert (found.values["rise, original"][..., 0][known] > 0).all()
    product = scaling_sensitivity.make(study)
    assert "4 of 10 runs are there" in product.finding
    assert len(product.tables[""]) == 10
    assert len(product.figures[""].axes) == 3


def test_ranges_over_lambda_are_compared_seed_by_seed() -> None:
    plain, guided = np.array([[50, 60], [52, 61]] * 2 + [[58, 66]]), np.array([[50, 60], [52, 61]] * 2 + [[51, 61]])
    found = scaling_sensitivity.Sensitivity({"accuracy": np.stack([plain, guided]).astype(float)}, 1.0)
    words = scaling_sensitivity._finding(found)
    assert "ranges over 7.0 points without L_flat and over 1.5 with it: -5.5" in words
    one = replace(found, values={"accuracy": found.values["accuracy"][..., :1]})
    assert scaling_sensitivity._finding(one).endswith("one seed, undecided.")
