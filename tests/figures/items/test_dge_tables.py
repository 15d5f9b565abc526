"""The DGE paper's tables: every printed cell, the known anomalies, and our row that waits."""

import pandas as pd
import pytest

from landscape.figures.items import dge_tables
from landscape.figures.machinery.study import Study
from landscape.reference import read


@pytest.mark.parametrize("number", range(1, 10))
def test_every_printed_cell_is_there_once(number: int, study: Study) -> None:
    product = getattr(dge_tables, f"table{number}")(study)
    source = read("dge_results" if number < 6 else "dge_ablation")
    printed = sorted(f"{value:.2f}" for value in source[source["table"] == f"Table {number}"]["value"])
    table = product.tables[""]
    cells = [cell for name in table for cell in table[name] if pd.notna(cell) and str(cell).count(".") == 1]
    assert sorted(str(cell) for cell in cells) == printed
    ours, words = (dge_tables.WAITS, "waits") if number < 6 else (dge_tables.NOT_MADE, "not implemented yet")
    assert (table == ours).any(axis=None)
    assert any(words in note for note in product.notes)


def test_the_average_of_table_4_is_not_that_of_its_columns(study: Study) -> None:
    ranking = dge_tables.recomputed(4).set_index("method")
    assert ranking.loc["DGE", "Avg"] == 27.75
    assert ranking.loc["DGE", "columns"] == pytest.approx(25.75)
    assert (ranking["columns"] > 25.75 + 1e-9).sum() == 2
    product = dge_tables.table4(study)
    assert "ranks first of 13 methods; by the mean of its own columns, 25.75, third" in product.finding
    assert any("Do not use it as a target" in note for note in product.notes)


def test_rows_that_repeat_another_are_named(study: Study) -> None:
    assert any("SagNet" in note for note in dge_tables.table3(study).notes)
    table = dge_tables.table4(study).tables[""].set_index("method")
    assert (table.loc["RandConv"] == table.loc["Baseline"]).all()
    assert any("RandConv" in note for note in dge_tables.table4(study).notes)
