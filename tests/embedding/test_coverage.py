"""Coverage: what is inside against triangulations, distances against scikit-learn, laws of hulls."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import Delaunay
from scipy.spatial.distance import cdist
from sklearn.metrics import pairwise_distances_argmin_min

from landscape.embedding import coverage
from landscape.embedding.coverage import GAP, HELD_OUT, SOURCES, TARGET, cover, nearest_distance
from landscape.embedding.hull import in_hull
from landscape.embedding.mixed import Mixed
from landscape.embedding.projection import Projection
from landscape.embedding.recipe import Recipe
from landscape.storage import Journal

RECIPE = Recipe(dimensions=(2, 3, 6), draws=2, resamples=200)


def with_extrapolation(codes, share_of=2.5):
    """The codes with their random interpolations, and with the same groups scaled by Eq. 5."""
    (inner,) = codes.mixtures
    outer = share_of * inner.weights + (1 - share_of) / 3
    return replace(codes, mixtures=(inner, Mixed("FGMix", inner.members, outer)))


def table_of(estimates):
    return {(row.measure, row.query, row.pool, row.dimension): row for row in estimates}


def test_the_projection_is_that_of_the_svd_and_knows_no_target(codes_of) -> None:
    codes = codes_of()
    pool = codes.codes[codes.in_pool].astype(float)
    own, (_, scale, axes) = Projection.fit(pool, 4), np.linalg.svd(pool - pool.mean(0), full_matrices=False)
    np.testing.assert_allclose(
        np.abs(own.apply(codes.codes)), np.abs((codes.codes - pool.mean(0)) @ axes[:4].T), atol=1e-8
    )
    np.testing.assert_allclose(own.explained, (scale**2).cumsum()[:4] / (scale**2).sum())
    assert (np.abs(own.axes).max(0) == own.axes.max(0)).all()
    assert Projection.fit(np.full((3, 4), 2.0), 2).axes.shape == (4, 0)
    assert Projection.fit(np.outer(np.arange(5.0), np.ones(4)), 4).axes.shape == (4, 1)


def test_shares_inside_are_those_of_a_triangulation(codes_of) -> None:
    codes = with_extrapolation(codes_of())
    estimates, notes, explained = cover(codes, RECIPE, progress=False)
    found, projection = table_of(estimates), Projection.fit(codes.codes[codes.in_pool], 6)
    held_out = ~codes.is_target & codes.held_out
    assert notes == []
    assert explained[-1] == pytest.approx(1)
    for d in (2, 3):
        points = projection.apply(codes.codes)[:, :d]
        for query, asked in ((TARGET, codes.is_target), (HELD_OUT, held_out)):
            for pool, mixed in ((SOURCES, None), ("A", codes.mixtures[0]), ("FGMix", codes.mixtures[1])):
                inside = []
                for label in (0, 1):
                    hull = points[codes.in_pool & (codes.label == label)]
                    if mixed is not None:
                        extra = projection.apply(mixed.codes(codes.codes))[:, :d]
                        hull = np.concatenate([hull, extra[mixed.labels(codes.label) == label]])
                    inside += list(Delaunay(hull).find_simplex(points[asked & (codes.label == label)]) >= 0)
                row = found["inside", query, pool, d]
                assert row.value == pytest.approx(np.mean(inside))
                assert row.n == asked.sum()
                assert row.low <= row.value <= row.high


def test_laws_of_hulls(codes_of) -> None:
    codes = with_extrapolation(codes_of(seed=2))
    found = table_of(cover(codes, RECIPE, progress=False)[0])
    for query in (TARGET, HELD_OUT):
        for d in RECIPE.dimensions:
            alone = found["inside", query, SOURCES, d]
            assert _equal([found["inside", query, "A", d]], [replace(alone, pool="A")])  # interpolation changes no hull
            assert found["inside", query, "FGMix", d].value >= alone.value
            assert found["inside", query, "control of FGMix", d].value >= alone.value
        values = [found["inside", query, "FGMix", d].value for d in RECIPE.dimensions]
        assert values == sorted(values, reverse=True)


def test_short_cuts_change_nothing(codes_of, monkeypatch) -> None:
    codes = with_extrapolation(codes_of(per_cell=14))
    (inner, outer), recipe = codes.mixtures, replace(RECIPE, dimensions=(2, 3))
    # A user's own mixup: no negative weight, and yet beyond the sources, as target images are among its members.
    foreign = inner.members.copy()
    foreign[::2, 0] = np.resize(np.flatnonzero(codes.is_target), len(foreign[::2]))
    codes = replace(codes, mixtures=(inner, outer, Mixed("own", foreign, inner.weights)))
    calls: list[int] = []
    monkeypatch.setattr(coverage, "in_hull", lambda *given: calls.append(1) or in_hull(*given))
    quick, fewer = cover(codes, recipe, progress=False)[0], len(calls)
    monkeypatch.setattr(coverage, "separates", lambda *_: False)
    monkeypatch.setattr(coverage, "_reaching", lambda mixed, _: np.ones(len(mixed), dtype=bool))
    plain = cover(codes, recipe, progress=False)[0]
    assert _equal(quick, plain)
    assert fewer < len(calls) - fewer
    found = table_of(quick)
    assert found["inside", TARGET, "own", 2].value > found["inside", TARGET, SOURCES, 2].value


def test_interpolated_codes_are_always_inside_and_extrapolated_ones_not(codes_of) -> None:
    codes = with_extrapolation(codes_of(), 6.0)
    inner, outer = (mixed.codes(codes.codes) for mixed in codes.mixtures)
    label = codes.mixtures[0].labels(codes.label)
    shares = []
    for made in (inner, outer):
        # The mixup codes themselves stand in for the target's images.
        joined = replace(
            codes,
            codes=np.concatenate([codes.codes, made]),
            label=np.concatenate([codes.label, label]),
            domain=np.concatenate([np.where(codes.is_target, 4, codes.domain), np.full(len(made), 3)]),
            domains=(*codes.domains, "rest"),
            held_out=np.concatenate([codes.held_out | codes.is_target, np.zeros(len(made), bool)]),
            rows=np.arange(len(codes) + len(made)),
            mixtures=(),
        )
        found = table_of(cover(joined, RECIPE, progress=False)[0])
        shares.append([found["inside", TARGET, SOURCES, d].value for d in RECIPE.dimensions])
    assert shares[0] == [1.0, 1.0, 1.0]
    assert shares[1][-1] < 0.9


def test_distances_are_scikit_learns(codes_of) -> None:
    codes = with_extrapolation(codes_of())
    found, projection = table_of(cover(codes, RECIPE, progress=False)[0]), Projection.fit(codes.codes[codes.in_pool], 6)
    mixed = codes.mixtures[1]
    made, label = mixed.codes(codes.codes).astype(float), mixed.labels(codes.label)
    for d, reduce in ((2, lambda x: projection.apply(x)[:, :2]), (6, lambda x: x)):
        nearest = [
            pairwise_distances_argmin_min(
                reduce(codes.codes[codes.is_target & (codes.label == k)].astype(float)), reduce(made[label == k])
            )[1]
            for k in (0, 1)
        ]
        assert found["distance", TARGET, "FGMix", d].value == pytest.approx(np.concatenate(nearest).mean(), rel=1e-5)


def test_the_nearest_code_is_cdists() -> None:
    rng = np.random.default_rng(0)
    queries, points = 1000 + rng.standard_normal((50, 7)), 1000 + rng.standard_normal((30, 7))
    queries[0] = points[3]
    np.testing.assert_allclose(nearest_distance(queries, points), cdist(queries, points).min(1), rtol=1e-9)
    assert nearest_distance(queries, points)[0] == 0


def test_differences_from_the_control_are_paired_and_their_gap_is_not(codes_of) -> None:
    found = table_of(cover(with_extrapolation(codes_of()), RECIPE, progress=False)[0])
    for measure in ("inside", "distance"):
        gains = {}
        for query in (TARGET, HELD_OUT):
            own, control = found[measure, query, "FGMix", 2], found[measure, query, "control of FGMix", 2]
            gains[query] = found[measure, query, "FGMix - control", 2].value
            assert gains[query] == pytest.approx(own.value - control.value)
        assert found[measure, GAP, "FGMix - control", 2].value == pytest.approx(gains[TARGET] - gains[HELD_OUT])
    assert not any(pool.startswith("A - ") for _, _, pool, _ in found)  # random interpolation needs no control


def test_what_cannot_be_asked_is_said(codes_of) -> None:
    codes = codes_of(per_cell=4)
    codes = replace(codes, held_out=np.zeros(len(codes), bool), label=np.where(codes.is_target, codes.label, 0))
    codes = replace(codes, mixtures=(), classes=("bar", "disc"))
    estimates, notes, _ = cover(codes, replace(RECIPE, dimensions=(2, 6, 40)), progress=False)
    assert {row.query for row in estimates} == {TARGET}
    assert {row.n for row in estimates} == {4}
    said = " ".join(notes)
    for words in ("span 6 dimensions", "4 target images are of classes that no source has", "no held-out source"):
        assert words in said
    few = replace(codes_of(per_cell=2), mixtures=())
    assert "too few to fill a hull in d = 6" in " ".join(cover(few, RECIPE, progress=False)[1])


def test_an_interrupted_call_continues_to_the_same_result(codes_of, tmp_path, monkeypatch) -> None:
    codes, path = with_extrapolation(codes_of()), tmp_path / "journal.jsonl"
    whole = cover(codes, RECIPE, progress=False)[0]
    solve, calls = coverage.in_hull, []

    def dies(points, query):
        calls.append(1)
        if len(calls) > 60:
            raise KeyboardInterrupt
        return solve(points, query)

    monkeypatch.setattr(coverage, "in_hull", dies)
    with pytest.raises(KeyboardInterrupt):
        cover(codes, RECIPE, journal=path, progress=False)
    done = len(Journal(path).read())
    assert done > 0
    count = []
    monkeypatch.setattr(coverage, "in_hull", lambda points, query: count.append(1) or solve(points, query))
    assert _equal(cover(codes, RECIPE, journal=path, progress=False)[0], whole)
    first = len(count)
    assert cover(codes, RECIPE, journal=path, progress=False)
    assert len(count) == first  # nothing is solved twice
    other = with_extrapolation(codes_of(seed=9))
    fresh = cover(other, RECIPE, progress=False)[0]
    assert _equal(cover(other, RECIPE, journal=path, progress=False)[0], fresh)  # another's rows are not taken


def _equal(some, others) -> bool:
    """Estimates are equal; their reference is NaN, which equals nothing."""
    return [replace(row, reference=0.0) for row in some] == [replace(row, reference=0.0) for row in others]
