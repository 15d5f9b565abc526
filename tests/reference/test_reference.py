"""The published tables: complete, and consistent where the papers are."""

from typing import get_args

import pytest

from landscape import reference
from landscape.errors import InputError

ROWS = {
    "fgmix_results": 680,
    "fgmix_ablation": 70,
    "fgmix_sensitivity": 16,
    "fgmix_toy": 45,
    "dge_results": 358,
    "dge_ablation": 86,
}


@pytest.mark.parametrize("name", get_args(reference.Table))
def test_every_table_is_whole(name: reference.Table) -> None:
    table = reference.read(name)
    assert len(table) == ROWS[name]
    assert not table.duplicated().any()


def test_averages_of_the_ablation_agree_with_their_columns() -> None:
    table = reference.read("fgmix_ablation").pivot(index=["dataset", "variant"], columns="target_domain", values="mean")
    assert len(table) == 14
    assert (table.drop(columns="Avg").mean(axis=1) - table["Avg"]).abs().max() < 0.0501


def test_averages_of_the_results_agree_but_for_the_known_ones() -> None:
    table = reference.read("fgmix_results")
    cells = table[table.table.str.startswith("C.1")].pivot(
        index=["dataset", "algorithm", "swa"], columns="target_domain", values="mean"
    )
    cells = cells[cells.drop(columns="Avg").notna().any(axis=1)]
    off = (cells.drop(columns="Avg").mean(axis=1) - cells["Avg"]).abs()
    assert {(d, a) for d, a, _ in off.index[off > 0.0501]} == {("OfficeHome", "PCGrad"), ("PACS", "Manifold Mixup")}


def test_the_single_source_averages_agree_but_for_the_known_one() -> None:
    table = reference.read("dge_results")
    cells = table[table.setting == "SDG"].pivot(index=["table", "method"], columns="source_or_avg", values="value")
    off = (cells.drop(columns="Avg").mean(axis=1) - cells["Avg"]).abs()
    assert list(off.index[off > 0.011]) == [("Table 4", "DGE")]
    assert off["Table 4", "DGE"] == pytest.approx(2.0)


def test_only_fish_has_empty_cells() -> None:
    table = reference.read("fgmix_results")
    assert set(table[table["mean"].isna()].algorithm) == {"Fish"}


def test_printed_digits_and_levels_stay_text() -> None:
    toy = reference.read("fgmix_toy")
    assert "1.0" in set(toy.paper_value)
    assert toy.paper_value.isna().sum() == 45 - 28
    assert "1/0" in set(reference.read("dge_ablation").level)


def test_an_unknown_table_is_named() -> None:
    with pytest.raises(InputError, match="Did you mean 'fgmix_results'"):
        reference.read("fgmix_result")  # type: ignore[arg-type]
