"""The page: offline, complete, the same panels as the printed figure."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from landscape.plots.interactive import surface_figures, write_page
from landscape.plots.levels import loss_levels


@pytest.fixture
def page(surface, tmp_path: Path) -> Path:
    return write_page(surface, tmp_path / "page.html", note="A <note>.")


def test_the_page_works_offline(page: Path) -> None:
    text = page.read_text()
    assert '<script src="plotly.min.js">' in text
    assert (page.parent / "plotly.min.js").stat().st_size > 1e6
    assert not re.search(r"""(src|href)=["']https?:""", text)


def test_the_page_is_well_formed_and_fits_a_phone(page: Path) -> None:
    text = page.read_text()
    stack: list[str] = []

    class Check(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag != "meta":
                stack.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert stack.pop() == tag

    Check().feed(text)
    assert stack == []
    assert 'name="viewport" content="width=device-width' in text
    assert "minmax(min(100%," in text
    assert text.count('class="plotly-graph-div"') == 3
    assert "A &lt;note&gt;." in text


def test_the_same_page_is_the_same_bytes(surface, tmp_path: Path) -> None:
    first = write_page(surface, tmp_path / "a.html").read_bytes()
    assert write_page(surface, tmp_path / "b.html").read_bytes() == first


def test_the_panels_are_those_of_the_printed_figure(surface, tmp_path: Path) -> None:
    figures = surface_figures(surface)
    text = write_page(surface, tmp_path / "page.html").read_text()
    titles = ["(a) ERM train loss", "(b) FGMix train loss", "(c) test accuracy, sketch"]
    assert re.findall("<h2>(.*?)</h2>", text) == titles
    levels = loss_levels(surface, ["train_loss", "fgmix_train_loss"])
    for figure, metric in zip(figures, ["train_loss", "fgmix_train_loss", "test_accuracy"], strict=True):
        contour = figure.data[0]
        np.testing.assert_allclose(contour.z, surface.panel(metric).values)
        if metric != "test_accuracy":
            assert contour.contours.size == levels.step
            assert (contour.zmin, contour.zmax) == (levels.values[0], levels.values[-1])
        assert tuple(figure.layout.xaxis.range) == (surface.x[0], surface.x[-1])
    lines = [trace.name for trace in figures[0].data[1:] if trace.mode == "lines+markers"]
    assert lines == ["ERM", "ERM + SWA"]


def test_hovering_tells_step_and_distance_from_the_plane(surface) -> None:
    path = next(trace for trace in surface_figures(surface)[0].data if trace.name == "ERM")
    assert [row[0] for row in path.customdata] == surface.trajectories[0].step.tolist()
    assert [row[1] for row in path.customdata] == surface.trajectories[0].residual.tolist()
    assert "off the plane" in path.hovertemplate


def test_the_table_shows_true_beside_projected(page: Path) -> None:
    text = page.read_text()
    assert "<th>train loss, projected</th>" in text
    assert text.count("<tr>") == 1 + 5


def test_a_page_without_mixup_codes(surface_without_mixup, tmp_path: Path) -> None:
    text = write_page(surface_without_mixup, tmp_path / "page.html").read_text()
    assert text.count('class="plotly-graph-div"') == 2


def test_missing_cells_are_gaps(surface) -> None:
    surface.values["train_loss"].values[1, 2] = np.nan
    surface.values["train_loss"].values[1, 3] = np.inf
    contour = surface_figures(surface)[0].data[0]
    assert np.isnan(contour.z[1][2])
    assert contour.z[1][3] > contour.zmax
