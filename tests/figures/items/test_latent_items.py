"""Figures 4, 8 and 9 of a study of two targets and two seeds: what the tables hold, and sentences that follow them."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from landscape.checkpoint import Checkpoint
from landscape.embedding.embedding import Embedding
from landscape.errors import InputError
from landscape.figures.items import fig4, fig8, fig9
from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers import study_codes as latent

ITEMS = {"fig4": fig4, "fig8": fig8, "fig9": fig9}


@pytest.fixture(scope="module")
def reaching(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study as if the policies had learned to scale far: many of FGMix's codes extrapolate."""
    folder = tmp_path_factory.mktemp("reaching")
    shutil.copytree(study.root, folder / "checkpoints")
    changed = replace(study, root=folder / "checkpoints", results=folder / "results")
    for target, seed in changed.complete(("fgmix",)):
        file = changed.need(("fgmix",), target, seed)["fgmix"].find()
        checkpoint = Checkpoint.load(file)
        checkpoint.algorithm["policy/scale"].fill_(500.0)
        checkpoint.save(file)
    return changed


@pytest.fixture(scope="module")
def products(reaching: Study) -> dict[str, Product]:
    return {name: module.make(reaching) for name, module in ITEMS.items()}


@pytest.fixture(scope="module")
def demo_products(demo_study: Study) -> dict[str, Product]:
    return {name: module.make(demo_study) for name, module in ITEMS.items()}


def cells(product: Product) -> Iterator[tuple[tuple[str, int], pd.DataFrame]]:
    return iter(product.tables[""].groupby(["target", "seed"], sort=False))


@pytest.mark.parametrize("name", ITEMS)
def test_a_figure_a_target_and_rows_for_every_target_and_seed(products: dict[str, Product], name: str) -> None:
    product = products[name]
    assert list(product.figures) == ["", "cartoon", *(["gains"] if name == "fig4" else [])]
    assert {key for key, _ in cells(product)} == {(t, s) for t in ("cartoon", "sketch") for s in (0, 1)}
    for figure in product.figures.values():
        assert figure.get_size_inches()[0] == 6.75
        assert figure.get_size_inches()[1] <= 9
    assert product.facts["seeds"] == [0, 1]
    assert set(product.facts["targets"]) == {"cartoon", "sketch"}
    for said in (product.caption, product.finding):
        assert "seeds 0, 1" in said
    assert "95 % intervals over images, of one run each" in product.caption or name == "fig8"
    assert not [note for note in product.notes if "left out" in note]


@pytest.mark.parametrize(("name", "quantity"), [("fig4", "difference"), ("fig8", "rho"), ("fig9", "difference")])
def test_means_over_seeds_have_students_interval(products: dict[str, Product], name: str, quantity: str) -> None:
    table, means = products[name].tables[""], products[name].tables["seeds"]
    means = means[(means["quantity"] == quantity) & (means["seeds"] == 2)]
    assert len(means)
    by = [column for column in means.columns if column in table.columns and column not in ("low", "high")]
    for _, row in means.iterrows():
        both = table[(table[by] == row[by]).all(axis=1)][quantity].to_numpy()
        expected = stats.t.interval(0.95, 1, loc=both.mean(), scale=stats.sem(both)) if np.ptp(both) else (both[0],) * 2
        np.testing.assert_allclose((row["mean"], row["low"], row["high"]), (both.mean(), *expected), atol=1e-12)


@pytest.mark.parametrize("name", ITEMS)
def test_after_the_demo_it_is_one_seed_of_one_target(demo_products: dict[str, Product], name: str) -> None:
    product = demo_products[name]
    assert [key for key in product.figures if key != "gains"] == [""]
    assert [key for key, _ in cells(product)] == [("sketch", 0)]
    assert "seeds" not in product.tables
    assert "seed 0, one seed" in product.caption
    assert "seed 0, one seed" in product.finding
    assert any(note.startswith("left out") and "cartoon (seed 0)" in note for note in product.notes)


