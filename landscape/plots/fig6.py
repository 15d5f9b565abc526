"""FGMix's figure 6: two train losses and the test accuracy on one plane, a row for each target."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation

from landscape.algorithms.catalogue import label_of
from landscape.plots import theme
from landscape.plots.canvas import page, write_below
from landscape.plots.captions import data_words
from landscape.plots.levels import Levels, loss_levels
from landscape.plots.surface import are_few, axis_ratio, panel_bar, plot_surface
from landscape.surface.panels import losses_among, panel_of
from landscape.surface.surface import Surface

_PANEL_WIDTH, _HIGHEST = {2: 2.6, 3: 1.75}, 9.0  # inches, by the number of columns; of a page

# What spans a plane that has one anchor only.
_DIRECTIONS = {
    "pca": "; axes: the two largest principal components of its path",
    "random": "; axes: two random filter-normalised directions",
    "hessian": "; axes: the Hessian's eigenvectors of the two largest eigenvalues",
}


def plot_fig6_row(surface: Surface, *, figure: Figure | None = None, note: str = "") -> Figure:
    """ERM's train loss, FGMix's train loss and test accuracy on one plane (FGMix paper, Figure 6).

    The panels have the same ranges, the two losses the same levels and one colour bar. Without mixup codes
    the middle panel is left out.

    Args:
        surface: the measured surface.
        figure: a figure to draw into, which is resized to 6.75 inches; by default a new one.
        note: a sentence to add to the caption.
    """
    losses = losses_of(surface)
    levels = loss_levels(surface, losses)
    words = textwrap.wrap(caption(surface, levels=levels, note=note), 126)
    panel_width = _PANEL_WIDTH[len(losses) + 1]
    ratio = axis_ratio(surface)
    below = 0.42 + 0.123 * len(words)  # inches for the legend and the caption
    height = panel_width * (1.05 if ratio is None else ratio) + 0.65 + below
    with page(figure, theme.PAGE, height, below=below, wspace=0.03) as figure:
        axes = figure.subplots(1, len(losses) + 1, sharey=True, squeeze=False)[0]
        _draw_row(axes, surface, levels)
        write_below(figure, legend_handles(surface), words, below)
    return figure


def plot_fig6(surfaces: Sequence[Surface], *, figure: Figure | None = None) -> Figure:
    """A row for each target: ERM's train loss, FGMix's train loss and the test accuracy (FGMix paper, Figure 6).

    The panels of a row have the same ranges, its two losses the same contour levels and one colour bar. Where one
    surface has no mixup codes its middle panel stays empty; where none has, there is no middle column.

    Args:
        surfaces: one for each target.
        figure: a figure to draw into, which is resized to 6.75 inches and at most 9 high; by default a new one.
    """
    columns = max(len(row_panels(surface)) for surface in surfaces)
    ratios = np.array([1.05 if (ratio := axis_ratio(surface)) is None else ratio for surface in surfaces])
    below, around = 0.35, 0.32  # inches: for the legend; of a row for its ticks
    width = min(_PANEL_WIDTH[columns], (_HIGHEST - below - 0.4 - around * len(ratios)) / float(ratios.sum()))
    height = width * float(ratios.sum()) + around * len(ratios) + 0.4 + below
    with page(figure, theme.PAGE, height, below=below, wspace=0.03) as figure:
        grid = figure.subplots(
            len(surfaces), columns, squeeze=False, gridspec_kw={"height_ratios": width * ratios + around}
        )
        for index, (row, surface) in enumerate(zip(grid, surfaces, strict=True)):
            panels = row_panels(surface)
            axes = [*row[: len(panels) - 1], row[-1]]
            for ax in row[len(panels) - 1 : -1]:
                ax.set_axis_off()
            _draw_row(axes, surface, loss_levels(surface, losses_of(surface)))
            for ax, (_, title, _) in zip(axes, panels, strict=True):
                ax.label_outer()
                ax.set_title("" if index else title.partition(") ")[2].partition(",")[0])
                ax.set_xlabel("distance along $e_1$" if index == len(surfaces) - 1 else "")
                ax.tick_params(labelbottom=True)  # every row has its own range
            named = f"target {surface.about['target']}\n" if "target" in surface.about else ""
            axes[0].set_ylabel(f"{named}distance along $e_2$")
        figure.legend(handles=legend_handles(surfaces[0]), loc="lower center", ncols=6, handlelength=1.8)
    return figure


def _draw_row(axes: Sequence[Axes], surface: Surface, levels: Levels) -> None:
    for ax, (metric, title, paths) in zip(axes, row_panels(surface), strict=True):
        shared = levels if panel_of(metric).kind == "loss" else None
        plot_surface(surface, metric, ax, levels=shared, paths=paths, title=title)
        _clear_labels(ax, surface, paths)
        ax.label_outer()
    panel_bar(axes[-2], "train_loss")  # one bar for both losses: they share their levels
    panel_bar(axes[-1], "test_accuracy")


def _clear_labels(ax: Axes, surface: Surface, paths: Sequence[str]) -> None:
    """Turn each anchor's name around its anchor to where it is furthest from the paths, their ends and the border."""
    low, extent = np.array([surface.x[0], surface.y[0]]), np.array([np.ptp(surface.x), np.ptp(surface.y)])
    # In points, for the panel as wide as it is drawn about: the room around an anchor is what matters.
    ratio = axis_ratio(surface)
    size = 72 * _PANEL_WIDTH[3] * 0.8 * np.array([1.0, 1.05 if ratio is None else ratio])
    taken = [np.array([(mark.x, mark.y) for mark in surface.anchors])]
    for path in surface.trajectories:
        if path.label in paths and len(path):
            steps = np.linspace(0, len(path) - 1, 20 * len(path))
            known = np.arange(len(path))
            taken.append(np.stack([np.interp(steps, known, path.x), np.interp(steps, known, path.y)], axis=1))
    points = (np.concatenate(taken) - low) / extent * size
    turns = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    offsets = 10.0 * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    for mark in surface.anchors:
        places = (np.array([mark.x, mark.y]) - low) / extent * size + offsets
        room = np.linalg.norm(places[:, None] - points, axis=2).min(axis=1)
        border = np.minimum(places, size - places).min(axis=1)
        # Beyond a label's own size, more room is no better, and what is next to the present place is best.
        score = np.minimum(room, 12.0) + np.minimum(border, 8.0)
        for text in ax.texts:
            if isinstance(text, Annotation) and text.get_text() == mark.label:
                now = np.array(text.xyann, dtype=float)
                nearness = 0.01 * offsets @ now / max(float(np.linalg.norm(now)), 1.0)
                text.xyann = tuple(offsets[np.argmax(score + nearness)])


