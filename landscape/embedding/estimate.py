"""Rows of the table of estimates: what was measured, and the interval of its mean over images."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from landscape.intervals import Interval, reaching, room

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Estimate:
    """One number of a table.

    Attributes:
        measure: what is measured, with its unit in :data:`~landscape.embedding.embedding.MEASURES`.
        query: whose codes are asked about.
        pool: what they are compared with.
        dimension: coordinates of the space it is measured in.
        value: the mean over images.
        low: lower end of the interval over images.
        high: its upper end.
        n: images.
        reference: what the value would be without any structure, where that is known; else NaN.
    """

    measure: str
    query: str
    pool: str
    dimension: int
    value: float
    low: float
    high: float
    n: int
    reference: float = float("nan")

    @classmethod
    def of(
        cls, measure: str, query: str, pool: str, dimension: int, found: Interval, reference: float = float("nan")
    ) -> "Estimate":
        """A row of the table from its names and its number."""
        return cls(measure, query, pool, dimension, found.value, found.low, found.high, found.n, reference)


def to_table(estimates: Iterable[Estimate]) -> "pd.DataFrame":
    """One row an estimate."""
    import pandas as pd

    return pd.DataFrame([asdict(estimate) for estimate in estimates], columns=list(Estimate.__dataclass_fields__))


def at_least_exact(estimates: Iterable[Estimate]) -> tuple[Estimate, ...]:
    """The same estimates, those of hull shares with intervals no narrower than new ones have.

    :func:`landscape.intervals.bootstrap_mean` says how wide. For stored results: where few images differ, older ones
    hold a bootstrap interval that is narrower than where none does. It needs values and counts only, and leaves a
    result that has such intervals as it is.
    """
    rows = tuple(estimates)
    counts = {(row.measure, row.query, row.pool, row.dimension): row.n for row in rows}
    return tuple(_widened(row, counts) if row.measure == "inside" and row.n else row for row in rows)


def _widened(row: Estimate, counts: dict[tuple[str, str, str, int], int]) -> Estimate:
    # Of a difference between queries, each sample has its own count.
    parts = [counts.get((row.measure, query, row.pool, row.dimension), row.n) for query in row.query.split(" - ")]
    signed = len(parts) > 1 or " - " in row.pool
    found = reaching(Interval(row.value, row.low, row.high), sum(map(room, parts)), signed=signed)
    return replace(row, low=found.low, high=found.high)
