"""The ledger: the list of claims, the rule behind a verdict, and the ledger of a tiny study."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from landscape.config import ALGORITHMS
from landscape.errors import InputError
from landscape.figures import claims as module
from landscape.figures import weights_vs_invariance as invariance
from landscape.figures.claims import judge, ledger, make
from landscape.figures.interval import Mean
from landscape.figures.ledger import TESTS, Evidence, Source, over_keys
from landscape.figures.published import DATASETS
from landscape.figures.registry import ITEMS
from landscape.figures.scores import percent
from landscape.figures.study import Study
from landscape.figures.weights_vs_invariance import Setting
from landscape.plots.ledger import Line, plot_ledger
from landscape.reference.claims import Claim, claims

BY_ID = {claim.id: claim for claim in claims()}
GAIN = BY_ID["gain"]


def test_the_list_is_well_formed() -> None:
    assert len(BY_ID) == len(claims()) >= 35
    names = {item.name for item in ITEMS}
    for claim in claims():
        assert claim.claimed[0] <= claim.claimed[1]
        assert claim.item in names
        assert set(claim.data) <= {*DATASETS.values(), "images"}
        # Every claim has a test, or waits for an algorithm.
        assert claim.id in TESTS or set(claim.needs) - set(ALGORITHMS), claim.id
    assert TESTS.keys() <= BY_ID.keys()
    assert {claim.paper for claim in claims()} == {"FGMix", "DGE"}


def evidence(low: float, high: float, unit: str = "seeds", n: int = 3) -> Evidence:
    return Evidence(Mean((low + high) / 2, 0.1, low, high, n, unit), n, tuple(range(n)))


@pytest.mark.parametrize(
    ("found", "data", "verdict"),
    [
        (evidence(0.5, 1.0), "PACS", "supported"),
        (evidence(-1.0, -0.5), "PACS", "not supported"),
        (evidence(-1.0, 0.5), "PACS", "undecided"),
        (evidence(0.0, 0.0), "PACS", "not supported"),  # no difference is no gain
        (evidence(0.5, 1.0), None, "undecided"),
        (evidence(-1.0, -0.5), None, "undecided"),  # runs on other data refute nothing
        (evidence(-1.0, -0.5, "targets"), "PACS", "undecided"),  # one seed
        (Evidence(Mean.of([-3.0]), 1, (0,)), "PACS", "undecided"),
    ],
)
def test_verdicts(found: Evidence, data: str | None, verdict: str) -> None:
    got, why = judge(GAIN, found, data=data, data_name="shapes")
    assert got == verdict
    assert why.endswith(".")


def test_a_claimed_range_has_two_ends() -> None:
    rho = BY_ID["rho"]
    assert judge(rho, evidence(0.4, 0.5), data="PACS", data_name="pacs")[0] == "supported"
    assert judge(rho, evidence(0.6, 0.7), data="PACS", data_name="pacs")[0] == "not supported"
    assert judge(rho, evidence(0.4, 0.7), data="PACS", data_name="pacs")[0] == "undecided"
    assert judge(rho, evidence(0.4, 0.5), data="TerraInc", data_name="terra")[0] == "undecided"


def test_exact_statements_need_no_runs() -> None:
    claim = BY_ID["toy-digits"]
    assert judge(claim, evidence(1.0, 1.0), data=None, data_name="x")[0] == "supported"
    assert judge(claim, evidence(0.9, 0.9), data=None, data_name="x")[0] == "not supported"


def test_numbers_of_targets_and_seeds_become_one(study: Study) -> None:
    values = {("cartoon", 0): 1.0, ("sketch", 0): 3.0, ("cartoon", 1): 5.0, ("sketch", 1): 7.0}
    assert over_keys(study, values) == Evidence(Mean.of([2.0, 6.0]), 4, (0, 1))
    part = over_keys(study, {**values, ("sketch", 1): math.nan})
    assert part == Evidence(Mean.of([1.0, 3.0], "targets"), 2, (0,))
    with pytest.raises(InputError, match="no number"):
        over_keys(study, {("sketch", 0): math.nan})


def test_differences_are_paired(study: Study) -> None:
    found = TESTS["swa-best"](Source(study))
    gaps = [
        np.mean(
            [
                percent(study.run("fgmix", target, seed), swa=True) - percent(study.run("erm", target, seed), swa=True)
                for target in study.targets
            ]
        )
        for seed in study.seeds
    ]
    assert found == Evidence(Mean.of(gaps), 4, (0, 1))
    with pytest.raises(InputError, match="no finished run of B, A"):
        TESTS["similarity"](Source(study))


def test_a_ledger_of_shapes_decides_exact_statements_only(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invariance, "Setting", lambda: Setting(seeds=(0, 1), steps=12, start=8, batch=16, groups=50))
    entries = {entry.claim.id: entry for entry in ledger(replace(study, chosen=("sketch",)))}
    assert list(entries) == list(BY_ID)
    exact = {"inside", "distinctive", "toy-digits", "toy-direction"}
    assert {name for name, entry in entries.items() if entry.verdict == "supported"} == exact
    waiting = {name for name, entry in entries.items() if entry.verdict == "waiting"}
    assert {name for name in BY_ID if name.startswith("dge-")} | {"best", "similarity", "features"} <= waiting
    assert not any(entry.verdict == "not supported" for entry in entries.values())
    # Everything that ERM, A, C and FGMix can speak to has a number.
    for name in ("gain", "swa-largest", "time", "extrapolated", "coverage", "sharper", "flatter", "shift", "closer"):
        assert entries[name].evidence is not None, entries[name].why
        assert entries[name].verdict == "undecided"
    for name in ("rho", "mixed", "invariance", "ends-higher"):
        assert entries[name].verdict == "undecided", entries[name].why


def test_the_file_that_the_explorer_reads(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    few = tuple(BY_ID[name] for name in ("gain", "toy-digits", "best", "dge-k"))
    monkeypatch.setattr(module, "claims", lambda: few)
    product = make(study)
    stored = json.loads(json.dumps(product.data[""], allow_nan=False))
    assert stored["format"] == 1
    gain, toy, best, waits = stored["claims"]
    assert gain["seeds"] == [0, 1]
    assert gain["low"] <= gain["estimate"] <= gain["high"]
    assert gain["claimed"] == [0.0, None]
    assert gain["command"].startswith("python -m landscape.figures table1")
    assert (toy["verdict"], toy["estimate"]) == ("supported", 1.0)
    assert (best["estimate"], best["low"], best["verdict"]) == (None, None, "waiting")
    assert waits["why"] == "This version has no algorithm DGE yet."
    assert product.finding.startswith("1 supported, 0 not supported, 1 undecided, 2 waiting, of 4 claims")
    assert len(product.tables[""]) == 4


def test_another_seed_is_said_to_be_needed(demo_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    few = tuple(BY_ID[name] for name in ("gain", "prior-variance"))
    monkeypatch.setattr(module, "claims", lambda: few)
    gain, variance = ledger(replace(demo_study, chosen=("sketch",)))
    assert gain.why == "One number (1 seed, n = 1) has no interval; it takes more seeds."
    assert variance.verdict == "waiting"


def test_the_figure_shows_every_line_within_its_frame() -> None:
    lines = [
        Line("gain", "points", -0.3, -1.4, 0.9, (0.0, math.inf), "undecided"),
        Line("rho", "rho", 0.4, 0.37, 0.5, (0.345, 0.585), "supported"),
        Line("zero", "points", 0.0, math.nan, math.nan, (0.0, math.inf), "not supported"),
    ]
    figure = plot_ledger(lines)
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["gain", "rho", "zero"]
    dots = [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "o"]
    assert np.abs(dots).max() <= 1
    assert [text.get_text() for text in ax.texts][1] == "0.4 [0.37, 0.5] rho"
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["supported", "not supported", "undecided", "claimed range"]


def test_claims_are_plain_data() -> None:
    assert isinstance(GAIN, Claim)
    assert GAIN.claimed == (0.0, math.inf)
    assert BY_ID["toy-digits"].exact
    assert not GAIN.exact