def caption(surface: Surface, *, levels: Levels | None = None, note: str = "") -> str:
    """What a reader needs to know: data, model, seed, n, how to read the levels, and how far paths leave the plane."""
    about, sentences = surface.about, []
    if about:
        sentences.append(data_words(about))
        n = about["n"]
        losses = f"Train loss: all {n['train']:,} training images"
        if n.get("mixup"):
            losses += f"; {mixing_name(surface)} train loss: the same and {n['mixup']:,} mixup codes"
        dots = " (dots)" if are_few(surface) or not surface.measured.all() else ""
        grid = f"{len(surface.x)} x {len(surface.y)} measured points{dots}, linear between them"
        if (refined := about.get("adaptive")) is not None:
            grid = f"{len(surface.x)} x {len(surface.y)} points, {refined['measured']} measured{dots}"
            if error := refined["error"].get("train_loss"):
                grid += f"; the others predicted, train loss off by {error['mean']:.2g} nat on average, at most "
                grid += f"{error['max']:.2g}, at {refined['held_out']} held-out points"
        if n.get("evaluated"):
            grid += f". A stratified sample of {n['evaluated']:,} of {n['images']:,} images"
        sentences.append(f"{losses}; accuracy: all {n['test']:,} target images. {grid}.")
    if levels is not None:
        cap = f"; darkest: above {levels.values[-1]:g}" if levels.capped else ""
        sentences.append(f"Loss contours every {levels.step:g} nat{cap}.")
    if surface.anchors:
        anchors = ", ".join(f"{mark.label} {mark.name}" for mark in surface.anchors)
        angle = f"; {about['angle']:.0f}\N{DEGREE SIGN} between w2 and w3 at w1" if about.get("angle") else ""
        directions = _DIRECTIONS.get(about.get("plane", "through"), "")
        sentences.append(f"Anchors: {anchors}{angle}{directions}.")
    for mark in surface.ends:
        true, projected = mark.true["train_loss"], mark.projected["train_loss"]
        sentences.append(
            f"End of {mark.label}: {mark.residual:.2g} off the plane, train loss {true:.3f}, {projected:.3f} "
            "at its projection."
        )
    if axis_ratio(surface) is None:
        sentences.append("The axes are not to the same scale.")
    if _unevaluated(surface):
        sentences.append("Hatched: not evaluated.")
    return " ".join([*sentences, note]).strip()


def row_panels(surface: Surface) -> list[tuple[str, str, tuple[str, ...]]]:
    """The panels of figure 6: metric, title, and labels of the paths on it.

    Each loss carries the paths of the algorithm that minimises it, the accuracy carries all.
    """
    everything = tuple(dict.fromkeys(path.label for path in surface.trajectories))
    plain = tuple(label for label in everything if label.split(" ")[0] == "ERM")
    target = surface.about.get("target", "target")
    panels: list[tuple[str, str, tuple[str, ...]]] = []
    if "fgmix_train_loss" in surface.panels:
        mixed = tuple(label for label in everything if label not in plain)
        panels.append(("train_loss", "ERM train loss", plain or everything))
        panels.append(("fgmix_train_loss", f"{mixing_name(surface)} train loss", mixed or everything))
    else:
        panels.append(("train_loss", "train loss", everything))
    panels.append(("test_accuracy", f"test accuracy, {target}", everything))
    letters = "abc"
    return [(metric, f"({letters[i]}) {title}", paths) for i, (metric, title, paths) in enumerate(panels)]


def losses_of(surface: Surface) -> list[str]:
    """The losses among the panels of figure 6, which share their contour levels."""
    return losses_among(metric for metric, _, _ in row_panels(surface))


def _unevaluated(surface: Surface) -> bool:
    return any(bool(np.isnan(surface.panel(name).values).any()) for name in surface.panels)


def legend_handles(surface: Surface) -> list[Line2D]:
    """Paths, anchors and measured points for a legend."""
    handles = [
        Line2D(
            [],
            [],
            color=theme.method_colour(path.label),
            lw=1.7 if path.kind == "swa" else 0.8,
            marker="o",
            ms=2.2,
            mew=0.6,
            mfc="white",
            label=path.name,
        )
        for path in surface.trajectories
    ]
    handles.append(Line2D([], [], ls="", marker="D", color="black", ms=3.6, mec="white", label="anchor"))
    if are_few(surface):
        handles.append(
            Line2D([], [], ls="", marker=".", color="black", ms=3.0, mec="white", mew=0.3, label="measured point")
        )
    return handles


def mixing_name(surface: Surface) -> str:
    """The algorithm whose policy weighs the mixup codes: FGMix, or one of its variants."""
    mixup = surface.about.get("mixup") or {}
    return label_of(mixup.get("algorithm", "fgmix"))
