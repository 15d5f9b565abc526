"""The ledger: the list of claims, the rule behind a verdict, and the ledger of a tiny study."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from landscape.algorithms.catalogue import METHODS
from landscape.config import PRESETS
from landscape.errors import InputError
from landscape.figures.items import claims as module
from landscape.figures.items import weights_vs_invariance as invariance
from landscape.figures.items.claims import judge, ledger, make
from landscape.figures.items.dge_tables import matched
from landscape.figures.items.weights_vs_invariance import Setting
from landscape.figures.machinery.registry import ITEMS
from landscape.figures.machinery.scale import SCALES
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.claim_tests import TESTS, Source
from landscape.figures.numbers.evidence import Evidence, over_keys
from landscape.figures.numbers.interval import Mean
from landscape.figures.numbers.published import DATASETS
from landscape.figures.numbers.run_scores import Scores, percent
from landscape.plots.claims import Line, plot_ledger
from landscape.reference.stated_claims import Claim, claims

BY_ID = {claim.id: claim for claim in claims()}
GAIN = BY_ID["gain"]


def test_the_list_is_well_formed() -> None:
    assert len(BY_ID) == len(claims()) >= 45
    names = {item.name for item in ITEMS}
    for claim in claims():
        assert claim.claimed[0] <= claim.claimed[1]
        assert claim.item in names
        assert set(claim.data) <= {*DATASETS.values(), "images"}
        # Every claim has a test, or waits for an algorithm.
        assert claim.id in TESTS or set(claim.needs) - set(METHODS), claim.id
    assert TESTS.keys() <= BY_ID.keys()
    assert {claim.paper for claim in claims()} == {"FGMix", "DGE"}


def evidence(low: float, high: float, unit: str = "seeds", n: int = 3) -> Evidence:
    return Evidence(Mean((low + high) / 2, low, high, n, unit, 0.1), n, tuple(range(n)))


ONE = BY_ID["mixed"]  # a claim about one data set


def verdict_of(claim: Claim, found: Evidence, data: str | None = "PACS") -> str:
    return judge(claim, found, data=data, data_name="shapes", domains=1)[0]


@pytest.mark.parametrize(
    ("found", "data", "verdict"),
    [
        (evidence(0.5, 1.0), "PACS", "supported"),
        (evidence(-1.0, -0.5), "PACS", "not supported"),
        (evidence(-1.0, 0.5), "PACS", "undecided"),
        (evidence(-1.0, 0.0), "PACS", "not supported"),  # no difference is no gain
        (evidence(0.0, 0.0), "PACS", "undecided"),  # the same in every seed: no interval
        (evidence(0.5, 0.5), "PACS", "undecided"),
        (evidence(0.5, 1.0), None, "undecided"),
        (evidence(-1.0, -0.5), None, "undecided"),  # runs on other data refute nothing
        (evidence(-1.0, -0.5, "targets"), "PACS", "undecided"),  # one seed
        (Evidence(Mean.of([-3.0]), 1, (0,)), "PACS", "undecided"),
    ],
)
def test_verdicts(found: Evidence, data: str | None, verdict: str) -> None:
    got, why = judge(ONE, found, data=data, data_name="shapes", domains=1)
    assert got == verdict
    assert why.endswith(".")


def test_one_data_set_can_refute_a_claim_about_five_and_never_support_it() -> None:
    up, down = evidence(0.5, 1.0), evidence(-1.0, -0.5)
    assert (GAIN.scope, verdict_of(GAIN, up), verdict_of(GAIN, down)) == ("all", "undecided", "not supported")
    for name in ("best", "swa-gain", "swa-best", "swa-largest", "dge-multi"):
        claim = BY_ID[name]
        assert (claim.scope, verdict_of(claim, up), verdict_of(claim, down)) == ("average", "undecided", "undecided")
    # A claim about several data sets is never one that a single one supports.
    for claim in claims():
        assert claim.scope != "any" or len(claim.data) <= 1 or claim.device


def test_a_claim_about_some_hardware_is_decided_on_no_other() -> None:
    time = BY_ID["time"]
    assert (time.device, verdict_of(time, evidence(1.0, 1.05)), verdict_of(time, evidence(2.0, 3.0))) == (
        "A100",
        "undecided",
        "undecided",
    )


def test_a_verdict_needs_all_targets_and_seeds_enough() -> None:
    found = evidence(0.5, 1.0)  # one target, three seeds
    assert judge(ONE, found, data="PACS", data_name="x", domains=4)[0] == "undecided"
    assert judge(ONE, replace(found, n=12), data="PACS", data_name="x", domains=4)[0] == "supported"
    near = Evidence(Mean(0.225, 0.222, 0.228, 3, "seeds", 0.1), 3, (0, 1, 2))
    assert judge(BY_ID["extrapolated"], near, data="PACS", data_name="x", domains=4)[0] == "supported"
    variance = BY_ID["prior-variance"]
    assert verdict_of(variance, evidence(1.2, 2.0, n=4), "TerraInc") == "undecided"
    assert verdict_of(variance, evidence(1.2, 2.0, n=5), "TerraInc") == "not supported"


def test_a_remark_stands_beside_the_reason() -> None:
    _, why = judge(ONE, replace(evidence(0.5, 1.0), remark="And more."), data="PACS", data_name="x", domains=1)
    assert why.endswith("the claimed range. And more.")


def test_claims_of_dge_are_about_its_own_data_and_protocol() -> None:
    dge = {name: claim for name, claim in BY_ID.items() if claim.paper == "DGE"}
    assert all("TerraInc" not in claim.data and claim.protocol.startswith("DGE") for claim in dge.values())
    assert (dge["dge-vlcs"].data, dge["dge-domainnet"].data) == (("VLCS",), ("DomainNet",))
    assert len(dge["dge-multi"].data) == 4
    own = PRESETS["paper"].replace(data="vlcs", model="resnet18", batch_size=10, lr=5e-4)
    several = Study(SCALES["paper"], config=own)
    one = Study(SCALES["paper"], config=own.replace(domains=("caltech101", "sun09")))
    resnet50 = Study(SCALES["paper"], config=PRESETS["paper"].replace(data="vlcs"))
    assert [matched(study, single=True) for study in (one, several, resnet50)] == ["VLCS", None, None]
    assert [matched(study, single=False) for study in (one, several, resnet50)] == [None, "VLCS", None]


def test_the_variance_is_within_targets(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    cells = {"fgmix": rng.normal([[50.0], [80.0]], 1, (2, 6)), "e": rng.normal([[50.0], [80.0]], 2, (2, 6))}

    class Made:
        seeds, targets = tuple(range(6)), ("cartoon", "sketch")

        def values(self, name: str, *, swa: bool) -> np.ndarray:
            return cells[name]

    monkeypatch.setattr(Source, "block", lambda self, *names: Made())
    found = TESTS["prior-variance"](Source(study))
    # Independent: residuals pooled by hand, and the test that inverts the interval.
    pooled = {name: ((x - x.mean(1, keepdims=True)) ** 2).sum() / 10 for name, x in cells.items()}
    ratio = pooled["fgmix"] / pooled["e"]
    assert found.mean.value == pytest.approx(ratio)
    assert stats.f.sf(ratio / found.mean.low, 10, 10) == pytest.approx(0.025)
    assert stats.f.cdf(ratio / found.mean.high, 10, 10) == pytest.approx(0.025)
    assert (found.n, found.mean.n, found.targets) == (12, 6, 2)


def test_the_best_other_method_is_no_variant_and_has_all_runs(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [(target, seed) for seed in (0, 1) for target in ("cartoon", "sketch")]
    # Raw and averaged accuracy; FGMix's variant E and SAM, which lacks a run, would be better.
    levels = {"erm": (0.5, 0.8), "coral": (0.6, 0.65), "fgmix": (0.63, 0.7), "e": (0.9, 0.9), "sam": (0.9, 0.9)}
    rows = [
        {"algorithm": name, "target": target, "seed": seed, "swa": swa, "selection": "last"}
        | {"accuracy": level[swa] + seed * 0.01 * (name == "fgmix")}
        for name, level in levels.items()
        for target, seed in (keys[:3] if name == "sam" else keys)
        for swa in (False, True)
    ]
    monkeypatch.setattr(Source, "scores", Scores(pd.DataFrame(rows), tuple(levels), ()))
    monkeypatch.setattr(Study, "complete", lambda self, algorithms: keys)
    raw, averaged = (TESTS[name](Source(study)) for name in ("best", "swa-best-all"))
    assert (raw.mean.value, averaged.mean.value) == (pytest.approx(3.5), pytest.approx(-9.5))
    assert (raw.n, raw.seeds) == (4, (0, 1))
    assert raw.remark == "The best of 2 other methods is CORAL."
    assert averaged.remark == "The best of 2 other methods is ERM + SWA."


def test_coverage_is_against_controls(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    from landscape.figures.items import fig4

    def row(query: str, difference: float, measure: str = "distance") -> dict[str, object]:
        known = {"target": "sketch", "seed": 0, "measure": measure, "query": query}
        return known | {"FGMix": 9.0, "A": 1.0, "control": 9.0 - difference, "difference": difference}

    rows = [row("target", -0.5), row("held-out sources", -0.3), row("target - held-out sources", -0.2)]
    table = pd.DataFrame([*rows, row("target", 7.0, "inside")])
    monkeypatch.setattr(Source, "mixed", {})
    monkeypatch.setattr(fig4, "gains_table", lambda mixed: table)
    found = TESTS["coverage"](Source(study))
    assert found.mean.value == -0.5
    assert found.remark == "Target - held-out sources: -0.2."
    monkeypatch.setattr(fig4, "gains_table", lambda mixed: table[:1])
    assert "no held-out" in TESTS["coverage"](Source(study)).remark


def test_mixing_is_of_source_domains(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    from landscape.figures.items import fig9
    from landscape.figures.numbers import study_codes as latent

    row = {"target": "sketch", "seed": 0, "measure": "domain entropy"}
    table = pd.DataFrame(
        [row | {"scope": "all domains", "difference": 5.0}, row | {"scope": "sources", "difference": 0.25}]
    )
    monkeypatch.setattr(latent, "codes_of_models", lambda *_: None)
    monkeypatch.setattr(fig9, "differences_table", lambda _: table)
    assert TESTS["mixed"](Source(study)).mean.value == 0.25


def test_a_broader_minimum_covers_more_of_the_plane(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    class Plane:
        panels = ("train_loss", "fgmix_train_loss")

        def panel(self, name: str) -> pd.Series:
            return pd.Series([0.5, 0.7, 0.9, 1.2] if name == "train_loss" else [0.3, 0.35, 0.39, 1.0])

    monkeypatch.setattr(Source, "surfaces", {("sketch", 0): Plane()})
    assert TESTS["broader"](Source(study)).mean.value == pytest.approx(3 / 4 - 1 / 4)
    monkeypatch.setattr(Plane, "panels", ("train_loss",))
    with pytest.raises(InputError, match="mixup codes"):
        TESTS["broader"](Source(study))


def test_a_claim_that_names_a_target_is_measured_there(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(module, "claims", lambda: (BY_ID["extrapolated"], BY_ID["rho"]))
    for name in ("extrapolated", "rho"):
        monkeypatch.setitem(TESTS, name, lambda source: asked.append(source.study.targets) or evidence(0.1, 0.2))
    ledger(study)
    assert asked == [("sketch",), ("cartoon", "sketch")]
    assert ledger(replace(study, chosen=("cartoon",)))[0].why == (
        "The claim is about target sketch, which is not among the targets of this study."
    )


def test_a_claimed_range_has_two_ends() -> None:
    rho = BY_ID["rho"]
    assert verdict_of(rho, evidence(0.4, 0.5)) == "supported"
    assert verdict_of(rho, evidence(0.6, 0.7)) == "not supported"
    assert verdict_of(rho, evidence(0.4, 0.7)) == "undecided"
    assert verdict_of(rho, evidence(0.4, 0.5), "TerraInc") == "undecided"


def test_exact_statements_need_no_runs() -> None:
    claim = BY_ID["toy-digits"]
    assert verdict_of(claim, evidence(1.0, 1.0), None) == "supported"
    assert verdict_of(claim, evidence(0.9, 0.9), None) == "not supported"


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
    for name in ("gain", "swa-largest", "time", "extrapolated", "sharper", "flatter", "broader", "shift", "closer"):
        assert entries[name].evidence is not None, entries[name].why
        assert entries[name].verdict == "undecided"
    assert entries["coverage"].evidence is not None or "no control" in entries["coverage"].why
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
    assert "the demo's accuracies were already known" in product.caption


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