@pytest.mark.parametrize("name", ITEMS)
def test_without_runs_it_says_how_to_make_them(make_study, name: str) -> None:
    with pytest.raises(InputError, match=r"python -m landscape\.train"):
        ITEMS[name].make(make_study())


@pytest.mark.parametrize("name", ITEMS)
def test_a_second_call_measures_nothing(reaching: Study, products, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("landscape.embedding.fit.embed_codes", refuse)
    monkeypatch.setattr("landscape.correlation.measure.measure", refuse)
    again = ITEMS[name].make(reaching)
    assert again.finding == products[name].finding
    assert again.caption == products[name].caption
    for key, table in again.tables.items():
        pd.testing.assert_frame_equal(table, products[name].tables[key])


def test_shares_are_counted_from_the_weights(reaching: Study, products: dict[str, Product]) -> None:
    shares = products["fig4"].tables["extrapolated"]
    *ours, paper = shares.to_dict("records")
    assert paper["share"] == 0.225
    assert "other data" in paper["data"]
    for row in ours:
        embedding = latent.mixed_codes_of(reaching, row["target"], int(row["seed"]))
        weights = embedding.weights[embedding.variant == embedding.variants.index("FGMix")]
        outside = int((np.nan_to_num(weights) < 0).any(axis=1).sum())
        assert row["codes"] == len(weights)
        assert row["share"] == outside / len(weights) > 0.05
        ends = stats.binomtest(outside, len(weights)).proportion_ci()
        assert (row["low"], row["high"]) == pytest.approx((ends.low, ends.high))


def test_shares_have_their_range_over_seeds(products: dict[str, Product]) -> None:
    tables = products["fig4"].tables
    shares = tables["extrapolated"]
    for _, row in tables["extrapolated-seeds"].iterrows():
        both = shares[(shares["target"] == row["target"]) & shares["codes"].notna()]["share"]
        assert (row["mean"], row["smallest"], row["largest"]) == (both.mean(), both.min(), both.max())
    levels = tables["levels-seeds"]
    inside = levels[(levels["measure"] == "inside") & levels["mean"].notna()]
    assert (inside["smallest"] >= 0).all()
    assert (inside["largest"] <= 1).all()
    assert set(tables["seeds"]["quantity"]) == {"difference"}


def test_captions_say_why_the_weights_are_averages(products: dict[str, Product]) -> None:
    for name in ("fig4", "fig9"):
        assert "weights are averages (SWA)" in products[name].caption
        assert "figure 5 moves raw iterates" in products[name].caption


def test_gains_are_fgmix_less_its_control(products: dict[str, Product]) -> None:
    table = products["fig4"].tables[""]
    single = table[table["FGMix"].notna() & table["control"].notna()]
    np.testing.assert_allclose(single["difference"], single["FGMix"] - single["control"], atol=1e-12)
    assert set(table["query"]) >= {"target", "held-out sources"}
    assert set(table[table["measure"] == "inside"]["d"]) <= {2, 5, 10, 20}
    assert table[table["measure"] == "distance"]["d"].nunique() == 1
    inside = table[table["measure"] == "inside"].dropna(subset=["sources", "A"])
    assert (inside["sources"] == inside["A"]).all()  # an interpolation has the sources' hull


def test_the_score_is_shown_for_every_ordered_pair(products: dict[str, Product]) -> None:
    for (target, _), table in cells(products["fig8"]):
        pairs = table[table["statistic"] == "rho"]["where"]
        assert len(set(pairs)) == len(pairs) == 6
        assert not [pair for pair in pairs if target in pair]
        assert list(table["statistic"][-2:]) == ["mean of rho", "within groups"]
        assert table["rho"].iloc[-2] == pytest.approx(table[table["statistic"] == "rho"]["rho"].mean())
        assert set(table["policy_steps"]) == {4}  # steps 5 to 8
    titles = [ax.get_title() for ax in products["fig8"].figures[""].axes]
    assert len([title for title in titles if "\N{RIGHTWARDS ARROW}" in title]) == 6
    assert products["fig8"].facts["n"]["sketch"]["untrained"] >= 30
    assert "0.35 to 0.58 on PACS, which are other data" in products["fig8"].finding


def test_models_are_embedded_apart_and_compared_by_image(reaching: Study, products: dict[str, Product]) -> None:
    erm, fgmix = latent.codes_of_models(reaching, "sketch", 1)
    assert (erm.name.split()[0], fgmix.name.split()[0]) == ("ERM", "FGMix")
    np.testing.assert_array_equal(erm.rows, fgmix.rows)
    assert len(erm.points) == len(fgmix.points) == erm.count  # images only
    table = products["fig9"].tables[""]
    assert set(table["measure"]) == {"domain entropy", "domain silhouette", "class silhouette"}
    row = table[(table["target"] == "sketch") & (table["seed"] == 1) & (table["scope"] == "all domains")].iloc[0]
    change = fgmix.scores["domain_entropy_all_domains"] - erm.scores["domain_entropy_all_domains"]
    assert row["difference"] == pytest.approx(np.nanmean(change))
    assert row["n"] == np.isfinite(change).sum()


def rows_of(values: dict[int, list[tuple[float, float, float]]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"target": f"t{i}", "seed": seed, "difference": value, "low": low, "high": high, "n": 9}
            for seed, rows in values.items()
            for i, (value, low, high) in enumerate(rows)
        ]
    )


