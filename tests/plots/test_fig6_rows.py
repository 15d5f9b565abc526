"""Figure 6 with a row for each target, the panels of the domains, and the map of conflict: what was drawn."""

from dataclasses import replace
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from landscape.plots import theme
from landscape.plots.conflict import plot_conflict, plot_conflict_figure
from landscape.plots.domains import plot_domain_surfaces
from landscape.plots.fig6 import plot_fig6
from landscape.plots.shift import plot_shift
from landscape.surface.conflict import ConflictMap
from landscape.surface.shift import domain_lowest
from landscape.surface.surface import Surface

mpl.use("Agg")


@pytest.fixture
def other(surface: Surface) -> Surface:
    """Another target: higher losses on another range."""
    values = surface.values.copy(deep=True).assign_coords(x=2 * surface.x, y=2 * surface.y)
    for name in ("train_loss", "fgmix_train_loss"):
        values[name] = 3 * values[name]
    return replace(surface, values=values, about={**surface.about, "target": "photo"})


@pytest.fixture
def conflict(surface: Surface) -> ConflictMap:
    x, y = np.linspace(0, 2, 5), np.linspace(0, 1, 4)
    domains = ("photo", "clipart", "cartoon")
    cosine = np.stack([np.add.outer(y, k - x) / 4 for k in range(3)])
    whole = np.ones((3, 4, 5))
    return ConflictMap(x, y, domains, tuple(combinations(domains, 2)), cosine, whole, 0.9 * whole)


def check_text(figure: Figure) -> None:
    FigureCanvasAgg(figure).draw()
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 6.5
    width, height = figure.get_size_inches()
    assert width in (theme.COLUMN, theme.PAGE)
    assert height <= 9.0


def test_a_row_for_each_target_with_its_own_ranges_and_levels(surface, other) -> None:
    figure = plot_fig6([surface, other], figure=Figure())
    rows = np.array(figure.axes).reshape(2, 3)
    for axes, drawn in zip(rows, (surface, other), strict=True):
        for ax in axes:
            assert ax.get_xlim() == (drawn.x[0], drawn.x[-1])
            assert ax.get_ylim() == (drawn.y[0], drawn.y[-1])
        first, second, third = (ax.collections[0] for ax in axes)
        np.testing.assert_array_equal(first.levels, second.levels)
        steps = np.diff(first.levels)
        np.testing.assert_allclose(steps, steps[0])
        assert third.levels.max() <= 1
        assert axes[0].get_ylabel().startswith(f"target {drawn.about['target']}")
    assert rows[0, 0].collections[0].levels[-1] < rows[1, 0].collections[0].levels[-1]
    assert [ax.get_title() for ax in rows[0]] == ["ERM train loss", "FGMix train loss", "test accuracy"]
    assert not any(ax.get_title() for ax in rows[1])
    check_text(figure)


def test_each_loss_has_the_paths_of_its_own_algorithm_and_the_accuracy_all(surface) -> None:
    figure = plot_fig6([surface], figure=Figure())
    names = [{line.get_label() for line in ax.lines if not str(line.get_label()).startswith("_")} for ax in figure.axes]
    assert names == [{"ERM", "ERM + SWA"}, {"FGMix", "FGMix + SWA"}, {"ERM", "ERM + SWA", "FGMix", "FGMix + SWA"}]


@pytest.mark.parametrize("count", [1, 4, 6])
def test_any_number_of_targets_fits_the_page(surface, count) -> None:
    tall = replace(surface, values=surface.values.assign_coords(y=1.5 * surface.y))
    check_text(plot_fig6([tall] * count, figure=Figure()))


def test_names_of_anchors_keep_off_the_ends_of_paths(surface) -> None:
    figure = plot_fig6([surface], figure=Figure())
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    names = {mark.label for mark in surface.anchors}
    for ax in figure.axes:
        ends = [line.get_xydata()[-1] for line in ax.lines if not str(line.get_label()).startswith("_")]
        labels = [text for text in ax.texts if text.get_text() in names]
        assert len(labels) == len(names)
        for label in labels:
            box = label.get_window_extent(canvas.get_renderer())
            assert not [end for end in ax.transData.transform(ends) if box.contains(*end)]


def test_without_mixup_there_is_no_middle_panel(surface, surface_without_mixup) -> None:
    assert len(plot_fig6([surface_without_mixup], figure=Figure()).axes) == 2
    mixed = plot_fig6([surface, surface_without_mixup], figure=Figure())
    assert [ax.axison for ax in mixed.axes] == [True] * 4 + [False, True]


def test_a_panel_for_each_domain_with_shared_levels_and_every_minimum(surface) -> None:
    minima = domain_lowest(surface)
    figure = plot_domain_surfaces(surface, minima, figure=Figure())
    assert [ax.get_title().split(" ")[0] for ax in figure.axes] == list(minima)
    levels = [ax.collections[0].levels for ax in figure.axes]
    assert all(np.array_equal(levels[0], each) for each in levels[1:])
    colours = theme.domain_colours([str(name) for name in surface.values["domain"].values])
    for ax, own in zip(figure.axes, minima, strict=True):
        marks = [line for line in ax.lines if line.get_label() == "_lowest"]
        assert len(marks) == len(minima)
        assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in marks] == [(m.x, m.y) for m in minima.values()]
        (star,) = [line for line in marks if line.get_marker() == "*"]
        assert star.get_color() == colours[own]
    check_text(figure)


def test_colours_of_conflict_are_centred_at_zero(conflict, surface) -> None:
    ax = plot_conflict(conflict, surface, Figure().add_subplot())
    filled = ax.collections[0]
    np.testing.assert_allclose(filled.levels, -filled.levels[::-1], atol=1e-12)
    assert filled.norm.vmin == -filled.norm.vmax
    assert filled.levels[-1] >= np.abs(conflict.mean).max()
    zero = ax.collections[1]
    np.testing.assert_array_equal(zero.levels, [0.0])
    assert {"ERM", "ERM + SWA", "FGMix", "FGMix + SWA"} <= {line.get_label() for line in ax.lines}
    check_text(plot_conflict_figure(conflict, surface, figure=Figure()))


def test_a_point_without_a_cosine_is_left_blank(conflict) -> None:
    cosine = conflict.cosine.copy()
    cosine[:, 0, 0] = np.nan
    ax = plot_conflict(replace(conflict, cosine=cosine), ax=Figure().add_subplot())
    (points,) = [line for line in ax.lines if line.get_label() == "_points"]
    assert len(points.get_xdata()) == cosine[0].size - 1
    everything = replace(conflict, cosine=np.full_like(cosine, np.nan))
    plot_conflict(everything, ax=Figure().add_subplot())


def shifts(seeds: int) -> pd.DataFrame:
    rows = [
        (target, seed, 0.5 + k, 0.2 + 0.1 * seed, 0.1, bool(k), False)
        for seed in range(seeds)
        for k, target in enumerate(("photo", "sketch"))
    ]
    names = ["target", "seed", "to_loss", "to_accuracy", "grid_error", "loss_at_edge", "train_at_edge"]
    return pd.DataFrame(rows, columns=names)


def test_distances_with_what_the_grid_leaves_open() -> None:
    (ax,) = plot_shift(shifts(1), figure=Figure()).axes
    assert [text.get_text() for text in ax.get_yticklabels()] == ["photo", "sketch"]
    assert [line.get_xdata()[0] for line in ax.lines if line.get_label() == "photo"] == [0.5, 0.2]
    bars = [tuple(line.get_xdata()) for line in ax.lines if line.get_label() == "_grid"]
    assert bars[0] == pytest.approx((0.4, 0.6))
    # A minimum on the border of the grid is open.
    fills = {line.get_label(): line.get_markerfacecolor() for line in ax.lines if line.get_marker() == "o"}
    assert (fills["photo"], fills["sketch"]) == (theme.VERMILLION, "white")
    assert not [line for line in ax.lines if line.get_label() == "_mean"]


def test_means_over_seeds_have_their_intervals() -> None:
    columns = ["target", "quantity", "mean", "low", "high"]
    rows = [(target, name, 0.5, 0.3, 0.7) for target in ("photo", "sketch") for name in ("to_loss", "to_accuracy")]
    figure = plot_shift(shifts(3), pd.DataFrame(rows, columns=columns), figure=Figure())
    (ax,) = figure.axes
    assert len([line for line in ax.lines if line.get_label() == "photo"]) == 6
    bars = [tuple(line.get_xdata()) for line in ax.lines if line.get_label() == "_mean" and len(line.get_xdata()) == 2]
    assert bars == [(0.3, 0.7)] * 4
    check_text(figure)
