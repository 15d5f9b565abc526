"""Figures 4 and 9 drawn from a result made by hand: what is on them, and that it stays in its place."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from landscape.embedding.embedding import Embedding
from landscape.embedding.estimate import Estimate
from landscape.plots import theme
from landscape.plots.embedding import MARKERS, class_colours, plot_embedding
from landscape.plots.fig4 import fig4_caption, plot_distances, plot_fig4, plot_gains, plot_hull_shares
from landscape.plots.fig9 import fig9_caption, plot_fig9

DOMAINS, SHARE = ("photo", "clipart", "cartoon", "sketch"), 0.25


def build(*, classes: int = 3, coverage: bool = True, name: str = "FGMix + SWA, step 160") -> Embedding:
    rng = np.random.default_rng(0)
    images, mixup = 24 * classes, 12 * classes
    domain, label = np.arange(images) % 4, np.arange(images) // 4 % classes
    members = np.tile([0, 1, 2], (mixup, 1))
    weights = np.full((mixup, 3), 1 / 3, np.float32)
    far = weights.copy()
    far[: int(SHARE * mixup)] = [-0.2, 0.6, 0.6]
    queries, pools = ("target", "held-out sources"), ("sources", "A", "FGMix", "control of FGMix", "FGMix - control")
    rows = [
        Estimate(measure, query, pool, d, 0.5 + 0.01 * i, 0.45, 0.6, 30)
        for measure in ("inside", "distance")
        for query in queries
        for i, pool in enumerate(pools)
        for d in (2, 5, 8)
    ]
    mixing = [Estimate("domain entropy", "images", "all domains", 8, 0.6, 0.5, 0.7, images, 1.1)]
    mixing.append(Estimate("class silhouette", "images", "all domains", 8, 0.02, 0.01, 0.03, images))
    return Embedding(
        codes=rng.standard_normal((images + 2 * mixup, 8)).astype(np.float32),
        points=5 * rng.standard_normal((images + 2 * mixup, 2)),
        label=np.concatenate([label, *[np.arange(mixup) % classes] * 2]),
        domain=np.concatenate([domain, np.full(2 * mixup, -1)]),
        kind=np.concatenate([np.zeros(images, int), np.ones(mixup, int), np.where(far[:, 0] < 0, 2, 1)]),
        variant=np.repeat([-1, 0, 1], [images, mixup, mixup]),
        members=np.concatenate([np.full((images, 3), -1), members, members]),
        weights=np.concatenate([np.full((images, 3), np.nan, np.float32), weights, far]),
        held_out=np.arange(images) % 5 == 0,
        rows=np.arange(images),
        files=(),
        classes=tuple(f"class{k}" for k in range(classes)),
        domains=DOMAINS,
        variants=("A", "FGMix"),
        scores={},
        coverage=tuple(rows) if coverage else (),
        mixing=tuple(mixing),
        about={
            "data": "sixstyles",
            "target": "sketch",
            "sources": list(DOMAINS[:3]),
            "model": "efficientnet_lite0",
            "image_size": 64,
            "names": name,
            "seeds": [0],
            "n": {"images": images, "pool": 40, "target": 18, "held_out": 10, "mixup": {"A": mixup, "FGMix": mixup}},
            "reach": {"A": 0.0, "FGMix": 0.2},
            "explained": [[2, 0.2], [5, 0.5], [8, 1.0]],
            "recipe": {"draws": 5, "neighbours": 10},
            "notes": [],
        },
    )


@pytest.fixture
def embedding() -> Embedding:
    return build()


def panels(figure: Figure, count: int) -> list:
    return figure.axes[:count]


def inside(figure: Figure) -> None:
    """Nothing is cut off, and no text lies on another's."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [ax.get_tightbbox(renderer) for ax in figure.axes if ax.axison]
    legends = [legend for part in figure.subfigs for legend in part.legends]
    boxes += [legend.get_window_extent(renderer) for legend in legends]
    boxes += [text.get_window_extent(renderer) for text in figure.texts]
    whole = figure.bbox.padded(1.0)
    for box in boxes:
        assert whole.x0 <= box.x0
        assert box.x1 <= whole.x1
        assert whole.y0 <= box.y0
        assert box.y1 <= whole.y1
    for index, box in enumerate(boxes):
        for other in boxes[index + 1 :]:
            assert not box.padded(-2.0).overlaps(other.padded(-2.0))


