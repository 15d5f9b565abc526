"""The ledger of claims as dots and intervals: estimate, interval, and the range that the claim names."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from landscape.plots import theme

COLOURS = {"supported": theme.GREEN, "not supported": theme.VERMILLION, "undecided": theme.GREY}
CLAIMED = "#DCE9F5"


@dataclass(frozen=True)
class Line:
    """One claim's numbers.

    Attributes:
        statistic: what was measured.
        unit: its unit.
        estimate: the estimate.
        low: lower end of its interval; NaN where there is none.
        high: upper end.
        claimed: the range that the claim names; an end may be infinite.
        verdict: ``supported``, ``not supported`` or ``undecided``.
    """

    statistic: str
    unit: str
    estimate: float
    low: float
    high: float
    claimed: tuple[float, float]
    verdict: str

    @property
    def scale(self) -> float:
        """What the line's numbers are divided by, so that units as different as points and nats share an axis."""
        known = np.array([self.estimate, self.low, self.high, *self.claimed])
        largest = np.abs(known[np.isfinite(known)]).max()
        return float(largest) or 1.0


def plot_ledger(lines: Sequence[Line], ax: Axes | None = None) -> Figure:
    """One row a claim, each on its own scale; the numbers stand at the right.

    Args:
        lines: the claims that have a number.
        ax: axes to draw into; by default a new figure's.
    """
    with theme.style():
        if ax is None:
            height = 0.62 + 0.19 * len(lines)
            ax = Figure(figsize=(theme.PAGE, height), layout="constrained").add_subplot()
        for row, line in enumerate(lines):
            scale, colour = line.scale, COLOURS[line.verdict]
            left, right = (np.clip(end / scale, -1.15, 1.15) for end in line.claimed)
            width = max(right - left, 0.03)  # a claimed point is a thin bar
            ax.barh(row, width, left=(left + right - width) / 2, height=0.78, color=CLAIMED, zorder=0)
            ax.plot([line.low / scale, line.high / scale], [row, row], "-", color=colour, lw=1.1)
            ax.plot(line.estimate / scale, row, "o", ms=3.5, color=colour)
            interval = f" [{line.low:.3g}, {line.high:.3g}]" if np.isfinite(line.low) else ""
            words = f"{line.estimate:.3g}{interval} {line.unit}"
            ax.annotate(words, (1.17, row), xycoords="data", va="center", fontsize=6.5, annotation_clip=False)
        ax.axvline(0, color="0.5", lw=0.6, zorder=1)
        ax.set_yticks(range(len(lines)), [line.statistic for line in lines], fontsize=6.5)
        ax.set_ylim(len(lines) - 0.4, -0.6)
        ax.set_xlim(-1.15, 1.15)
        ax.set_xticks([0])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        present = [name for name in COLOURS if any(line.verdict == name for line in lines)]
        handles: list[Artist] = [
            Line2D([], [], marker="o", ms=3.5, lw=1.1, color=COLOURS[name], label=name) for name in present
        ]
        handles.append(Patch(color=CLAIMED, label="claimed range"))
        figure = ax.get_figure(root=True)
        assert isinstance(figure, Figure)  # axes have one
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure
