"""What the figures contain, found in the figure itself."""

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from landscape.errors import InputError
from landscape.plots import theme
from landscape.plots.fig6 import caption, plot_fig6_row
from landscape.plots.levels import Levels, loss_levels
from landscape.plots.surface import plot_surface
from landscape.surface.surface import Surface

mpl.use("Agg")


def axes_of(figure: Figure) -> list:
    return list(figure.axes)


@pytest.fixture
def row(surface: Surface) -> Figure:
    return plot_fig6_row(surface, figure=Figure(), note="One seed; the target was chosen after results were seen.")


def test_three_panels_with_the_same_ranges(surface, row) -> None:
    titles = [ax.get_title() for ax in axes_of(row)]
    assert titles == ["(a) ERM train loss", "(b) FGMix train loss", "(c) test accuracy, sketch"]
    for ax in axes_of(row):
        assert ax.get_xlim() == (surface.x[0], surface.x[-1])
        assert ax.get_ylim() == (surface.y[0], surface.y[-1])


def test_the_losses_share_levels_and_the_accuracy_has_its_own(row) -> None:
    first, second, third = (ax.collections[0] for ax in axes_of(row))
    np.testing.assert_array_equal(first.levels, second.levels)
    np.testing.assert_allclose(np.diff(first.levels), np.diff(first.levels)[0])
    assert first.get_cmap().name == second.get_cmap().name == theme.LOSS_MAP
    assert third.get_cmap().name == theme.ACCURACY_MAP
    assert third.levels.max() <= 1


def test_one_colour_bar_for_both_losses(row) -> None:
    bars = [child.get_ylabel() for ax in axes_of(row) for child in ax.child_axes]
    assert bars == ["loss (nat)", "accuracy"]


def test_what_lies_above_the_cap_has_its_own_colour(surface, row) -> None:
    filled = axes_of(row)[0].collections[0]
    highest = max(mark.true["train_loss"] for mark in surface.anchors)
    assert highest < filled.levels[-1] < surface.panel("train_loss").values.max()
    assert filled.extend == "max"
    assert mpl.colors.to_hex(filled.get_cmap().get_over()) == theme.BEYOND.lower()


def test_each_loss_carries_its_own_paths_and_the_accuracy_all(surface, row) -> None:
    drawn = [[line.get_label() for line in ax.lines if not line.get_label().startswith("_")] for ax in axes_of(row)]
    assert drawn == [
        ["ERM", "ERM + SWA"],
        ["FGMix", "FGMix + SWA"],
        ["ERM", "ERM + SWA", "FGMix", "FGMix + SWA"],
    ]
    (thin, thick) = (line for line in axes_of(row)[0].lines if not line.get_label().startswith("_"))
    assert thick.get_linewidth() > thin.get_linewidth()
    np.testing.assert_array_equal(thin.get_xdata(), surface.trajectories[0].x)


def test_anchors_are_named_in_every_panel(row) -> None:
    for ax in axes_of(row):
        assert {"w1", "w2", "w3"} <= {text.get_text() for text in ax.texts}


def test_the_legend_lies_outside_the_data_and_nothing_is_cut_off(row) -> None:
    canvas = FigureCanvasAgg(row)
    canvas.draw()
    renderer = canvas.get_renderer()
    (legend,) = row.legends
    box = legend.get_window_extent(renderer)
    for ax in axes_of(row):
        assert not box.overlaps(ax.get_tightbbox(renderer, for_layout_only=False))
    (words,) = row.texts
    assert not box.overlaps(words.get_window_extent(renderer))
    inside = row.bbox
    for artist in (legend, words, *axes_of(row)):
        extent = artist.get_tightbbox(renderer)
        assert extent.x0 >= inside.x0
        assert extent.x1 <= inside.x1
        assert extent.y0 >= inside.y0
        assert extent.y1 <= inside.y1


def test_type_is_at_least_seven_points_on_the_page(row) -> None:
    assert row.get_figwidth() == theme.PAGE
    FigureCanvasAgg(row).draw()
    assert min(text.get_fontsize() for text in row.findobj(Text) if text.get_text().strip()) >= 7


