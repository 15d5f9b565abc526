"""What the two papers claim, as data: ``claims()``, read from claims.toml.

The list was made from the papers, before the runs behind the ledger; the demo's accuracies were already known. How a
claim is tested on runs is in :mod:`landscape.figures.numbers.claim_tests`, under the claim's id.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from landscape.reference import text_of

Protocol = Literal["FGMix", "DGE, one source", "DGE, several sources"]


@dataclass(frozen=True)
class Claim:
    """One statement of a paper.

    Attributes:
        id: short name.
        paper: which one.
        place: section, table or figure.
        claim: the statement, in our words, with the printed numbers.
        setting: for what it is made.
        statistic: the number that tests it.
        unit: of that number.
        claimed: the range in which the number lies if the claim holds; open at both ends, or a single number.
        data: data sets whose runs at the paper's protocol are the claim's own setting; none: an exact statement.
        item: the figure or table that shows the same numbers.
        needs: algorithms without which it cannot be tested.
        scope: what one data set can say. ``any``: the claim is about that data set. ``all``: it is about each of
            several, so that one can refute it and none supports it alone. ``average``: it is about a mean over them,
            of which one decides nothing.
        protocol: how the runs behind it were trained: FGMix's, or DGE's with one source domain or with several.
        target: the target domain that it names; empty: all domains of the data.
        device: the hardware that it names; empty: it does not depend on it.
        fewest: seeds below which its number decides nothing.
    """

    id: str
    paper: Literal["FGMix", "DGE"]
    place: str
    claim: str
    setting: str
    statistic: str
    unit: str
    claimed: tuple[float, float]
    data: tuple[str, ...]
    item: str
    needs: tuple[str, ...]
    scope: Literal["any", "all", "average"]
    protocol: Protocol = "FGMix"
    target: str = ""
    device: str = ""
    fewest: int = 2

    @property
    def exact(self) -> bool:
        """Whether it is about formulas or printed digits: no data set, no seeds."""
        return not self.data

    def holds(self, low: float, high: float) -> bool:
        """Whether an interval lies within the claimed range: a difference of 0 is no gain."""
        least, most = self.claimed
        return low == high == least if least == most else least < low and high < most

    def excluded(self, low: float, high: float) -> bool:
        """Whether an interval leaves the claimed range out."""
        least, most = self.claimed
        return high < least or most < low if least == most else high <= least or most <= low


@cache
def claims() -> tuple[Claim, ...]:
    """All claims in the order of the papers."""
    rows: list[dict[str, Any]] = tomllib.loads(text_of("claims.toml"))["claim"]
    lists = ("claimed", "data", "needs")
    return tuple(Claim(**(row | {name: tuple(row[name]) for name in lists})) for row in rows)
