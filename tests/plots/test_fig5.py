"""What figure 5 contains: columns, rows, directions, shared axes; and curvature beside the curves."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy import stats

from landscape.flatness import Curvature, CurvaturePath, Flatness, FlatnessCurve
from landscape.flatness.path import PathPoint
from landscape.flatness.pooling import pooled
from landscape.plots import theme
from landscape.plots.curvature import plot_curvature_panels
from landscape.plots.fig5 import clipped, plot_fig5

GAMMA = np.array([0.0, 1.0, 2.0])
METHODS, TARGETS = ("ERM", "A", "FGMix"), ("photo", "sketch")
LOSSES = ("original", "own", "shared")


def flatness_of(scale: float) -> Flatness:
    curves = []
    for index, method in enumerate(METHODS, start=1):
        rng = np.random.default_rng(index)
        samples = scale * index * rng.normal(0.5, 0.2, (3, 1, 12)) * GAMMA[:, None]
        curves.append(FlatnessCurve(method, GAMMA, LOSSES, samples, np.ones(3)))
    return Flatness(tuple(curves))


@pytest.fixture
def flatness() -> dict[str, Flatness]:
    return {target: flatness_of(scale) for scale, target in enumerate(TARGETS, start=1)}


@pytest.fixture
def figure(flatness: dict[str, Flatness]) -> Figure:
    together = [pooled([each.curves[k] for each in flatness.values()]) for k in range(len(METHODS))]
    return plot_fig5(flatness, together, figure=Figure())


def lines(ax, label: str) -> list:
    return [line for line in ax.lines if line.get_label() == label]


def test_a_column_for_each_target_and_one_for_all_in_two_rows(figure, flatness) -> None:
    rows = np.array(figure.axes[:6]).reshape(2, 3)
    for axes in rows:
        assert [ax.get_title() for ax in axes] == [*TARGETS, "combined"]
    titles = [part._suptitle.get_text() for part in figure.subfigs]
    assert titles[0].startswith("different losses")
    assert titles[1].startswith("same losses for every method")
    limits = {ax.get_ylim() for ax in figure.axes[:6]}
    assert len(limits) == 1
    for ax, target in zip(rows[0], TARGETS, strict=False):
        for curve in flatness[target].curves:
            (line,) = lines(ax, curve.method)
            np.testing.assert_array_equal(line.get_ydata(), curve.mean("squared", "own"))
            assert line.get_color() == theme.method_colour(curve.method)


def test_every_direction_of_every_method_is_drawn_faintly(figure, flatness) -> None:
    for ax in figure.axes[:6]:
        faint = lines(ax, "_direction")
        assert len(faint) == 12 * len(METHODS)
        assert all(line.get_alpha() < 0.5 and line.get_linewidth() < 0.5 for line in faint)
    drawn = np.array([line.get_ydata() for line in lines(figure.axes[0], "_direction")[:12]])
    np.testing.assert_array_equal(drawn.T, flatness["photo"].curves[0].values("squared", "own"))


def test_the_fair_row_has_the_shared_loss_and_the_images_alone(figure, flatness) -> None:
    solid, dashed = lines(figure.axes[3], "ERM")
    curve = flatness["photo"].curves[0]
    np.testing.assert_array_equal(solid.get_ydata(), curve.mean("squared", "shared"))
    np.testing.assert_array_equal(dashed.get_ydata(), curve.mean("squared", "original"))
    assert (solid.get_linestyle(), dashed.get_linestyle()) == ("-", "--")


def test_the_last_row_shows_paired_differences_on_the_shared_loss(figure, flatness) -> None:
    bars = figure.axes[6].containers
    erm, *others = flatness["photo"].curves
    assert [bar.get_label() for bar in bars] == [curve.method for curve in others]
    for bar, curve in zip(bars, others, strict=True):
        change = (curve.values("squared", "shared") - erm.values("squared", "shared"))[1:]  # at 0 there is none
        np.testing.assert_allclose(bar[0].get_ydata(), change.mean(axis=1))
        low, high = stats.t.interval(0.95, change.shape[1] - 1, change.mean(axis=1), stats.sem(change, axis=1))
        drawn = np.array(bar[2][0].get_segments())[:, :, 1]
        np.testing.assert_allclose(drawn, np.stack([low, high], axis=1))


def test_the_combined_panel_is_the_mean_over_targets(figure, flatness) -> None:
    (line,) = lines(figure.axes[2], "FGMix")
    means = [each.curves[2].mean("squared", "own") for each in flatness.values()]
    np.testing.assert_allclose(line.get_ydata(), np.mean(means, axis=0))


def test_text_and_size_fit_the_page(figure, flatness) -> None:
    FigureCanvasAgg(figure).draw()
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 6.5
    assert figure.get_size_inches()[0] == theme.PAGE
    alone = plot_fig5({"photo": flatness["photo"]}, figure=Figure())
    assert (len(alone.axes), alone.get_size_inches()[0]) == (3, theme.COLUMN)


def test_a_direction_that_leaves_the_panels_is_counted(flatness) -> None:
    first, *others = (
        replace(curve, samples=np.repeat(curve.samples, 20, axis=2)) for curve in flatness["photo"].curves
    )
    wild = first.samples.copy()
    wild[:, :, 0] = 1e3 * GAMMA
    # One direction in either row; the interval of its mean makes room for all the others.
    lines_of_both = 2 * len(METHODS) * wild.shape[2]
    assert clipped({"photo": Flatness((replace(first, samples=wild), *others))}) == (2, lines_of_both)


def test_curvature_and_curves_stand_beside_each_other(flatness) -> None:
    points = [
        PathPoint(
            name,
            step,
            "run",
            Curvature(
                np.array([k + step / 10]),
                np.zeros(1),
                np.nan,
                10.0 * k,
                0.5,
                np.empty((2, 0)),
                "hessian",
                "full",
                9,
                4,
                "dense",
            ),
        )
        for k, name in enumerate(("ERM", "FGMix"), start=1)
        for step in (10, 20, 30)
    ]
    figure = plot_curvature_panels(CurvaturePath(tuple(points)), flatness["photo"], figure=Figure())
    top, trace, curves = figure.axes
    (line,) = lines(top, "ERM")
    np.testing.assert_allclose(line.get_ydata(), [2.0, 3.0, 4.0])
    assert len(trace.containers) == 2
    np.testing.assert_array_equal(lines(curves, "FGMix")[0].get_ydata(), flatness["photo"].curves[2].mean("squared"))
    FigureCanvasAgg(figure).draw()
