"""Figures 1, 2, 3 and 7: what was drawn, and that it can be read."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text

from landscape import toy
from landscape.figures.numbers.anatomy import Anatomy
from landscape.plots import theme
from landscape.plots.fig1 import plot_plane
from landscape.plots.fig2 import plot_fig2
from landscape.plots.fig3 import plot_fig3
from landscape.plots.fig7 import plot_fig7
from landscape.toy.planar_domains import WAYS, Setting, simulate
from landscape.toy.three_losses import three_losses


def drawn(figure: Figure) -> Figure:
    """Laid out as it will be printed."""
    with theme.style():
        FigureCanvasAgg(figure).draw()
    return figure


def words(figure: Figure) -> list[Text]:
    return [
        text
        for text in figure.findobj(Text)
        if isinstance(text, Text) and text.get_text().strip() and text.get_visible()
    ]


def check_legible(figure: Figure) -> None:
    assert figure.get_figwidth() == pytest.approx(theme.PAGE)
    assert figure.get_figheight() <= 9
    assert min(text.get_fontsize() for text in words(figure)) >= 6.5


def anatomy(*, classes: int = 7, width: int = 1280, sources: int = 3, batch: int = 32, side: int = 64) -> Anatomy:
    codes, groups, size = sources * batch, 32, classes * (width + 1)
    return Anatomy(
        label="run/step-000160.safetensors",
        step=160,
        start=100,
        model="efficientnet_lite0",
        images=(codes, 3, side, side),
        sources=sources,
        codes=(codes, width),
        groups=(groups, sources),
        mixed=(groups, width),
        logits=(codes + groups, classes),
        gradients=(codes, size),
        factors=((codes, classes), (codes, width + 1)),
        pairs=(groups * sources * (sources - 1), 2 * size),
        scores=(groups, sources, sources),
        weights=(groups, sources),
        score_layers=(2 * size, 64, 64, 1),
        discriminator_layers=(width, 64, 1),
        parameters={
            "featurizer": 23_508_032,
            "classifier": size,
            "score": 128 * size + 4289,
            "discriminator": 64 * width + 129,
            "scale": 1,
        },
        scale=2.981,
        scale_init=3.0,
        directions=100,
        radius=1.0,
        eta=0.1,
    )


@pytest.mark.parametrize(
    "parts",
    [anatomy(), anatomy(classes=345, width=2048, sources=5, side=224)],
    ids=["quick", "DomainNet with ResNet-50"],
)
def test_the_words_of_the_schematic_stay_in_their_boxes(parts: Anatomy) -> None:
    figure = drawn(plot_fig2(parts))
    check_legible(figure)
    for ax in figure.axes:
        boxes = [patch.get_window_extent() for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
        inside = 0
        for text in ax.texts:
            if not text.get_text():
                continue
            extent = text.get_window_extent()
            middle = (extent.x0 + extent.x1) / 2, (extent.y0 + extent.y1) / 2
            for box in boxes:
                if box.contains(*middle):
                    inside += 1
                    assert box.x0 <= extent.x0, text.get_text()
                    assert extent.x1 <= box.x1, text.get_text()
        assert inside >= 2 * len(boxes)
        assert len(boxes) == (9 if ax is figure.axes[0] else 12)


def test_the_schematic_writes_what_it_was_given() -> None:
    said = {text.get_text() for text in words(plot_fig2(anatomy()))}
    assert {
        "96 × 3 × 64 × 64",
        "96 × 1,280",
        "32 × 1,280",
        "192 × 17,934",
        "23.5 M parameters",
        "8,967 parameters",
    } <= said


def test_figure_3_marks_where_extrapolation_begins() -> None:
    result = three_losses()
    figure = drawn(plot_fig3(result))
    check_legible(figure)
    assert len(figure.axes) == 3
    for row, ax in enumerate(figure.axes[1:]):
        lines = [line for line in ax.lines if len(line.get_xdata()) == len(result.scales)]
        np.testing.assert_allclose([line.get_ydata() for line in lines], result.scaled[row].T)
        dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
        assert [line.get_xdata()[0] for line in dashed] == [result.onset[row]]


def test_figure_7_shows_the_vectors_and_reddens_a_wrong_number() -> None:
    example = toy.appendix_a()
    rows = [(line.name, line.ours, line.same) for line in toy.compare(example)]
    digits = pd.DataFrame(rows, columns=["quantity", "ours", "same"])
    digits.loc[digits.quantity == "softmax_weight g2 self", "same"] = False
    figure = drawn(plot_fig7(example, digits))
    check_legible(figure)
    ends = [text.xy for text in figure.axes[1].texts if hasattr(text, "xy")]
    for method in ("erm", "and_mask", "fgmix"):
        assert any(np.allclose(end, getattr(example, method)) for end in ends)
    red = [text.get_text() for text in figure.axes[2].texts if text.get_color() == theme.VERMILLION]
    assert red == ["0.39938428"]
    assert "27 of 28" in figure.axes[2].get_title()


def test_figure_1_shows_three_worlds_three_ways_and_every_draw() -> None:
    outcome = simulate(Setting(worlds=6, target_per_class=20, codes=12, hidden=4, steps=5), seed=0)
    count = {"helps": 0.5, "helps_low": 0.3, "helps_high": 0.7, "hurts": 0.1, "hurts_low": 0.0, "hurts_high": 0.2}
    shares = pd.DataFrame([{"against": way, **count} for way in WAYS[:2]])
    bands = pd.DataFrame([{"low": 0, "high": 90, "mean": 0.1, "mean_low": 0.0, "mean_high": 0.2}])
    figure = drawn(plot_plane(outcome, shares, bands, ways=WAYS, threshold=0.01))
    check_legible(figure)
    assert len(figure.axes) == 11
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[:3] == [f"({letter}) {way}" for letter, way in zip("abc", WAYS, strict=True)]
    np.testing.assert_allclose(figure.axes[-1].collections[0].get_offsets()[:, 0], outcome.angle)
    assert titles[-2] == "(d) extrapolation helps, hurts by 1 point or more"
