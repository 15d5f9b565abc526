"""The ledger of the papers' claims: each as a test on our runs, with a verdict no stronger than they can carry."""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from landscape.algorithms.catalogue import METHODS
from landscape.errors import InputError
from landscape.figures.items import dge_tables
from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.claim_tests import TESTS, Source
from landscape.figures.numbers.evidence import Evidence
from landscape.figures.numbers.published import NONE, matched
from landscape.plots.claims import Line, plot_ledger
from landscape.reference.stated_claims import Claim, Protocol, claims

FORMAT = 1
Verdict = Literal["supported", "not supported", "undecided", "waiting"]
NAMES = {"dge": "DGE", "pcgrad": "PCGrad", "coral": "CORAL"}
VERDICTS: tuple[Verdict, ...] = ("supported", "not supported", "undecided", "waiting")


@dataclass(frozen=True)
class Entry:
    """A claim with what our runs say about it.

    Attributes:
        claim: the statement.
        verdict: the verdict.
        why: one sentence.
        evidence: None: it waits.
        command: makes the figure or table with the same numbers.
    """

    claim: Claim
    verdict: Verdict
    why: str
    evidence: Evidence | None
    command: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; numbers that are not known are None."""
        claim, found = self.claim, self.evidence
        mean = found.mean if found else None
        return {
            "id": claim.id,
            "paper": claim.paper,
            "place": claim.place,
            "claim": claim.claim,
            "setting": claim.setting,
            "statistic": claim.statistic,
            "estimate": _finite(mean.value) if mean else None,
            "low": _finite(mean.low) if mean else None,
            "high": _finite(mean.high) if mean else None,
            "unit": claim.unit,
            "claimed": [_finite(end) for end in claim.claimed],
            "n": found.n if found else 0,
            "seeds": list(found.seeds) if found else [],
            "interval": f"95 %, over {mean.n} {mean.unit}" if mean and mean.known and not claim.exact else NONE,
            "verdict": self.verdict,
            "why": self.why,
            "command": self.command,
        }


def make(study: Study) -> Product:
    """Claims of both papers, each with its test on our runs and the verdict (beyond both papers).

    A claim is supported if the interval over seeds lies within the range that it claims, not supported if the interval
    excludes that range, and both only in the claim's own setting, that is the papers' data at their protocol. Elsewhere
    it stays undecided, with the estimate shown. A claim about several data sets can be refuted by one of them, never
    supported; one about their average can be neither. Exact statements (formulas, printed digits) are computed.
    """
    entries = ledger(study)
    counts = {verdict: sum(entry.verdict == verdict for entry in entries) for verdict in VERDICTS}
    table = pd.DataFrame([_row(entry) for entry in entries])
    shown = [_line(entry) for entry in entries if entry.evidence is not None and not entry.claim.exact]
    exact = sum(entry.claim.exact for entry in entries if entry.verdict in ("supported", "not supported"))
    figure = {"": plot_ledger(shown)} if shown else {}
    words = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    return Product(
        caption=f"{study.about()} {len(entries)} claims, listed from the papers, before the runs behind this "
        "ledger; the demo's accuracies were already known. The figure shows those for which there is a number: "
        "estimate and 95 % interval, over seeds, or over targets where there is one seed, each row on its own scale, "
        "and shaded the range that the claim names. Verdicts are given in a claim's own setting only, that is "
        "the paper's data and targets at its protocol.",
        finding=f"{words}, of {len(entries)} claims; {exact} of those decided are exact statements, which need no runs."
        + ("" if matched(study) else f" Runs on {study.data_name} cannot decide claims about other data."),
        figures=figure,
        tables={"": table},
        data={"": {"format": FORMAT, "claims": [entry.to_dict() for entry in entries]}},
        facts={"seeds": list(study.seeds), "targets": list(study.targets), "n": len(entries)},
        notes=(
            "supported: the interval over seeds lies within the claimed range; not supported: it excludes that range; "
            "both in the claim's own setting only. A data set can refute a claim about several, not support it, and "
            "decides nothing about an average over several. An interval of no width decides nothing. undecided: "
            "anything else. waiting: the algorithm, the data or the runs are not there.",
            "Intervals are not corrected for the number of claims.",
        ),
    )


def ledger(study: Study) -> list[Entry]:
    """Every claim with its evidence and verdict, in the order of the papers."""
    sources = {"": Source(study)}
    settings: dict[Protocol, str | None] = {
        "FGMix": matched(study),
        "DGE, one source": dge_tables.matched(study, single=True),
        "DGE, several sources": dge_tables.matched(study, single=False),
    }
    entries = []
    for claim in claims():
        if claim.target in study.targets:  # measured there only
            sources.setdefault(claim.target, Source(replace(study, chosen=(claim.target,))))
        evidence, why = _evidence(claim, sources.get(claim.target))
        verdict: Verdict = "waiting"
        if evidence is not None:
            data, domains = settings[claim.protocol], len(study.listing.domains)
            verdict, why = judge(claim, evidence, data=data, data_name=study.data_name, domains=domains)
        entries.append(Entry(claim, verdict, why, evidence, study.command(claim.item)))
    return entries


def judge(claim: Claim, evidence: Evidence, *, data: str | None, data_name: str, domains: int) -> tuple[Verdict, str]:
    """The verdict and its reason.

    Args:
        claim: the claim with its range.
        evidence: estimate and interval.
        data: the paper's data set at the claim's protocol that the runs are of; None: something else.
        data_name: what the runs' data are called.
        domains: how many domains the data have, each of them a target in the papers.
    """
    verdict, why = _verdict(claim, evidence, data, data_name, domains)
    return verdict, f"{why} {evidence.remark}".rstrip()


def _verdict(claim: Claim, evidence: Evidence, data: str | None, data_name: str, domains: int) -> tuple[Verdict, str]:
    mean = evidence.mean
    if claim.exact:
        holds = claim.holds(mean.value, mean.value)
        return ("supported", "Computed exactly.") if holds else ("not supported", "Computed exactly; it differs.")
    if not mean.known:
        return "undecided", f"One number ({_count(evidence)}) has no interval; it takes more seeds."
    if mean.low == mean.high:
        return "undecided", f"All {mean.n} {mean.unit} give {mean.value:.3g}; an interval of no width decides nothing."
    within, without = claim.holds(mean.low, mean.high), claim.excluded(mean.low, mean.high)
    place = "lies within" if within else "excludes" if without else "reaches into and beyond"
    seeds = f" ({_count(evidence)})" if mean.unit != "seeds" else ""
    over = (
        f"On {evidence.data or data_name} the 95 % interval over {mean.n} {mean.unit}{seeds} {place} the claimed range"
    )
    if doubt := _doubt(claim, evidence, data, domains, within=within):
        return "undecided", f"{over}; {doubt}."
    verdict: Verdict = "supported" if within else "not supported" if without else "undecided"
    return verdict, f"{over}."


def _doubt(claim: Claim, evidence: Evidence, data: str | None, domains: int, *, within: bool) -> str:
    """Why an interval decides nothing about a claim, wherever it lies; empty: it may decide."""
    asked, seeds = 1 if claim.target else domains, len(evidence.seeds)
    if data not in claim.data:
        return f"the claim is about other data or another protocol ({claim.setting})"
    if claim.device:
        return f"the claim is about {claim.device} hardware, and runs do not record what they ran on"
    if evidence.targets < asked:
        return f"the claim is about all {asked} targets and this is {evidence.targets}"
    if evidence.mean.unit != "seeds":
        return "one seed decides nothing"
    if seeds < claim.fewest:
        return f"{seeds} seeds are too few for this statistic, which takes {claim.fewest}"
    if claim.scope == "average":
        return "the claim is about an average over data sets, and this is one of them"
    if claim.scope == "all" and within:
        return f"the claim is about every one of {', '.join(claim.data)}, and this is one of them"
    return ""


def _evidence(claim: Claim, source: Source | None) -> tuple[Evidence | None, str]:
    if missing := [name for name in claim.needs if name not in METHODS]:
        return None, f"This version has no algorithm {' and no '.join(NAMES.get(n, n) for n in missing)} yet."
    if claim.id not in TESTS:
        return None, "Its test is not written yet."
    if source is None:
        return None, f"The claim is about target {claim.target}, which is not among the targets of this study."
    try:
        evidence = TESTS[claim.id](source)
    except InputError as error:
        words = str(error).partition(";")[0].rstrip(".")
        return None, f"{words[0].upper()}{words[1:]}."
    return (evidence, "") if math.isfinite(evidence.mean.value) else (None, "Its number is not defined for these runs.")


def _count(evidence: Evidence) -> str:
    return f"{len(evidence.seeds)} seed{'s' if len(evidence.seeds) != 1 else ''}, n = {evidence.n}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _row(entry: Entry) -> dict[str, str]:
    values = entry.to_dict()
    numbers = {name: NONE if values[name] is None else f"{values[name]:.4g}" for name in ("estimate", "low", "high")}
    keys = ("id", "paper", "place", "claim", "setting", "statistic")
    rest = {"unit": values["unit"], "interval": values["interval"], "n": str(values["n"])}
    rest["seeds"] = ", ".join(map(str, values["seeds"])) or NONE
    return {key: values[key] for key in keys} | numbers | rest | {k: values[k] for k in ("verdict", "why", "command")}


def _line(entry: Entry) -> "Line":

    assert entry.evidence is not None  # the caller's choice
    mean, claim = entry.evidence.mean, entry.claim
    return Line(claim.statistic, claim.unit, mean.value, mean.low, mean.high, claim.claimed, entry.verdict)
