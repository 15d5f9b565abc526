"""Tables that are too long to read: one CSV file, and the helpers over seeds."""

import csv
import json
from pathlib import Path

import pandas as pd

from landscape.figures.machinery.product import Product
from landscape.figures.machinery.publish import publish
from landscape.figures.numbers.seeds import range_over_seeds, whole_seeds


def test_a_long_table_is_written_as_csv_only(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["a", "b"], "x": [0.1234567891, float("nan")]})
    product = Product("", "", tables={"": table}, long={"curves": table})
    written = publish(product, tmp_path / "item", formats=(), title="A title", about={"command": "make it"})
    assert [path.name for path in written] == ["item.csv", "item.tex", "item.md", "item-curves.csv"]
    assert (tmp_path / "item.csv").read_text() == (tmp_path / "item-curves.csv").read_text()
    said, *lines = (tmp_path / "item-curves.csv").read_text().splitlines()
    assert json.loads(said.removeprefix("# ")) == {"title": "A title", "command": "make it"}
    assert list(csv.DictReader(lines)) == [{"name": "a", "x": "0.123457"}, {"name": "b", "x": ""}]


def test_whole_seeds_have_all_targets_of_the_first() -> None:
    assert whole_seeds([("a", 0), ("b", 0), ("a", 1), ("a", 2), ("b", 2), ("c", 2)]) == (["a", "b"], [0, 2])


def test_a_range_over_seeds_ignores_what_is_missing() -> None:
    table = pd.DataFrame({"target": ["a"] * 3 + ["b"], "x": [0.1, float("nan"), 0.5, 0.2]})
    rows = range_over_seeds(table, ["target"], ["x"]).set_index("target")
    assert rows.loc["a", ["seeds", "mean", "smallest", "largest"]].tolist() == [2, 0.3, 0.1, 0.5]
    assert rows.loc["b", ["seeds", "mean", "smallest", "largest"]].tolist() == [1, 0.2, 0.2, 0.2]
