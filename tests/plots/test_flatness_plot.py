"""What the figures of flatness and curvature contain, found in the figures themselves."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from landscape.errors import InputError
from landscape.flatness import Curvature, CurvaturePath, Flatness, FlatnessCurve
from landscape.flatness.path import PathPoint
from landscape.plots import theme
from landscape.plots.curvature import plot_curvature
from landscape.plots.flatness import method_colours, plot_curve, plot_flatness

GAMMA = np.array([0.0, 1.0, 2.0, 3.0])
LOSSES = ("original", "own", "shared")


def curve_of(method: str, steep: float, *, scope: str = "full", losses: tuple[str, ...] = LOSSES) -> FlatnessCurve:
    slopes = np.random.default_rng(0).normal(0, 0.1, (len(losses), 1, 20))
    samples = slopes * GAMMA[:, None] + steep * GAMMA[:, None] ** 2 * (1 + slopes)
    return FlatnessCurve(method, GAMMA, losses, samples, np.full(len(losses), 0.4), scope, {"norm": 12.3})


ABOUT = {
    "data": "sixstyles",
    "target": "sketch",
    "sources": ["photo", "clipart", "cartoon"],
    "model": "efficientnet_lite0",
    "image_size": 64,
    "seeds": [0],
    "n": {"train": 1154, "used": 300},
    "shared": {"policy": "run/step-000160.safetensors", "algorithm": "fgmix", "codes": 290, "extrapolated": 0.2},
}


@pytest.fixture
def flatness() -> Flatness:
    curves = [
        curve_of(name, steep, scope=scope)
        for scope in ("full", "classifier")
        for name, steep in (("ERM", 0.3), ("A", 0.2), ("FGMix + SWA", 0.1))
    ]
    return Flatness(tuple(curves), ABOUT)


@pytest.fixture
def figure(flatness: Flatness) -> Figure:
    return plot_flatness(flatness, figure=Figure(), note="An example.")


def words_of(figure: Figure) -> str:
    return " ".join(each.get_text() for each in figure.findobj(Text)).replace("\n", " ")


def named(ax: object, label: str) -> list:
    return [line for line in ax.lines if line.get_label() == label]


def test_a_panel_per_method_and_one_together_in_two_rows(figure: Figure) -> None:
    axes = np.array(figure.axes).reshape(2, 4)
    assert [ax.get_title() for ax in axes[0]] == ["ERM", "A", "FGMix + SWA", "together"]
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["different losses", "same losses"]
    assert {(ax.get_xlim(), ax.get_ylim()) for ax in figure.axes} == {(axes[0, 0].get_xlim(), axes[0, 0].get_ylim())}


def test_every_direction_the_mean_and_its_interval_are_drawn(flatness: Flatness, figure: Figure) -> None:
    axes = np.array(figure.axes).reshape(2, 4)
    for row, loss in enumerate(("own", "shared")):
        for column, curve in enumerate(flatness.of("full")):
            ax = axes[row, column]
            directions = named(ax, "_direction")
            assert len(directions) == 20
            for line, values in zip(directions, curve.values("squared", loss).T, strict=True):
                np.testing.assert_array_equal(line.get_xydata(), np.column_stack([GAMMA, values]))
                assert line.get_alpha() < 0.4
            means = named(ax, curve.method)
            np.testing.assert_array_equal(means[0].get_ydata(), curve.mean("squared", loss))
            bands = [each for each in ax.collections if isinstance(each, FillBetweenPolyCollection)]
            assert len(bands) == 1
            low, high = curve.interval("squared", loss)[-1]
            edge = bands[0].get_paths()[0].vertices
            assert {low, high} <= set(edge[edge[:, 0] == GAMMA[-1], 1])
    # On the same losses the images alone are dashed beside the images with the shared codes.
    assert [line.get_linestyle() for line in named(axes[1, 0], "ERM")] == ["-", "--"]
    original = flatness.of("full")[0].mean("squared", "original")
    np.testing.assert_array_equal(named(axes[1, 0], "ERM")[1].get_ydata(), original)
    assert len(named(axes[0, 3], "_direction")) == 0
    assert {line.get_label() for line in axes[0, 3].lines} == {"ERM", "A", "FGMix + SWA"}


def test_the_caption_says_what_a_reader_needs(figure: Figure) -> None:
    said = words_of(figure)
    for words in (
        "Data sixstyles, target sketch",
        "seed 0, one seed",
        "a stratified 300 of 1,154 training images",
        "20 random unit directions over all parameters",
        "95 % bootstrap interval over directions",
        "ERM on images, the others on images and their own mixup codes: different losses",
        "290 mixup codes with weights frozen at run/step-000160.safetensors",
        "Norm of what is moved: ERM 12.3",
        "An example.",
    ):
        assert words in said


def test_without_mixup_there_is_one_row(flatness: Flatness) -> None:
    curves = tuple(curve_of(name, 0.2, losses=("original",)) for name in ("ERM", "A"))
    figure = plot_flatness(Flatness(curves, {**ABOUT, "shared": None}), figure=Figure(), statistic="signed")
    assert len(figure.axes) == 3
    assert "different losses" not in words_of(figure)
    alone = plot_flatness(Flatness(curves[:1]), figure=Figure(), statistic="absolute")
    assert len(alone.axes) == 1
    with pytest.raises(InputError, match="of different losses"):
        plot_flatness(Flatness((curves[0], flatness.curves[1])), figure=Figure())


def test_a_single_wild_direction_does_not_flatten_the_curves() -> None:
    curve = curve_of("ERM", 0.3)
    samples = np.concatenate([curve.samples] * 5, axis=2)
    samples[:, -1, 7] = 1e3
    samples[:, -1, 8] = np.inf
    figure = plot_flatness(Flatness((replace(curve, samples=samples),), ABOUT), figure=Figure())
    assert figure.axes[0].get_ylim()[1] < 1e3
    assert "A gap: the loss overflowed." in words_of(figure)
    assert "Some directions leave the panels." in words_of(figure)


def test_one_curve_by_itself(flatness: Flatness) -> None:
    ax = plot_curve(flatness.curves[0], statistic="signed", loss="shared")
    np.testing.assert_array_equal(named(ax, "ERM")[0].get_ydata(), flatness.curves[0].mean("signed", "shared"))
    assert flatness.curves[0].plot(ax=ax) is ax
    with pytest.raises(InputError, match="unknown loss"):
        plot_curve(flatness.curves[0], loss="mine")


def test_methods_keep_their_colours_and_are_told_apart() -> None:
    colours = method_colours(["ERM", "FGMix", "FGMix + SWA", "Mine"])
    assert colours["ERM"] == theme.VERMILLION
    assert colours["FGMix"] == theme.BLUE
    assert len(set(colours.values())) == 4


def curvature_of(value: float, *, density: bool, scope: str = "full", error: float = 0.5) -> Curvature:
    grid = np.linspace(-1, value, 50)
    return Curvature(
        eigenvalues=np.array([value, value / 2]),
        residuals=np.array([1e-3, 1e-3]),
        smallest=-1.0 if density else np.nan,
        trace=3 * value,
        trace_error=error,
        density=np.stack([grid, np.exp(-(grid**2))]) if density else np.empty((2, 0)),
        matrix="hessian",
        scope=scope,
        parameters=1000,
        examples=64,
        method="matrix-free",
    )


@pytest.fixture
def path() -> CurvaturePath:
    points = [
        PathPoint(name, step, f"{name}/{step}", curvature_of(10 + step * slope, density=step == 40))
        for name, slope in (("ERM", 1.0), ("FGMix + SWA", -0.1))
        for step in (0, 20, 40)
    ]
    return CurvaturePath(tuple(points), ABOUT)


def test_curvature_is_drawn_along_the_path(path: CurvaturePath, flatness: Flatness) -> None:
    figure = plot_curvature(path, figure=Figure())
    top, trace, density = figure.axes
    np.testing.assert_array_equal(named(top, "ERM")[0].get_xydata(), [[0, 10], [20, 30], [40, 50]])
    np.testing.assert_array_equal(named(density, "FGMix + SWA")[0].get_ydata(), path.points[5].curvature.density[1])
    assert len(trace.containers) == 2
    said = words_of(figure)
    assert "64 training images in all parameters (P = 1,000)" in said
    assert "bars: its standard error over random vectors" in said
    beside = plot_curvature(path, flatness=flatness, figure=Figure())
    assert [ax.get_title() for ax in beside.axes][3] == "flatness"
    with pytest.raises(InputError, match="no hessian of the scope 'classifier'"):
        plot_curvature(path, "classifier", figure=Figure())
    exact = [replace(p, curvature=curvature_of(3.0, density=False, error=0.0)) for p in path.points]
    said = words_of(plot_curvature(CurvaturePath(tuple(exact)), figure=Figure()))
    assert "Trace: exact." in said
