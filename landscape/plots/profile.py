"""Loss and accuracy along the line between two checkpoints."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from landscape.plots import theme
from landscape.plots.canvas import drawn_on
from landscape.surface.profile import Profile


def plot_profile(profile: Profile, ax: Axes | None = None) -> Axes:
    """Losses on the left axis, test accuracy on the right one; the two checkpoints are vertical lines.

    Args:
        profile: what was evaluated.
        ax: axes to draw into; by default a new figure's.

    Returns:
        The axes of the losses.
    """
    with drawn_on(ax, theme.COLUMN, 2.6) as ax:
        for name, label, style in (("train_loss", "train loss", "-"), ("test_loss", "test loss", "--")):
            loss = profile.values[name]
            ax.plot(profile.t, np.where(np.isfinite(loss), loss, np.nan), style, color="C0", marker=".", label=label)
        right = ax.twinx()
        right.plot(profile.t, profile.values["test_accuracy"], ":", color="C1", marker=".", label="test accuracy")
        right.set_ylabel("accuracy")
        right.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        for place in (0.0, 1.0):
            ax.axvline(place, color="0.6", lw=0.8, zorder=0)
        ax.set_xlabel(f"from {profile.names[0]} (0) to {profile.names[1]} (1)")
        ax.set_ylabel("loss (nat)")
        lines = [*ax.get_lines()[:2], *right.get_lines()]
        ax.legend(lines, [str(line.get_label()) for line in lines], loc="best")
    return ax
