"""One look: fixed colours, readable type, the same bytes every time."""

import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from landscape.plots import theme


def test_a_domain_keeps_its_colour() -> None:
    some, all_ = theme.domain_colours(["photo", "sketch"]), theme.domain_colours(["photo", "clipart", "x", "sketch"])
    assert some["photo"] == all_["photo"]
    assert some["sketch"] == all_["sketch"]
    assert len(set(all_.values())) == 4


def test_unknown_domains_get_different_colours() -> None:
    names = [f"L{k}" for k in (38, 43, 46, 100)]
    assert len(set(theme.domain_colours(names).values())) == 4


def lightness(colour: object) -> float:
    """CIE L* of an sRGB colour."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    y = linear @ [0.2126, 0.7152, 0.0722]
    return float(116 * np.cbrt(y) - 16 if y > 0.008856 else 903.3 * y)


@pytest.mark.parametrize("name", [theme.LOSS_MAP, theme.ACCURACY_MAP])
def test_maps_change_evenly_in_lightness(name) -> None:
    steps = np.diff([lightness(mpl.colormaps[name](t)) for t in np.linspace(0, 1, 17)])
    assert (steps > 0).all() or (steps < 0).all()
    assert abs(steps).max() < 2 * abs(steps).mean()


def test_light_is_good_in_both_maps() -> None:
    assert lightness(mpl.colormaps[theme.LOSS_MAP](0.0)) > lightness(mpl.colormaps[theme.LOSS_MAP](1.0))
    assert lightness(mpl.colormaps[theme.ACCURACY_MAP](1.0)) > lightness(mpl.colormaps[theme.ACCURACY_MAP](0.0))
    assert lightness(theme.BEYOND) < lightness(theme.PINK)


def test_the_readers_settings_come_back() -> None:
    before = dict(mpl.rcParams)
    with theme.style():
        assert mpl.rcParams["svg.fonttype"] == "none"
        assert mpl.rcParams["pdf.fonttype"] == 42
        assert all(mpl.rcParams[f"{axis}tick.labelsize"] >= 7 for axis in "xy")
    assert dict(mpl.rcParams) == before


def draw(folder: Path) -> list[Path]:
    figure = Figure(figsize=(2, 2))
    ax = figure.add_subplot()
    ax.plot([0, 1], [0, 1], label="line")
    ax.set_title("a title")
    return theme.save(figure, folder / "f", formats=["png", "pdf", "svg"], about={"title": "t", "command": "c"})


def test_the_same_figure_is_the_same_bytes(tmp_path: Path) -> None:
    first = [path.read_bytes() for path in draw(tmp_path / "1")]
    assert [path.read_bytes() for path in draw(tmp_path / "2")] == first
    assert b"c" in first[0]


def test_text_stays_text_and_says_where_it_comes_from(tmp_path: Path) -> None:
    png, pdf, svg = draw(tmp_path)
    assert ">a title</text>" in svg.read_text()
    assert "command" in svg.read_text()
    assert b"tEXtDescription" in png.read_bytes()
    assert b"CreationDate" not in pdf.read_bytes()


def test_plotly_gets_the_same_colours() -> None:
    scale = theme.plotly_scale("viridis", 5)
    assert [position for position, _ in scale] == [0, 0.25, 0.5, 0.75, 1]
    np.testing.assert_allclose(to_rgb(scale[2][1]), mpl.colormaps["viridis"](0.5)[:3], atol=1 / 255)


def test_the_theme_needs_no_torch() -> None:
    code = "import sys, landscape.plots.theme; print('torch' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["False", "False"]