def test_figure_4_has_three_panels_with_the_same_axes(embedding: Embedding) -> None:
    figure = plot_fig4(embedding, figure=Figure())
    first, *others = panels(figure, 3)
    assert [ax.get_title()[:3] for ax in figure.axes] == ["(a)", "(b)", "(c)", "(d)", "(e)"]
    for ax in others:
        assert ax.get_xlim() == first.get_xlim()
        assert ax.get_ylim() == first.get_ylim()
    inside(figure)
    # Every image is on every panel, and one variant's mixup codes on each of the others.
    counts = [sum(len(points.get_offsets()) for points in ax.collections) for ax in panels(figure, 3)]
    assert counts == [72, 72 + 36, 72 + 36]


def test_domains_by_colour_classes_by_marker_kinds_in_grey_and_black(embedding: Embedding) -> None:
    ax = plot_embedding(embedding, Figure().add_subplot(), variant="FGMix")
    colours = theme.domain_colours(DOMAINS)
    images = ax.collections[:3]
    for label, points in enumerate(images):
        rows = np.flatnonzero(embedding.label[:72] == label)
        drawn = {
            (*np.round(xy, 6), to_hex(colour))
            for xy, colour in zip(points.get_offsets(), points.get_facecolor(), strict=True)
        }
        expected = {
            (*np.round(embedding.points[row], 6), colours[DOMAINS[embedding.domain[row]]].lower()) for row in rows
        }
        assert drawn == expected
    shapes = [tuple(map(tuple, points.get_paths()[0].vertices.round(3).tolist())) for points in images]
    assert len(set(shapes)) == 3
    black = [points for points in ax.collections[3:] if to_hex(points.get_facecolor()[0]) == theme.BLACK]
    assert sum(len(points.get_offsets()) for points in black) == SHARE * 36


def test_legends_are_outside_the_panels(embedding: Embedding) -> None:
    figure = plot_fig4(embedding, figure=Figure())
    assert all(ax.get_legend() is None for ax in figure.axes)
    words = [text.get_text() for part in figure.subfigs for legend in part.legends for text in legend.get_texts()]
    for word in ("sketch (target)", "extrapolated", "class2", "sources = sources + A", "held-out sources"):
        assert word in words


def test_coverage_is_drawn_where_it_was_measured(embedding: Embedding) -> None:
    figure = Figure()
    shares = plot_hull_shares(embedding, figure.add_subplot(121))
    labels = [bars.get_label() for bars in shares.containers]
    assert "target: A" not in labels  # the sources' own hull
    assert "target: FGMix - control" not in labels
    assert labels.count("target: FGMix") == 3
    bars = shares.containers[labels.index("target: FGMix")]
    assert bars.lines[0].get_ydata() == pytest.approx([0.52])
    segment = bars.lines[2][0].get_segments()[0]
    assert segment[:, 1] == pytest.approx([0.45, 0.6])
    distances = plot_distances(embedding, figure.add_subplot(122))
    assert len(distances.containers) == 8  # four pools, two queries, all dimensions only


def test_gains_have_a_mark_for_each_target_query_and_dimension() -> None:
    queries, targets = ("target", "held-out sources", "target - held-out sources"), ("photo", "cartoon", "sketch")
    cells = [(t, m, d, q) for t in targets for m, d in (("inside", 2), ("inside", 5), ("distance", 8)) for q in queries]
    rows = [(*cell, 0.01 * i, 0.01 * i - 0.2, 0.01 * i + 0.1) for i, cell in enumerate(cells)]
    table = pd.DataFrame(rows, columns=["target", "measure", "d", "query", "difference", "low", "high"])
    figure = plot_gains(table, figure=Figure())
    inside(figure)
    shares, distances = figure.axes
    assert (len(shares.containers), len(distances.containers)) == (12, 6)
    assert [tick.get_text() for tick in shares.get_xticklabels()] == ["d = 2", "d = 5"]
    places = []
    for bars in shares.containers + distances.containers:
        target, query = bars.get_label().split(", ")
        (mark,) = bars.lines[0].get_ydata()
        row = table[(table["target"] == target) & (table["query"] == query)]
        row = row[np.isclose(row["difference"], mark)].iloc[0]
        ends = bars.lines[2][0].get_segments()[0][:, 1]
        assert ends == pytest.approx([row["low"], row["high"]])
        assert to_hex(bars.lines[0].get_color()) == theme.domain_colours(targets)[target].lower()
        assert (bars.lines[0].get_markerfacecolor() == "white") == (query != "target")
        if bars in shares.containers:
            places.append(float(bars.lines[0].get_xdata()[0]))
    assert len(set(places)) == 12
    (legend,) = figure.legends
    words = [text.get_text() for text in legend.get_texts()]
    assert words == ["target photo", "target cartoon", "target sketch", "target codes", "held-out source codes"]


