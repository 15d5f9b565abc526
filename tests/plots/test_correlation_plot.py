"""What figure 8 contains, found in the figure itself."""

from itertools import permutations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from landscape.correlation.association import Association
from landscape.correlation.identifiability import Untrained, centred, within_groups
from landscape.correlation.samples import DomainPair, GroupScores
from landscape.plots.correlation import caption, plot_fig8, plot_pair, plot_untrained, plot_within

SOURCES = ("photo", "clipart", "cartoon")


def build(sources: tuple[str, ...] = SOURCES, n: int = 200) -> Association:
    """Scores that follow the cosine more in some panels than in others."""
    rng = np.random.default_rng(0)
    pairs = []
    for strength, (first, second) in enumerate(permutations(sources, 2)):
        cosine = np.tanh(rng.normal(size=n))
        norms = rng.uniform(0.5, 2, size=(n, 2))
        score = 0.2 * strength * cosine + 0.5 * rng.normal(size=n)
        labels, rows = rng.integers(7, size=n), rng.integers(900, size=(n, 2))
        pairs.append(
            DomainPair.correlated(
                first, second, score=score, cosine=cosine, norms=norms, labels=labels, rows=rows, resamples=100,
                generator=rng,
            )
        )  # fmt: skip
    members, count = len(sources), len(pairs)
    cosine = centred(rng.normal(size=(60, members)))
    score = centred(0.5 * cosine + rng.normal(size=(60, members)))
    within = within_groups(score, cosine, resamples=100, permutations=100, generator=rng)
    groups = GroupScores(score, cosine, rng.integers(7, size=60), rng.integers(900, size=(60, members)), within)
    draws = [Untrained(*(0.1 * rng.normal(size=shape) for shape in ((k, count), (k, count), k))) for k in (30, 1)]
    about = {
        "data": "sixstyles",
        "target": "sketch",
        "sources": list(sources),
        "model": "efficientnet_lite0",
        "image_size": 64,
        "seeds": [0],
        "name": "FGMix, step 160",
        "start": 100,
        "policy_steps": 61,
        "part": "in",
        "n": {"pairs": [n] * count},
        "notes": [],
    }
    return Association(tuple(pairs), groups, *draws, about)


@pytest.fixture(scope="module")
def association() -> Association:
    return build()


@pytest.fixture(scope="module")
def figure(association: Association) -> Figure:
    figure = plot_fig8(association, figure=Figure(), note="A note.")
    FigureCanvasAgg(figure).draw()
    return figure


def lines(ax, label: str) -> list:
    return [line for line in ax.lines if line.get_label() == label]


def test_a_panel_for_every_ordered_pair_with_its_points(association, figure) -> None:
    panels = figure.axes[:6]
    assert [ax.get_title() for ax in panels] == [pair.name for pair in association.pairs]
    for ax, pair in zip(panels, association.pairs, strict=True):
        np.testing.assert_array_equal(ax.lines[0].get_xdata(), pair.cosine)
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), pair.score)


def test_the_panels_share_their_axes(figure) -> None:
    limits = {(ax.get_xlim(), ax.get_ylim()) for ax in figure.axes[:6]}
    assert len(limits) == 1


def test_rho_interval_and_p_are_in_the_panel_clear_of_the_points(association, figure) -> None:
    renderer = FigureCanvasAgg(figure).get_renderer()
    for ax, pair in zip(figure.axes[:6], association.pairs, strict=True):
        (text,) = ax.texts
        rho = pair.rho
        assert f"= {rho.value:.2f} [{rho.low:.2f}, {rho.high:.2f}]" in text.get_text()
        assert "$p" in text.get_text()
        bottom = text.get_window_extent(renderer).y0
        assert bottom > ax.transData.transform(np.column_stack([pair.cosine, pair.score]))[:, 1].max()


def test_the_companions_hold_what_was_measured(association, figure) -> None:
    within, untrained = figure.axes[6:8]
    drawn = np.concatenate([line.get_xdata() for line in within.lines])
    np.testing.assert_array_equal(np.sort(drawn), np.sort(association.groups.cosine.ravel()))
    names = [label.get_text() for label in untrained.get_yticklabels()]
    assert names == [*(pair.name for pair in association.pairs), "mean of rho", "within groups"]
    trained = [line.get_xdata()[0] for line in lines(untrained, "_trained")]
    expected = [*association.observed("rho"), association.mean, association.groups.within.value]
    assert trained == pytest.approx(expected)
    rows = lines(untrained, "_untrained")
    assert len(rows) == 8
    np.testing.assert_array_equal(rows[2].get_xdata(), association.untrained.rho[:, 2])
    np.testing.assert_array_equal(rows[7].get_xdata(), association.untrained.within)
    assert len(lines(untrained, "_given")) == 6
    # The mean has no interval: its six values share one score.
    assert len(lines(untrained, "_interval")) == 7


def test_the_caption_owes_nothing(association) -> None:
    said = caption(association, note="A note.")
    for words in (
        "sixstyles", "sketch", "efficientnet_lite0", "seed 0, one seed", "61 policy steps", "n = 200",
        "training images",
        "bootstrap", "t approximation", "unadjusted", "2 h(b)", "60 groups", "30 random initialisations", "A note.",
    ):  # fmt: skip
        assert words in said


def test_nothing_is_cut_off(figure) -> None:
    renderer = FigureCanvasAgg(figure).get_renderer()
    width, height = figure.bbox.width, figure.bbox.height
    box = figure.get_tightbbox(renderer)
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 * figure.dpi <= width
    assert box.y1 * figure.dpi <= height


@pytest.mark.parametrize(("count", "shape"), [(2, (1, 2)), (4, (3, 4)), (5, (4, 5))])
def test_other_numbers_of_sources(count: int, shape: tuple[int, int]) -> None:
    association = build(("photo", "clipart", "cartoon", "flat", "render3d")[:count], n=30)
    figure = plot_fig8(association, figure=Figure())
    spec = figure.axes[0].get_subplotspec().get_gridspec()
    assert (spec.nrows, spec.ncols) == shape
    if count == 2:
        assert np.isnan(association.groups.within.value)
        assert "undefined" in figure.axes[2].texts[0].get_text()


def test_plain_arrays_are_one_panel() -> None:
    rng = np.random.default_rng(0)
    own = Association.of(rng.normal(size=50), rng.normal(size=50))
    figure = plot_fig8(own, figure=Figure())
    assert len(figure.axes) == 1
    assert "n = 50 pairs of gradients" in caption(own)


def test_constant_scores_are_drawn_and_said_to_have_no_rho() -> None:
    own = Association.of(np.full(20, 0.3), np.linspace(-1, 1, 20))
    ax = plot_pair(own, ax=Figure().add_subplot())
    assert "undefined" in ax.texts[0].get_text()


def test_each_part_draws_alone_and_keeps_the_readers_settings(association) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    for part in (plot_pair, plot_within, plot_untrained):
        ax = Figure().add_subplot()
        assert part(association, ax=ax) is ax
    assert dict(mpl.rcParams) == before