def test_the_caption_owes_the_reader(surface) -> None:
    text = caption(surface, levels=loss_levels(surface, ["train_loss"]), note="A note.")
    for words in (
        "target sketch",
        "sources photo, clipart, cartoon",
        "efficientnet_lite0, 64 px",
        "seed 0, one seed",
        "1,075 training images",
        "1,041 mixup codes",
        "347 target images",
        "7 x 7 measured points",
        "contours every",
        "w2 ERM + SWA, step 160",
        "off the plane",
        "at its projection",
        "A note.",
    ):
        assert words in text, words


def test_without_mixup_codes_there_are_two_panels(surface_without_mixup) -> None:
    row = plot_fig6_row(surface_without_mixup, figure=Figure())
    assert [ax.get_title() for ax in axes_of(row)] == ["(a) train loss", "(b) test accuracy, sketch"]
    assert len([line for line in axes_of(row)[0].lines if not line.get_label().startswith("_")]) == 4


def test_missing_cells_are_hatched_and_explained(surface) -> None:
    surface.values["train_loss"].values[0, :3] = np.nan
    ax = plot_surface(surface, "train_loss", Figure().add_subplot())
    assert any(patch.get_hatch() for patch in ax.patches)
    points = next(line for line in ax.lines if line.get_label() == "_points")
    assert len(points.get_xdata()) == 49 - 3
    assert "Hatched: not evaluated." in caption(surface)
    for metric in surface.panels:
        surface.values[metric].values[...] = np.nan
    with pytest.raises(InputError, match="nothing has been evaluated"):
        plot_surface(surface, "train_loss", Figure().add_subplot())


def test_an_infinite_loss_is_above_the_cap_and_not_missing(surface) -> None:
    surface.values["train_loss"].values[0, 0] = np.inf
    ax = plot_surface(surface, "train_loss", Figure().add_subplot())
    assert not any(patch.get_hatch() for patch in ax.patches)
    assert ax.collections[0].extend == "max"


def test_one_domains_panel(surface) -> None:
    ax = plot_surface(surface, "accuracy", domain="clipart", split="out", points=False, paths=())
    assert ax.get_title() == "accuracy, clipart (out)"
    assert [line for line in ax.lines if not line.get_label().startswith("_")] == []
    mpl.pyplot.close(ax.figure)


def test_given_axes_are_used_and_axes_returned(surface) -> None:
    ax = Figure().add_subplot()
    assert plot_surface(surface, ax=ax, title="mine") is ax
    assert ax.get_title() == "mine"


def test_a_notebooks_plot_is_a_figure(surface) -> None:
    figure = surface.plot()
    assert len(figure.axes) == 3
    mpl.pyplot.close(figure)


def test_distances_are_drawn_to_scale_where_that_can_be_read(surface) -> None:
    assert plot_surface(surface, ax=Figure().add_subplot()).get_aspect() == 1.0
    flat = replace(surface, values=surface.values.assign_coords(y=surface.y / 10))
    assert plot_surface(flat, ax=Figure().add_subplot()).get_aspect() == "auto"
    assert "not to the same scale" in caption(flat)
    assert "not to the same scale" not in caption(surface)


@settings(deadline=None)
@given(
    low=st.floats(1e-6, 10),
    spread=st.floats(1e-6, 1e4),
    reference=st.none() | st.floats(1e-6, 1e4),
    count=st.integers(4, 20),
)
def test_levels_are_even_and_hold_the_basin(low, spread, reference, count) -> None:
    values = low + spread * np.linspace(0, 1, 50) ** 3
    levels = Levels.of(values, reference=reference, count=count)
    np.testing.assert_allclose(np.diff(levels.values), levels.step, rtol=1e-6)
    assert 2 <= len(levels.values) <= 2.6 * count + 3
    assert levels.values[0] <= values.min() * (1 + 1e-9)
    if reference is None:
        assert not levels.capped
    top = values.max() if reference is None else min(values.max(), reference)
    assert levels.values[-1] >= top * (1 - 1e-9)
    assert levels.capped == bool(values.max() > levels.values[-1] * (1 + 1e-9))