def test_one_seed_is_judged_by_images_and_several_by_seeds() -> None:
    one = rows_of({0: [(1.0, 0.5, 1.5), (0.2, -0.1, 0.5), (-1.0, -2.0, -0.1)]})
    assert list(latent.verdicts(one, ["target"]).values()) == ["higher", "undecided", "lower"]
    # Sure within each run, but the runs disagree; and a target with one seed of two is undecided.
    two = rows_of({0: [(1.0, 0.9, 1.1), (1.0, 0.9, 1.1), (1.0, 0.9, 1.1)], 1: [(-0.5, -0.6, -0.4), (1.01, 0.9, 1.1)]})
    assert list(latent.verdicts(two, ["target"]).values()) == ["undecided", "higher", "undecided"]
    words = latent.count_words(["higher", "undecided"], higher="nearer", lower="farther")
    assert words == "nearer in 1, farther in 0, undecided in 1 of 2"


def finding_of(found: dict[tuple[str, int], Embedding], study: Study) -> str:
    return fig4._finding(study, found, fig4.shares_table(found), fig4.gains_table(found))


def test_the_finding_follows_the_numbers(reaching: Study, products: dict[str, Product]) -> None:
    key = ("sketch", 0)
    embedding = latent.mixed_codes_of(reaching, *key)

    def shifted(value: float) -> Embedding:
        rows = [
            replace(row, value=value, low=value - 0.1, high=value + 0.1) if row.pool == "FGMix - control" else row
            for row in embedding.coverage
        ]
        return replace(embedding, coverage=tuple(rows))

    count = len({row.dimension for row in embedding.coverage if row.measure == "inside"})
    for value, inside, distance in (
        (0.2, "higher", "farther"),
        (-0.2, "lower", "nearer"),
        (0.05, "undecided", "undecided"),
    ):
        said = finding_of({key: shifted(value)}, reaching)
        first, second, *control = re.findall(r"(?:higher|farther) in .*? of \d+", said)
        assert re.search(r"held-out sources \(second control\) is higher in", said)
        assert [words.rsplit(" ", 1)[1] for words in control] == [str(count), "1"]  # of the comparisons, of the targets
        assert f"{inside} in {count}" in first
        assert f"{distance} in 1" in second
    none = replace(embedding, coverage=tuple(r for r in embedding.coverage if r.pool != "FGMix - control"))
    assert "leaves every hull as it is" in finding_of({key: none}, reaching)
