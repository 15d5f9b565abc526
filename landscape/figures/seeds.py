"""Means over trial seeds as a table, and what an interval of a difference decides."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from landscape.figures.interval import Mean

if TYPE_CHECKING:
    import pandas as pd


def over_seeds(table: "pd.DataFrame", by: Sequence[str], quantities: Sequence[str]) -> "pd.DataFrame":
    """One row for each group and quantity: number of seeds, mean, and the ends of its 95 % t-interval over seeds.

    Args:
        table: one row for each group and seed.
        by: columns that name a group.
        quantities: columns to average.
    """
    import pandas as pd

    rows = []
    for names, group in table.groupby(list(by), sort=False, dropna=False):
        for quantity in quantities:
            mean = Mean.of(group[quantity].to_numpy(dtype=np.float64))
            rows.append((*names, quantity, mean.n, mean.value, mean.low, mean.high))
    return pd.DataFrame(rows, columns=[*by, "quantity", "seeds", "mean", "low", "high"])


def verdict(difference: Mean) -> str:
    """``higher``, ``lower``, or ``undecided``: the interval over seeds holds 0, or one seed has none."""
    if not difference.decided:
        return "undecided"
    return "higher" if difference.value > 0 else "lower"
