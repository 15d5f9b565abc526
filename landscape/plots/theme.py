"""One look for every figure, static and interactive, that is the same bytes every time it is drawn.

Sizes are those of a two-column paper: draw at the width at which the figure is printed, so that 7 pt
type is 7 pt on paper. Colours are Okabe and Ito's, which colour-blind readers can tell apart; maps are
perceptually uniform.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.colors import Colormap, to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, Formatter, PercentFormatter

from landscape.algorithms.catalogue import METHODS
from landscape.storage import atomic_path

Format = Literal["png", "pdf", "svg"]

COLUMN, PAGE = 3.25, 6.75  # widths in inches
FONT = "DejaVu Sans"
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILLION, PINK = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
GREY = "#6B6B6B"

# Light is good in both maps: a low loss, a high accuracy. Two maps, because they are two quantities.
LOSS_MAP, ACCURACY_MAP = "viridis_r", "cividis"
BEYOND = "#2A2230"  # a loss above the highest contour


@dataclass(frozen=True)
class Look:
    """How a kind of quantity over a plane is shown.

    Attributes:
        map: its colours.
        label: of its colour bar.
        ticks: formats the bar's ticks.
        unit: of a page's colour bar.
        tickformat: of that bar's ticks, for plotly.
        hover: a value with its name, for plotly; ``z`` is the value.
        cell: formats a value in a table.
    """

    map: str
    label: str
    ticks: Callable[[], Formatter]
    unit: str
    tickformat: str
    hover: str
    cell: str


# By kind of :class:`landscape.surface.panels.Panel`.
LOOKS = {
    "loss": Look(LOSS_MAP, "loss (nat)", lambda: FormatStrFormatter("%g"), "nat", "", "loss %{z:.3f} nat", "{:.3f}"),
    "accuracy": Look(
        ACCURACY_MAP, "accuracy", lambda: PercentFormatter(1.0, decimals=0), "", ".0%", "accuracy %{z:.1%}", "{:.1%}"
    ),
}

# A domain has one colour in every figure. Names of the common data sets first, others in their order.
_DOMAINS = {
    "photo": BLUE,
    "clipart": GREEN,
    "cartoon": ORANGE,
    "sketch": PINK,
    "render3d": SKY,
    "flat": VERMILLION,
    "art_painting": GREEN,
    "art": GREEN,
    "product": SKY,
    "real": BLUE,
    "real_world": BLUE,
}
_ORDER = (BLUE, GREEN, ORANGE, PINK, SKY, VERMILLION, YELLOW, GREY)

# An interactive page comes in two modes: paper around the panels, ink on it, faint words, lines, and the focus ring.
# The printed figures are on white.
SCREEN: dict[Literal["light", "dark"], dict[str, str]] = {
    "light": {"paper": "#FFFFFF", "raised": "#F4F5F7", "ink": "#1B1D21", "faint": "#5A6068", "line": "#C9CDD3"}
    | {"focus": BLUE},
    "dark": {"paper": "#14161A", "raised": "#20242A", "ink": "#E9EAEC", "faint": "#A9AFB8", "line": "#484E58"}
    | {"focus": SKY},
}
# What all interactive panels share.
PLOTLY_LAYOUT: dict[str, Any] = {
    "template": "simple_white",
    "font": {"size": 12, "family": "system-ui, sans-serif"},
    "margin": {"l": 50, "r": 10, "t": 10, "b": 40},
    "legend": {"orientation": "h", "y": -0.2, "x": 0},
    "dragmode": False,  # a finger that scrolls the page must not zoom
}

STYLE: Any = {
    "font.family": FONT,
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "figure.dpi": 150,
    "savefig.dpi": 300,
    "savefig.facecolor": "white",
    # Text stays text: searchable, editable, and no outline that differs between versions of a font.
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    # Identifiers in an SVG are random unless they are salted.
    "svg.hashsalt": "landscape",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw under this theme; the reader's own settings come back afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        try:
            yield
        finally:
            interactive = mpl.is_interactive()
    # The first figure imports pyplot, which makes a notebook's matplotlib interactive. Undone, no later one is shown.
    mpl.interactive(interactive)


def domain_colours(domains: Sequence[str]) -> dict[str, str]:
    """A colour for every domain, the same in every figure of these domains."""
    chosen = {name: _DOMAINS[name.lower()] for name in domains if name.lower() in _DOMAINS}
    free = [colour for colour in _ORDER if colour not in chosen.values()] or list(_ORDER)
    unnamed = [name for name in domains if name not in chosen]
    chosen |= {name: free[index % len(free)] for index, name in enumerate(unnamed)}
    return {name: chosen[name] for name in domains}


def method_colour(label: str) -> str:
    """The colour of a training method, by the beginning of its label (``ERM + SWA``, ``ERM seed 1``)."""
    known = [row for row in METHODS.values() if f"{label} ".startswith(f"{row.label} ")]
    return max(known, key=lambda row: len(row.label)).colour if known else GREY


def colour_map(name: str) -> Colormap:
    """A perceptually uniform map with its own colour for what lies above the highest contour."""
    return mpl.colormaps[name].with_extremes(over=BEYOND)


def plotly_scale(name: str, steps: int = 17) -> list[list[Any]]:
    """The same map for plotly."""
    positions = [index / (steps - 1) for index in range(steps)]
    return [[position, to_hex(mpl.colormaps[name](position))] for position in positions]


def save(
    figure: Figure, stem: Path | str, *, formats: Sequence[Format] = ("png", "pdf"), about: Mapping[str, Any]
) -> list[Path]:
    """Write a figure in every format, atomically, with what made it in the file's metadata.

    Args:
        figure: the figure.
        stem: path without suffix.
        formats: file formats.
        about: title and provenance; no time, so that the same figure is the same bytes.
    """
    title = str(about.get("title", Path(stem).name))
    said = json.dumps({name: value for name, value in about.items() if name != "title"}, sort_keys=True)
    metadata: dict[Format, dict[str, Any]] = {
        "png": {"Title": title, "Description": said, "Software": None},
        "pdf": {"Title": title, "Keywords": said, "Creator": None, "Producer": None, "CreationDate": None},
        "svg": {"Title": title, "Description": said, "Creator": None, "Date": None},
    }
    written = []
    with style():
        for format_ in formats:
            path = Path(f"{stem}.{format_}")
            with atomic_path(path) as temporary:
                figure.savefig(temporary, format=format_, metadata=metadata[format_])
            written.append(path)
    return written
