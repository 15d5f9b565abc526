"""Learned scores against the cosine of the gradients (FGMix paper, Figure 8), with what makes them readable."""

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec, GridSpecBase
from matplotlib.lines import Line2D

from landscape.correlation.association import Association, Statistic
from landscape.correlation.identifiability import ambiguity
from landscape.correlation.samples import DomainPair
from landscape.intervals import Interval
from landscape.plots import theme
from landscape.plots.canvas import drawn_on, page, write_words
from landscape.plots.captions import seed_words

_TRAINED, _GIVEN, _NULL = theme.BLACK, theme.VERMILLION, "0.72"


def plot_pair(association: Association, index: int = 0, ax: Axes | None = None) -> Axes:
    """Score against cosine for one ordered pair of domains, with rho, its interval and p.

    Args:
        association: the result.
        index: which pair of domains.
        ax: axes to draw into; by default a new figure's.
    """
    pair = association.pairs[index]
    with drawn_on(ax, theme.COLUMN, 2.6) as ax:
        ax.plot(
            pair.cosine,
            pair.score,
            "o",
            ms=2.4,
            mew=0,
            alpha=0.55,
            color=_colour(association, pair),
            rasterized=len(pair) > 2000,
        )
        ax.set_title(pair.name)
        ax.set_xlabel("cosine of the gradients")
        ax.set_ylabel("score $S$")
        _write(ax, pair.rho)
        _leave_room(ax, pair.score)
    return ax


def plot_within(association: Association, ax: Axes | None = None) -> Axes:
    """Scores centred within their groups, which the weights depend on, against those of variant C.

    Args:
        association: the result; it has groups.
        ax: axes to draw into; by default a new figure's.
    """
    groups = association.groups
    assert groups is not None
    with drawn_on(ax, theme.COLUMN, 2.6) as ax:
        sources = association.about.get("sources", [str(i) for i in range(groups.score.shape[1])])
        colours = theme.domain_colours(sources)
        for member, name in enumerate(sources):
            ax.plot(
                groups.cosine[:, member], groups.score[:, member], "o", ms=2.4, mew=0, alpha=0.55, color=colours[name]
            )
        ax.set_title("within groups")
        ax.set_xlabel(r"$\sum_j \cos(g_i, g_j)$, centred")
        ax.set_ylabel(r"$\sum_j S(g_i, g_j)$, centred")
        _write(ax, groups.within)
        _leave_room(ax, groups.score)
    return ax


def plot_untrained(association: Association, ax: Axes | None = None) -> Axes:
    """Every correlation of the trained score beside those of scores that were never trained.

    Args:
        association: the result; it has untrained scores.
        ax: axes to draw into; by default a new figure's.
    """
    with drawn_on(ax, theme.COLUMN, 2.6) as ax:
        names = [pair.name for pair in association.pairs]
        rho, own = association.of_untrained("rho"), association.of_untrained("rho", start=True)
        estimates = [pair.rho for pair in association.pairs]
        for row, one in enumerate(estimates):
            _untrained_row(ax, row, rho[:, row], own[:, row], one)
        for row, pair in enumerate(association.pairs):
            given = pair.partial.value
            if not np.isnan(given):
                ax.plot(given, row, "D", ms=3.2, mfc="white", mec=_GIVEN, mew=0.9, zorder=5, label="_given")
        companions: tuple[tuple[Statistic, str], ...] = (("mean", "mean of rho"), ("within", "within groups"))
        for statistic, words in companions:
            observed = association.observed(statistic)[0]
            if np.isnan(observed):
                continue
            one = Interval(observed)
            if statistic == "within" and association.groups is not None:
                one = association.groups.within
            columns = association.of_untrained(statistic), association.of_untrained(statistic, start=True)
            _untrained_row(ax, len(names), columns[0][:, 0], columns[1][:, 0], one)
            names.append(words)
        ax.axvline(0, color="0.5", lw=0.6, zorder=0)
        ax.axhline(len(association.pairs) - 0.5, color="0.8", lw=0.6, zorder=0)
        ax.set_yticks(range(len(names)), names)
        ax.set_ylim(len(names) - 0.4, -0.6)
        ax.set_xlim(-1.02, 1.02)
        ax.set_xlabel(r"Spearman's $\rho$")
        ax.set_title("against untrained scores")
    return ax


