"""Tables that are too long to read: one CSV file."""

import csv
import json
from pathlib import Path

import pandas as pd

from landscape.figures.machinery.product import Product
from landscape.figures.machinery.publish import publish


def test_a_long_table_is_written_as_csv_only(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["a", "b"], "x": [0.1234567891, float("nan")]})
    product = Product("", "", tables={"": table}, long={"curves": table})
    written = publish(product, tmp_path / "item", formats=(), title="A title", about={"command": "make it"})
    assert [path.name for path in written] == ["item.csv", "item.tex", "item.md", "item-curves.csv"]
    assert (tmp_path / "item.csv").read_text() == (tmp_path / "item-curves.csv").read_text()
    said, *lines = (tmp_path / "item-curves.csv").read_text().splitlines()
    assert json.loads(said.removeprefix("# ")) == {"title": "A title", "command": "make it"}
    assert list(csv.DictReader(lines)) == [{"name": "a", "x": "0.123457"}, {"name": "b", "x": ""}]
