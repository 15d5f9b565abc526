"""A panel is one row: file, figure, page and tables read it there."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from landscape.plots import theme
from landscape.plots.interactive import panel_figure, write_page
from landscape.plots.levels import Levels
from landscape.plots.surface import plot_surface
from landscape.surface.panels import METRICS, PANELS, Panel, losses_among
from landscape.surface.report import html_report, report
from landscape.surface.surface import Mark, Surface, empty_values

ROW = Panel("mean entropy of the predictions on the target domain", "nat", "entropy on the target", "loss", "entropy")


@pytest.fixture
def with_entropy(surface: Surface, monkeypatch: pytest.MonkeyPatch) -> Surface:
    """The same surface with a panel that the package does not have."""
    monkeypatch.setitem(PANELS, "test_entropy", ROW)
    values = empty_values(surface.x, surface.y, panels=["test_entropy"], domains=("sketch",), n=np.array([[1, 1]]))
    values["test_entropy"][:] = surface.panel("test_loss").values / 2

    def known(mark: Mark) -> Mark:
        at = {"test_entropy": mark.true["test_loss"] / 2}
        return Mark(
            mark.label,
            mark.name,
            mark.role,
            mark.x,
            mark.y,
            mark.residual,
            {**mark.true, **at},
            {**mark.projected, **at},
        )

    grid = surface.values.assign(test_entropy=values["test_entropy"])
    about = surface.about | {"mixup": None}
    return Surface(grid, tuple(known(mark) for mark in surface.marks), surface.trajectories, about)


def test_a_new_panel_has_its_words_in_the_file(with_entropy: Surface) -> None:
    assert with_entropy.panel("test_entropy").attrs == {"long_name": ROW.words, "units": "nat"}
    assert "test_entropy" in with_entropy.panels


def test_a_new_panel_has_its_title_and_the_colours_of_its_kind(with_entropy: Surface) -> None:
    ax = plot_surface(with_entropy, "test_entropy", Figure().add_subplot())
    assert ax.get_title() == "entropy on the target"
    assert ax.collections[0].get_cmap().name == theme.LOSS_MAP
    levels = Levels.of(with_entropy.panel("test_entropy").values)
    contour = panel_figure(with_entropy, "test_entropy", levels=levels).data[0]
    assert contour.colorbar.title.text == "nat"
    assert "loss %{z:.3f} nat" in contour.hovertemplate


def test_a_new_panel_is_in_the_tables(with_entropy: Surface, tmp_path: object) -> None:
    page = write_page(with_entropy, tmp_path / "page.html").read_text()  # type: ignore[operator]
    assert "<th>entropy</th><th>entropy, projected</th>" in page
    assert "entropy" in report(with_entropy).splitlines()[2]
    assert "test entropy, projected" in html_report(with_entropy)


def test_every_row_is_whole() -> None:
    for panel in (PANELS | METRICS).values():
        assert panel.words
        assert panel.title
        assert panel.unit == ("nat" if panel.kind == "loss" else "1")
        assert panel.kind in theme.LOOKS
    assert losses_among(PANELS) == [name for name in PANELS if name.endswith("loss")]
