"""Means over trial seeds as a table, which seeds are whole, and what an interval of a difference decides."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from landscape.figures.numbers.interval import Mean

NONE = "n/a"


def over_seeds(table: pd.DataFrame, by: Sequence[str], quantities: Sequence[str]) -> pd.DataFrame:
    """One row for each group and quantity: number of seeds, mean, and the ends of its 95 % t-interval over seeds.

    Args:
        table: one row for each group and seed.
        by: columns that name a group.
        quantities: columns to average.
    """

    def row(values: pd.Series) -> tuple[float, ...]:
        mean = Mean.of(values.to_numpy(dtype=np.float64))
        return mean.n, mean.value, mean.low, mean.high

    return _summarised(table, by, quantities, row, ("low", "high"))


def range_over_seeds(table: pd.DataFrame, by: Sequence[str], quantities: Sequence[str]) -> pd.DataFrame:
    """One row for each group and quantity: number of seeds, mean, smallest and largest.

    For shares: a t-interval over few seeds can leave [0, 1].

    Args:
        table: one row for each group and seed.
        by: columns that name a group.
        quantities: columns to average.
    """

    def row(values: pd.Series) -> tuple[float, ...]:
        known = values.dropna()
        return len(known), known.mean(), known.min(), known.max()

    return _summarised(table, by, quantities, row, ("smallest", "largest"))


def _summarised(
    table: pd.DataFrame,
    by: Sequence[str],
    quantities: Sequence[str],
    row: Callable[[pd.Series], tuple[float, ...]],
    ends: tuple[str, str],
) -> pd.DataFrame:
    """A row for each group and quantity: what `row` makes of its values over seeds (number, mean, both `ends`)."""
    rows = [
        (*names, quantity, *row(group[quantity]))
        for names, group in table.groupby(list(by), sort=False, dropna=False)
        for quantity in quantities
    ]
    return pd.DataFrame(rows, columns=[*by, "quantity", "seeds", "mean", *ends])


def whole_seeds(keys: Iterable[tuple[str, int]]) -> tuple[list[str], list[int]]:
    """The first seed's targets, and the seeds that have them all: over others, means over targets are no replicates.

    Args:
        keys: targets and seeds for which there is a number, seed after seed.
    """
    found = list(keys)
    targets = [target for target, seed in found if seed == found[0][1]]
    seeds = dict.fromkeys(seed for _, seed in found)
    return targets, [seed for seed in seeds if all((target, seed) in found for target in targets)]


def verdict(difference: Mean) -> str:
    """``higher``, ``lower``, or ``undecided``: the interval over seeds holds 0, or one seed has none."""
    if not difference.decided:
        return "undecided"
    return "higher" if difference.value > 0 else "lower"


def in_words(mean: Mean, form: str) -> str:
    """``+1.2 [+0.4, +2.0]``: the mean, with its interval where it has one; n/a without a number."""
    if np.isnan(mean.value):
        return NONE
    ends = f" [{mean.low:{form}}, {mean.high:{form}}]" if mean.known else ""
    return f"{mean.value:{form}}{ends}"