def plot_fig8(association: Association, *, figure: Figure | None = None, note: str = "") -> Figure:
    """A scatter per ordered pair of source domains, the scores within groups, and the untrained scores.

    The scatters share their axes. Without groups or untrained scores (plain arrays) their panels are left out.

    Args:
        association: the result.
        figure: a figure to draw into, which is resized to 6.75 inches; by default a new one.
        note: a sentence to add to the caption.
    """
    count = len(association.pairs)
    columns = _columns(count)
    rows = -(-count // columns)
    companions = association.groups is not None and association.untrained is not None
    words = textwrap.wrap(caption(association, note=note), 126)
    legend = 0.24 if companions else 0.0
    below = 0.12 + 0.123 * len(words) + legend  # inches
    low = 0.22 * (count + 2) + 0.9 if companions else 0.0
    height = rows * (1.62 if columns > 1 else 3.0) + 0.3 + low + below
    with page(figure, theme.PAGE, height, below=below, hspace=0.04) as figure:
        if companions:
            halves = figure.add_gridspec(2, 1, height_ratios=[height - below - low, low])
            top: GridSpecBase = halves[0].subgridspec(rows, columns)
        else:
            top = GridSpec(rows, columns, figure=figure)
        axes = top.subplots(sharex=True, sharey=True, squeeze=False).ravel()
        for index, ax in enumerate(axes):
            if index >= count:
                ax.set_visible(False)
                continue
            plot_pair(association, index, ax)
            ax.label_outer()
        _leave_room(axes[0], *(pair.score for pair in association.pairs))  # the panels share it
        if companions:
            left, right = halves[1].subgridspec(1, 2, width_ratios=[1, 1.35]).subplots(squeeze=False)[0]
            plot_within(association, left)
            plot_untrained(association, right)
            figure.legend(
                handles=_legend(association),
                loc="upper right",
                bbox_to_anchor=(0.99, (below + 0.02) / height),
                ncols=4,
                handletextpad=0.3,
                columnspacing=0.9,
            )
        write_words(figure, words, below - legend - 0.04)
    return figure


def caption(association: Association, *, note: str = "") -> str:
    """Data, model, seed, n, policy steps, what intervals are over, and how far S is determined."""
    about, sentences = association.about, []
    n = [len(pair) for pair in association.pairs]
    each = f"n = {n[0]}" if len(set(n)) == 1 else f"n = {min(n)} to {max(n)}"
    if "policy_steps" in about:
        part = {"in": "training images", "out": "held-out images", "all": "images"}[about["part"]]
        steps = about["policy_steps"]
        sentences.append(
            f"Data {about['data']}, target {about['target']} (takes no part), {about['model']}, "
            f"{about['image_size']} px; {seed_words(about['seeds'])}; {about['name']}: S after {steps:,} policy "
            f"step{'' if steps == 1 else 's'}. Each panel: {each} "
            f"random same-class pairs of {part}, S(first, second)."
        )
    else:
        sentences.append(f"{each} pairs of gradients.")
    sentences.append("Spearman's rho, 95 % bootstrap interval over pairs, p by the t approximation, unadjusted.")
    if association.groups is not None and association.untrained is not None:
        sentences.append(
            f"{ambiguity(association.groups.score.shape[1])} Within groups: {len(association.groups)} groups, interval "
            "over groups, p by permutation within them, colour by domain. Untrained: "
            f"{len(association.untrained)} random initialisations of S on the same pairs; own start: the one that this "
            "run began with."
        )
    return " ".join([*sentences, note]).strip()


def _untrained_row(ax: Axes, row: int, untrained: np.ndarray, own: np.ndarray, one: Interval) -> None:
    ax.plot(untrained, np.full(len(untrained), row), "|", color=_NULL, ms=7, mew=0.7, zorder=1, label="_untrained")
    ax.plot(own, np.full(len(own), row), "|", color=theme.BLUE, ms=9, mew=1.4, zorder=3, label="_own")
    if not np.isnan(one.low):
        ax.plot([one.low, one.high], [row, row], "-", color=_TRAINED, lw=1.0, zorder=4, label="_interval")
    ax.plot(one.value, row, "o", ms=4, color=_TRAINED, zorder=4.5, label="_trained")


def _legend(association: Association) -> list[Line2D]:
    marks = [
        Line2D([], [], ls="-", lw=1.0, marker="o", ms=4, color=_TRAINED, label="trained"),
        Line2D([], [], ls="", marker="D", ms=3.2, mfc="white", mec=_GIVEN, mew=0.9, label="given norms"),
        Line2D([], [], ls="", marker="|", ms=7, mew=0.9, color=_NULL, label="untrained"),
    ]
    if association.start is not None:
        marks.append(Line2D([], [], ls="", marker="|", ms=9, mew=1.4, color=theme.BLUE, label="own start"))
    return marks


def _columns(count: int) -> int:
    """Three for the six pairs of three domains; else about as many columns as domains."""
    return min(count, max(1, round((1 + np.sqrt(1 + 4 * count)) / 2)))


def _colour(association: Association, pair: DomainPair) -> str:
    names = association.about.get("sources") or [pair.first]
    return theme.domain_colours(names)[pair.first]


def _write(ax: Axes, one: Interval) -> None:
    """Rho with interval and p, where it covers no axis."""
    if np.isnan(one.value):
        text = r"$\rho$ undefined"
    else:
        text = rf"$\rho$ = {one.value:.2f}"
        if not np.isnan(one.low):
            text += f" [{one.low:.2f}, {one.high:.2f}]\n{_p(one.p)}"
    ax.text(
        0.03,
        0.97,
        text,
        transform=ax.transAxes,
        va="top",
        ha="left",
        fontsize=6.8,
        linespacing=1.15,
        bbox={"boxstyle": "square,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.8},
        zorder=6,
    )


def _leave_room(ax: Axes, *scores: np.ndarray) -> None:
    """Limits that keep the points clear of the text above them."""
    low, high = min(values.min() for values in scores), max(values.max() for values in scores)
    extent = (high - low) or max(abs(high), 1.0)
    ax.set_ylim(low - 0.05 * extent, high + 0.3 * extent)


def _p(p: float) -> str:
    if p < 1e-4:
        exponent = int(np.floor(np.log10(p))) if p > 0 else -300
        return rf"$p < 10^{{{exponent + 1}}}$"
    return f"$p$ = {p:.2g}"
