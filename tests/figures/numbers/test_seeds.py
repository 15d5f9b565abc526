"""Means over seeds as a table, and which seeds are whole."""

import pandas as pd

from landscape.figures.numbers.seeds import range_over_seeds, whole_seeds


def test_whole_seeds_have_all_targets_of_the_first() -> None:
    assert whole_seeds([("a", 0), ("b", 0), ("a", 1), ("a", 2), ("b", 2), ("c", 2)]) == (["a", "b"], [0, 2])


def test_a_range_over_seeds_ignores_what_is_missing() -> None:
    table = pd.DataFrame({"target": ["a"] * 3 + ["b"], "x": [0.1, float("nan"), 0.5, 0.2]})
    rows = range_over_seeds(table, ["target"], ["x"]).set_index("target")
    assert rows.loc["a", ["seeds", "mean", "smallest", "largest"]].tolist() == [2, 0.3, 0.1, 0.5]
    assert rows.loc["b", ["seeds", "mean", "smallest", "largest"]].tolist() == [1, 0.2, 0.2, 0.2]
