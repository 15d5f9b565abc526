"""The page in a real browser: hover, slider, linked panels, keyboard, phone, dark; no errors and no network."""

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from landscape.explore.page import write_explorer

# Where a point of a figure is on the screen.
POINT = """([selector, trace, index]) => {
  const div = document.querySelector(selector), box = div.getBoundingClientRect();
  const { xaxis, yaxis } = div._fullLayout, of = div.data[trace];
  return [box.x + xaxis._offset + xaxis.d2p(of.x[index]), box.y + yaxis._offset + yaxis.d2p(of.y[index])];
}"""

PLOTS = "[...document.querySelectorAll('#surface .plot')]"


@pytest.fixture
def look(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a page; afterwards nothing may have been said on the console, nor asked of a network."""
    contexts, said, asked = [], [], []

    def open_page(path: Path, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(15000)
        tab.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def reach(tab: Any, kind: str) -> Any:
    """Scroll to a section, which draws it."""
    section = tab.locator(f"#{kind}")
    section.scroll_into_view_if_needed()
    tab.wait_for_selector(f"#{kind}[data-shown]")
    return section


def hover(tab: Any, selector: str, trace: int, index: int) -> None:
    tab.locator(selector).evaluate("element => element.scrollIntoView({ block: 'center' })")
    x, y = tab.evaluate(POINT, [selector, trace, index])
    tab.mouse.move(x - 4, y - 3)
    tab.mouse.move(x, y, steps=2)


def test_the_first_panel_is_there_early_and_the_others_wait(look, page: Path) -> None:
    tab = look(page, viewport={"width": 1200, "height": 500})
    tab.wait_for_selector("#surface[data-shown]")
    (painted,) = tab.evaluate("performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)")
    assert painted < 3000
    assert tab.locator("#claims[data-shown]").count() == 0
    for kind in ("flatness", "embedding", "correlation", "claims"):
        reach(tab, kind)


def test_hovering_one_panel_shows_crosshair_and_value_in_all(look, page: Path, data_of) -> None:
    tab = look(page)
    tab.wait_for_selector("#surface .domains figure:nth-child(4) .main-svg")
    panel = "#surface .domains figure:nth-child(2) .plot"
    tab.locator(panel).evaluate("element => element.scrollIntoView({ block: 'center' })")
    # The measured points are the second trace; the middle one of 20 is (1, 1).
    hover(tab, panel, 1, 7)
    tab.wait_for_function("document.querySelector('#surface .said').textContent.includes('x 1.000, y 1.000')")
    shapes = tab.evaluate(f"{PLOTS}.map(div => div.layout.shapes.map(shape => [shape.x0, shape.y0]))")
    assert len(shapes) == 5
    assert all([1, 0] in each and [0, 1] in each for each in shapes)
    data = data_of(page, "surface-0")
    assert tab.locator("#surface figcaption .value").first.inner_text() == "5.000 nat"
    shown = [each for each in data["domains"] if (each["metric"], each["split"]) == ("loss", "in")]
    values = [f"{each['figure']['data'][0]['z'][1][2]:.3f} nat (n = 10)" for each in shown]
    assert tab.locator("#surface .domains output").all_inner_texts() == values


def test_the_slider_moves_the_marker_in_every_panel(look, page: Path) -> None:
    tab = look(page)
    tab.wait_for_selector("#surface .domains figure:nth-child(4) .main-svg")
    markers = f"{PLOTS}.map(div => div.data.find(trace => trace.meta === 'step')).map(trace => [trace.x, trace.y])"
    assert tab.evaluate(markers) == [[[2, 2, 1], [1, 0.5, 2]]] * 5
    slider = tab.locator("#surface [type=range]")
    slider.focus()
    for _ in range(2):
        tab.keyboard.press("ArrowLeft")
    assert slider.get_attribute("aria-valuetext") == "step 20"
    assert tab.evaluate(markers) == [[[1, 0.5], [0.5, 1]]] * 5  # the average has not begun
    assert tab.locator("#surface .readout tbody tr").count() == 3
    assert "not begun" in tab.locator("#surface .readout tbody tr:nth-child(2)").inner_text()
    tab.keyboard.press("End")
    end = tab.locator("#surface .readout tbody tr:nth-child(1)").inner_text()
    assert all(part in end for part in ("at step 40", "2.00, 1.00", "0.30", "6.000", "true 5.500"))


def test_the_cursor_moves_by_keyboard(look, page: Path) -> None:
    tab = look(page)
    tab.wait_for_selector("#surface .domains figure:nth-child(4) .main-svg")
    tab.locator("#surface .main").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        tab.keyboard.press(key)
    said = tab.locator("#surface .said")
    assert "x 2.000, y 3.000: train loss 10.000 nat" in said.inner_text()
    assert "ink" in said.inner_text()
    outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    tab.keyboard.press("Escape")
    assert said.inner_text() == ""
    # Everything that can be used has its turn.
    tab.locator("#theme").focus()
    reached = set()
    for _ in range(14):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.className || document.activeElement.type"))
    assert {"quantity", "radio", "range", "metric", "part", "plot js-plotly-plot"} <= reached


def test_a_point_shows_its_image_and_a_mixup_code_its_members(look, page: Path, data_of) -> None:
    tab = look(page)
    reach(tab, "embedding")
    hover(tab, "#embedding .codes", 1, 2)
    tab.wait_for_selector("#embedding .card .thumb")
    data = data_of(page, "embedding-0")
    index = data["images"]["domain"][1]["customdata"][2]
    card = tab.locator("#embedding .card")
    assert data["files"][index] in card.inner_text()
    assert "bar, ink" in card.inner_text()

    tab.locator("#embedding .variant").select_option("FGMix")
    names = tab.evaluate("document.querySelector('#embedding .codes').data.map(trace => trace.name)")
    extrapolated = names.index("extrapolated")
    hover(tab, "#embedding .codes", extrapolated, 0)
    tab.wait_for_selector("#embedding .card li:nth-child(3)")
    assert "FGMix mixup code, extrapolated: bar" in card.inner_text()
    assert tab.locator("#embedding .weight").all_inner_texts() == ["weight 1.250", "weight 0.500", "weight −0.750"]
    members = [data["files"][member] for member in data["members"][-1]]
    assert tab.locator("#embedding .card small").all_inner_texts() == members
    assert tab.locator("#embedding .bar .negative").count() == 1
    # The pictures: a colour per domain, in the order of the members.
    tab.wait_for_timeout(200)
    colours = [tab.locator("#embedding .thumb").nth(k).screenshot() for k in range(3)]
    assert [dominant(colour) for colour in colours] == [0, 1, 2]

    tab.locator("#embedding .codes").focus()
    tab.keyboard.press("ArrowLeft")
    assert "interpolated" in card.inner_text()


def dominant(picture: bytes) -> int:
    """Which of red, green and blue a picture has most of."""
    return int(np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).mean((0, 1)).argmax())


def test_selectors_change_what_is_shown(look, page: Path) -> None:
    tab = look(page)
    surface = reach(tab, "surface")
    assert surface.get_attribute("data-shown") == "surface-0"
    tab.locator("#surface .choose select").first.select_option("neon")
    tab.wait_for_selector("#surface[data-shown='surface-1']")
    tab.locator("#surface .quantity").select_option("test_accuracy")
    assert tab.locator("#surface .name").inner_text() == "test accuracy"
    tab.locator("#surface .metric").select_option("balanced_accuracy")
    assert tab.locator("#surface .part option").count() == 2
    reach(tab, "flatness")
    tab.locator("#flatness .statistic").select_option("signed")
    title = tab.evaluate("document.querySelector('#flatness .plot').layout.yaxis.title.text")
    assert title == "mean change (nat)"
    reach(tab, "claims")
    assert tab.locator("#claims tbody tr").count() == 2
    tab.locator("#claims .verdict").select_option("waiting")
    assert tab.locator("#claims tbody tr").count() == 1
    assert "waiting" in tab.locator("#claims .badge").inner_text()


def test_scores_show_their_images(look, page: Path) -> None:
    tab = look(page)
    reach(tab, "correlation")
    hover(tab, "#correlation .pairs figure:nth-child(1) .plot", 0, 3)
    tab.wait_for_selector("#correlation .card .thumb")
    assert tab.locator("#correlation .card .thumb").count() == 2


def test_a_phone_needs_no_sideways_scroll(look, page: Path) -> None:
    tab = look(page, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    for kind in ("surface", "flatness", "embedding", "correlation", "claims"):
        reach(tab, kind)
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    box = tab.locator("#embedding .codes").bounding_box()
    assert box["width"] <= 390
    tab.locator("#embedding .codes").evaluate("element => element.scrollIntoView({ block: 'center' })")
    tab.touchscreen.tap(*tab.evaluate(POINT, ["#embedding .codes", 0, 0]))
    tab.wait_for_selector("#embedding .card .thumb")


def test_dark_by_system_and_by_button(look, page: Path) -> None:
    tab = look(page, color_scheme="dark")
    reach(tab, "surface")

    def seen() -> tuple[str, str, str]:
        ink = "document.querySelector('#surface .main')._fullLayout.font.color"
        return tuple(tab.evaluate(f"[getComputedStyle(document.body).backgroundColor, {ink}, theme.ariaPressed]"))

    assert seen() == ("rgb(20, 22, 26)", "#E9EAEC", "true")
    tab.locator("#theme").click()
    tab.wait_for_function("document.querySelector('#surface .main')._fullLayout.font.color === '#1B1D21'")
    assert seen() == ("rgb(255, 255, 255)", "#1B1D21", "false")


def test_a_selector_with_one_entry_is_not_shown(look, page: Path) -> None:
    tab = look(page)
    reach(tab, "flatness")
    assert not tab.locator("#flatness .scope").is_visible()  # all parameters is all there is
    assert tab.locator("#flatness .statistic").is_visible()
    assert {each.get_attribute("scope") for each in tab.locator("#flatness .numbers th").all()} == {"col"}
    reach(tab, "claims")
    assert not tab.locator("#claims .choose select").count()


def test_integers_keep_their_digits(look, page: Path) -> None:
    tab = look(page)
    values = tab.evaluate("[1218, 20000, 0, 1218.4, 0.012345, -3, null].map(value => explorer.number(value))")
    assert values == ["1218", "20000", "0", "1220", "0.0123", "-3", "–"]


def test_a_result_that_cannot_be_loaded_leaves_the_selectors(browser: Any, page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    shutil.copytree(page.parent, folder)
    away = folder / "away.js"
    (folder / "data" / "surface-1.js").rename(away)
    context = browser.new_context()
    tab = context.new_page()
    tab.set_default_timeout(15000)
    tab.goto((folder / page.name).as_uri())
    tab.wait_for_selector("#surface[data-shown='surface-0']")
    target = tab.locator("#surface .choose select").first
    target.select_option("neon")
    assert "surface-1.js is missing" in tab.locator("#surface .problem").inner_text()
    assert target.is_visible()
    assert not tab.locator("#surface .main").is_visible()
    target.select_option("clay")
    tab.wait_for_selector("#surface[data-shown='surface-0']")
    assert tab.locator("#surface .main").is_visible()
    assert tab.locator("#surface .problem").count() == 0
    # It is asked for again when it is chosen again.
    away.rename(folder / "data" / "surface-1.js")
    target.select_option("neon")
    tab.wait_for_selector("#surface[data-shown='surface-1']")
    context.close()


def test_of_two_quick_choices_the_later_one_stays(look, page: Path) -> None:
    tab = look(page)
    tab.wait_for_selector("#surface[data-shown='surface-0']")
    # The first choice's data come late, and the second choice's are there already.
    tab.evaluate("""() => {
      const append = document.head.append.bind(document.head);
      document.head.append = script => setTimeout(() => append(script), 400);
      const select = document.querySelector("#surface .choose select");
      for (const value of ["neon", "clay"]) {
        select.value = value;
        select.onchange();
      }
    }""")
    tab.wait_for_timeout(900)
    assert tab.locator("#surface").get_attribute("data-shown") == "surface-0"
    assert "neon, target" not in tab.locator("#surface .domains").inner_text()
    assert "clay, target" in tab.locator("#surface .domains").inner_text()


def test_three_dimensions(look, page: Path) -> None:
    tab = look(page)
    tab.wait_for_selector("#surface .domains figure:nth-child(4) .main-svg")
    if tab.locator("#surface .no-webgl").is_visible():
        pytest.skip("this Chromium has no WebGL, also not in software")
    tab.locator("[value=solid]").check()
    tab.wait_for_selector("#surface .main canvas")
    types = tab.evaluate(f"{PLOTS}[0].data.map(trace => trace.type)")
    assert types[:4] == ["surface", *["scatter3d"] * 3]
    tab.locator("#surface .main").focus()
    tab.keyboard.press("ArrowRight")
    assert "nat" in tab.locator("#surface .said").inner_text()
    tab.locator("#surface [type=range]").fill("1")
    assert tab.evaluate(f"{PLOTS}[0].data.find(trace => trace.meta === 'step').z") == [3.0, 3.25]
    tab.locator("[value=contour]").check()
    tab.wait_for_function("document.querySelector('#surface .main').data[0].type === 'contour'")


def test_missing_pieces_are_named_in_the_page(look, results: Path, tmp_path: Path) -> None:
    path, _ = write_explorer([results / "embedding.nc"], tmp_path)
    tab = look(path)
    reach(tab, "embedding")
    assert "python -m landscape.surface" in tab.locator("#surface").inner_text()
    assert "names files" in tab.locator("#embedding .card").inner_text()
    hover(tab, "#embedding .codes", 0, 0)
    tab.wait_for_selector("#embedding .card li")
    assert tab.locator("#embedding .thumb").count() == 0
    assert "clay/bar/0.png" in tab.locator("#embedding .card").inner_text()
    assert "--data" in tab.locator("footer .notes").inner_text()
