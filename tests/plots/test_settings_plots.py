"""Heat maps, curves over lambda, rows by method and by kind of weights: what is drawn, and where."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from landscape.plots import theme
from landscape.plots.invariance import plot_auc
from landscape.plots.selection import Row, plot_by_method, plot_checkpoints
from landscape.plots.sensitivity import plot_grid, plot_grids, plot_scaling


def test_a_heat_map_writes_its_numbers_and_leaves_gaps_white() -> None:
    grid = pd.DataFrame([[41.0, 42.5], [np.nan, 40.0]], index=[1.0, 3.0], columns=[0.01, 0.1])
    ax = plot_grid(grid, title="shapes")
    assert [text.get_text() for text in ax.texts] == ["41.0", "42.5", "40.0"]
    assert [text.get_position() for text in ax.texts] == [(0.5, 0.5), (1.5, 0.5), (1.5, 1.5)]
    (cells,) = ax.collections
    assert np.ma.getmaskarray(cells.get_array()).tolist() == [[False, False], [True, False]]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0.01", "0.1"]
    assert ax.get_title() == "shapes"


def test_every_grid_has_its_own_colours() -> None:
    low, high = (pd.DataFrame([[a, a + 1]], index=[1.0], columns=[0.1, 0.3]) for a in (10.0, 80.0))
    figure = plot_grids({"ours": low, "paper": high})
    assert [ax.collections[0].get_clim() for ax in figure.axes] == [(10, 11), (80, 81)]
    assert figure.get_size_inches()[0] == theme.PAGE


def test_lines_over_lambda_skip_what_was_not_trained() -> None:
    names = ("accuracy", "rise, original", "rise, own")
    values = {name: np.arange(12.0).reshape(2, 3, 2) for name in names}
    values["accuracy"][0, 1] = np.nan
    values["accuracy"][1, 2, 1] = np.nan
    figure = plot_scaling(values, (1.0, 3.0, 8.0), {"d": "without", "e0": "with"})
    first = figure.axes[0]
    lines = [line for line in first.lines if line.get_linestyle() == "-"]
    assert lines[0].get_xdata().tolist() == [1, 8]
    assert lines[0].get_ydata().tolist() == [0.5, 4.5]
    assert lines[1].get_ydata().tolist() == [6.5, 8.5, 10]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["without", "with"]


def test_rows_by_method_colour_targets_and_draw_the_interval() -> None:
    rows = {"erm": Row(np.array([1.0, 2.0]), 1.5, 0.5, 2.5), "fgmix": Row(np.array([3.0, 4.0]), 3.5)}
    ax = plot_by_method(rows, ("photo", "sketch"), shift=0.1)
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [float(line.get_xdata()[0]) for line in dots] == [1, 2, 3, 4]
    colours = theme.domain_colours(("photo", "sketch"))
    assert [line.get_markeredgecolor() for line in dots] == [colours["photo"], colours["sketch"]] * 2
    spans = [line.get_xdata() for line in ax.lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 2]
    assert [0.5, 2.5] in [list(span) for span in spans]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["ERM", "FGMix"]


def test_checkpoints_are_filled_raw_and_open_averaged() -> None:
    points = np.array([[0.5, 0.6], [0.55, 0.65]])
    ax = plot_checkpoints({"ERM": (points, points / 2)})
    raw, swa = ax.lines
    assert raw.get_ydata() == pytest.approx([25, 30])
    assert swa.get_markerfacecolor() == "white" != raw.get_markerfacecolor()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["ERM", "ERM + SWA"]


def test_auc_rows_show_every_seed_and_chance() -> None:
    table = pd.DataFrame({"weights": ["a", "a", "b", "b", "c", "c", "d", "d"], "within": np.linspace(0.1, 0.8, 8)})
    mean = SimpleNamespace(value=0.5, low=0.4, high=0.6)
    kinds = dict.fromkeys("abcd", "words")
    ax = plot_auc(table, "within", dict.fromkeys("abcd", mean), kinds)
    assert [len(dots.get_offsets()) for dots in ax.collections] == [2] * 4
    values = [float(x) for dots in ax.collections for x, _ in dots.get_offsets()]
    assert values == pytest.approx(np.linspace(0.1, 0.8, 8))
    assert ax.get_xlim() == (0, 1)
    assert any(list(line.get_xdata()) == [0.5, 0.5] for line in ax.lines)