def test_the_caption_says_what_is_evidence(embedding: Embedding) -> None:
    said = fig4_caption(embedding, note="A note.")
    for words in (
        "Data sixstyles, target sketch, sources photo, clipart, cartoon; efficientnet_lite0, 64 px, FGMix + SWA",
        "seed 0, one seed",
        "72 images",
        "FGMix: 36 codes, 25.0% extrapolated",
        "a position in it is no evidence",
        "20% at d = 2, 50% at d = 5",
        "Interpolation can never enlarge a hull and any extrapolation can: only the difference from the controls",
        "95 % intervals over images, of this one run.",
    ):
        assert words in said
    assert said.endswith("A note.")


def test_figure_9_has_a_column_a_model(embedding: Embedding) -> None:
    other = replace(build(name="ERM + SWA, step 160"), points=embedding.points[::-1])
    difference = Estimate(
        "domain entropy", f"{embedding.name} - {other.name}", "all domains", 8, -0.02, -0.03, 0.01, 72
    )
    figure = plot_fig9([other, embedding], differences=[difference], figure=Figure())
    inside(figure)
    assert [ax.get_title() for ax in figure.axes] == [
        "(a) ERM + SWA, step 160, by class",
        "(b) FGMix + SWA, step 160, by class",
        "(c) ERM + SWA, step 160, by domain",
        "(d) FGMix + SWA, step 160, by domain",
    ]
    for ax in figure.axes:
        assert sum(len(points.get_offsets()) for points in ax.collections) == 72  # images only
    said = fig9_caption([other, embedding], differences=[difference])
    assert "10-NN domain entropy within class, nat: ERM + SWA 0.6000 [0.5000, 0.7000], FGMix + SWA 0.6000" in said
    assert "(shuffled domains: 1.1000)" in said
    assert "FGMix + SWA - ERM + SWA, paired: -0.0200 [-0.0300, +0.0100]." in said
    assert "one t-SNE per model" in said


@pytest.mark.parametrize("classes", [1, 11, 40])
def test_few_and_many_classes_fit(classes: int) -> None:
    inside(plot_fig4(build(classes=classes), figure=Figure()))
    colours = class_colours(classes)
    assert len(set(colours)) == classes
    assert all(a != b for a, b in pairwise(MARKERS))


def test_without_coverage_or_mixup_less_is_drawn(embedding: Embedding) -> None:
    figure = plot_fig4(build(coverage=False), figure=Figure())
    inside(figure)
    assert len(figure.axes) == 3
    count = embedding.count
    bare = replace(
        build(coverage=False),
        variants=(),
        **{name: getattr(embedding, name)[:count] for name in ("points", "label", "domain", "kind", "variant")},
    )
    inside(plot_fig4(bare, figure=Figure()))
    inside(plot_fig4(embedding, variants=["FGMix"], figure=Figure()))


def test_a_flat_cloud_has_a_flat_panel_with_equal_units(embedding: Embedding) -> None:
    flat = replace(embedding, points=embedding.points * [1.0, 0.5])
    for figure in (plot_fig9([flat, embedding], figure=Figure()), plot_fig4(flat, figure=Figure())):
        inside(figure)
    figure = plot_fig9([flat, flat], figure=Figure())
    inside(figure)
    square = plot_fig9([embedding, embedding], figure=Figure())
    assert figure.get_size_inches()[1] < square.get_size_inches()[1] <= 9
    for above, below in zip(figure.axes[:2], figure.axes[2:], strict=True):  # a column a model
        assert (above.get_xlim(), above.get_ylim()) == (below.get_xlim(), below.get_ylim())
    ax = figure.axes[0]
    for axis, ends in enumerate((ax.get_xlim(), ax.get_ylim())):
        assert np.ptp(ends) == pytest.approx(1.04 * np.ptp(flat.points[:, axis]))
    assert ax.get_aspect() == 1.0


def test_it_is_the_same_bytes_every_time(embedding: Embedding, tmp_path) -> None:
    for name in ("one", "two"):
        theme.save(plot_fig4(embedding, figure=Figure()), tmp_path / name, formats=("png",), about={"title": "x"})
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
