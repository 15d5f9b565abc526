"""Does the mixup cover the target? Hull shares and nearest distances, with the two controls of figure 4."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from landscape.embedding.codes import Codes
from landscape.embedding.estimate import Estimate
from landscape.embedding.hull import in_hull, separates, separation
from landscape.embedding.mixed import Mixed, matched_control
from landscape.embedding.projection import Projection
from landscape.embedding.recipe import Recipe
from landscape.intervals import Interval, bootstrap_difference, bootstrap_mean
from landscape.seeding import numpy_generator
from landscape.storage import Journal, digest

SOURCES = "sources"
TARGET, HELD_OUT, GAP = "target", "held-out sources", "target - held-out sources"


@dataclass(frozen=True, eq=False)
class Pool:
    """Mixup codes that are added to the sources' own.

    Attributes:
        name: what made them.
        codes: (M, D).
        label: (M,).
        reaching: (M,) bool: those that may lie outside of the sources' hull; the others change no hull.
    """

    name: str
    codes: np.ndarray
    label: np.ndarray
    reaching: np.ndarray


def cover(
    codes: Codes, recipe: Recipe, *, journal: Path | str | None = None, progress: bool = True
) -> tuple[list[Estimate], list[str], np.ndarray]:
    """How much of the target the sources' codes, and mixup codes with them, cover; per class, averaged over images.

    ``inside``: the share of images whose code lies in the convex hull of the same class's in-split source codes
    and mixup codes, after a PCA fitted on the source codes. Interpolations cannot enlarge that hull, and any
    extrapolation can, so a share by itself says nothing; two controls do: held-out source images in place of the
    target's, and random weights + Eq. 5 for the same groups with the same extrapolated share.
    ``distance``: to the nearest mixup code of the class, reduced or in the whole latent space.

    Args:
        codes: images and mixup codes.
        recipe: dimensions, draws of the control, resamples.
        journal: a file that keeps finished parts; an interrupted call with the same inputs goes on from it.
        progress: show a bar with the time left.

    Returns:
        The estimates; notes; (d,) the share of the sources' variance in the first components.
    """
    pool = codes.in_pool
    projection = Projection.fit(codes.codes[pool], max(recipe.dimensions))
    reached = projection.axes.shape[1]
    dimensions = [d for d in recipe.dimensions if d <= reached]
    notes = [] if len(dimensions) == len(recipe.dimensions) else [f"the source codes span {reached} dimensions only"]
    queries = _queries(codes, notes)
    counts = np.bincount(codes.label[pool], minlength=len(codes.classes))
    asked = np.unique(np.concatenate([codes.label[rows] for rows in queries.values()]))
    if not len(asked):
        return [], [*notes, "there is nothing to ask the coverage of"], projection.explained
    if few := [str(d) for d in dimensions if counts[asked].min() <= d]:
        smallest = codes.classes[asked[counts[asked].argmin()]]
        notes.append(
            f"class {smallest} has {counts[asked].min()} source codes: too few to fill a hull in d = {', '.join(few)}"
        )
    pools = list(_pools(codes, recipe))
    inside = _Inside(codes, projection, dimensions, pools, queries, journal).all(progress)
    distance = _distances(codes, projection, dimensions, pools, queries)
    estimates: list[Estimate] = []
    for measure, values in (("inside", inside), ("distance", distance)):
        estimates += _estimates(measure, values, queries, codes, recipe)
    return estimates, notes, projection.explained


def _queries(codes: Codes, notes: list[str]) -> dict[str, np.ndarray]:
    """The images asked about: those of the target, and the sources' held-out ones; of classes that sources have."""
    known = np.isin(codes.label, np.unique(codes.label[codes.in_pool]))
    if lost := int((codes.is_target & ~known).sum()):
        notes.append(f"{lost} target images are of classes that no source has; they are left out of the coverage")
    queries = {TARGET: np.flatnonzero(codes.is_target & known)}
    held_out = np.flatnonzero(codes.is_source & codes.held_out & known)
    if len(held_out):
        queries[HELD_OUT] = held_out
    else:
        notes.append("there are no held-out source images, so one of the two controls of the coverage is missing")
    return queries


def _pools(codes: Codes, recipe: Recipe) -> Iterator[Pool]:
    for mixed in codes.mixtures:
        versions = [mixed]
        for draw in range(recipe.draws if mixed.extrapolated.any() else 0):
            generator = numpy_generator(recipe.random_state, "evaluation", "embedding", "control", mixed.name, draw)
            versions.append(matched_control(mixed, generator))
        for index, version in enumerate(versions):
            name = version.name if index == 0 else f"{version.name} #{index}"
            yield Pool(name, version.codes(codes.codes), version.labels(codes.label), _reaching(version, codes))


def _reaching(mixed: Mixed, codes: Codes) -> np.ndarray:
    """(M,) bool: all but the interpolations between in-split source codes of one class, which their hull contains."""
    own = codes.in_pool[mixed.members] & (codes.label[mixed.members] == mixed.labels(codes.label)[:, None])
    result: np.ndarray = mixed.extrapolated | ~(own | (mixed.members < 0)).all(1)
    return result


class _Inside:
    """The linear programmes, as few of them as will do.

    Exact short cuts: what is outside in d components is outside in more, as those contain the first; what is
    inside the sources' hull is inside every larger one; and interpolations leave the hull as it is, so that they are no
    corners, and a class without any other code needs no programme. The programme that finds a code outside of the
    sources' hull also finds a direction in which it lies beyond them; where no mixup code is beyond it in that
    direction, the code is outside of the larger hull too.
    """

    def __init__(
        self,
        codes: Codes,
        projection: Projection,
        dimensions: list[int],
        pools: list[Pool],
        queries: Mapping[str, np.ndarray],
        journal: Path | str | None,
    ) -> None:
        self.codes, self.queries, self.dimensions = codes, queries, dimensions
        rows = np.flatnonzero(codes.in_pool)
        self.images = projection.apply(codes.codes)
        self.sources = Pool(SOURCES, self.images[rows], codes.label[rows], np.ones(len(rows), bool))
        self.pools = [Pool(p.name, projection.apply(p.codes), p.label, p.reaching) for p in pools]
        self.done: dict[str, list[int]] = {}
        self.directions: dict[tuple[int, int], np.ndarray] = {}
        self.journal = Journal(journal) if journal is not None else None
        if self.journal is not None:
            parts = [self.images.tobytes(), codes.label.tobytes(), rows.tobytes()]
            parts += [part for pool in self.pools for part in (pool.name.encode(), pool.codes.tobytes())]
            self.inputs = digest(*parts)
            # Drops a row that a crash has cut off, and the rows of other inputs.
            for row in self.journal.rewind(lambda row: row.get("inputs") == self.inputs):
                self.done[row["key"]] = row["inside"]

    def all(self, progress: bool) -> dict[tuple[str, str, int], np.ndarray]:
        """(query, pool, d) -> (n,) 1.0 where the image is inside, else 0.0."""
        found: dict[tuple[str, str, int], np.ndarray] = {}
        solved = [pool for pool in (self.sources, *self.pools) if pool.reaching.any()]
        total = len(solved) * len(self.dimensions) * sum(map(len, self.queries.values()))
        with tqdm(total=total, desc="convex hulls", unit="code", disable=not progress) as bar:
            for query, rows in self.queries.items():
                for pool in (self.sources, *self.pools):
                    possible = np.ones(len(rows), dtype=bool)
                    for d in self.dimensions:
                        certain = found.get((query, SOURCES, d), np.zeros(len(rows))) > 0
                        if not pool.reaching.any():
                            found[query, pool.name, d] = certain.astype(float)
                            continue
                        possible = self._block(f"{query}:{pool.name}:{d}", rows, pool, d, certain, possible, bar)
                        found[query, pool.name, d] = possible.astype(float)
        return found

    def _block(
        self, key: str, rows: np.ndarray, pool: Pool, d: int, certain: np.ndarray, possible: np.ndarray, bar: tqdm
    ) -> np.ndarray:
        if key in self.done:
            bar.update(len(rows))
            return np.array(self.done[key], dtype=bool)
        inside = certain.copy()
        for label in np.unique(self.codes.label[rows]):
            here = np.flatnonzero(self.codes.label[rows] == label)
            points = self.sources.codes[self.sources.label == label, :d]
            if pool is not self.sources:
                extra = pool.codes[(pool.label == label) & pool.reaching, :d]
                if not len(extra):
                    bar.update(len(here))
                    continue
                points = np.concatenate([points, extra])
            for index in here:
                if possible[index] and not certain[index]:
                    inside[index] = self._in_hull(points, int(rows[index]), d, alone=pool is self.sources)
                bar.update()
        if self.journal is not None:
            self.journal.append({"key": key, "inputs": self.inputs, "inside": inside.astype(int).tolist()})
        return inside

    def _in_hull(self, points: np.ndarray, row: int, d: int, *, alone: bool) -> bool:
        """Whether an image is inside; of the sources `alone`, keeps the direction if it is not."""
        query = self.images[row, :d]
        if alone:
            direction = separation(points, query)
            if direction is not None:
                self.directions[row, d] = direction
            return direction is None
        known = self.directions.get((row, d))
        return not (known is not None and separates(known, points, query)) and in_hull(points, query)


def _distances(
    codes: Codes, projection: Projection, dimensions: list[int], pools: list[Pool], queries: Mapping[str, np.ndarray]
) -> dict[tuple[str, str, int], np.ndarray]:
    """(query, pool, d) -> (n,) distance to the nearest code of the same class; NaN where the pool has none."""
    rows = np.flatnonzero(codes.in_pool)
    everything = [Pool(SOURCES, codes.codes[rows], codes.label[rows], np.ones(len(rows), bool)), *pools]
    found = {}
    for d in [*dimensions, codes.codes.shape[1]]:
        whole = d == codes.codes.shape[1]
        reduce = (lambda x: x.astype(np.float64)) if whole else (lambda x, d=d: projection.apply(x)[:, :d])
        images = reduce(codes.codes)
        for pool in everything:
            points = reduce(pool.codes)
            for query, asked in queries.items():
                nearest = np.full(len(asked), np.nan)
                for label in np.unique(codes.label[asked]):
                    here, there = codes.label[asked] == label, pool.label == label
                    if there.any():
                        nearest[here] = nearest_distance(images[asked[here]], points[there])
                found[query, pool.name, d] = nearest
    return found


def nearest_distance(queries: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Euclidean distance of each query (n, d) to the nearest of the points (m, d): (n,)."""
    # The nearest by one matrix product; its distance then without that product's cancellation.
    squares = (points**2).sum(1) / 2
    size = max(1, 2**24 // len(points))
    found = [(squares - queries[i : i + size] @ points.T).argmin(1) for i in range(0, len(queries), size)]
    result: np.ndarray = np.linalg.norm(queries - points[np.concatenate(found)], axis=1)
    return result


def _estimates(
    measure: str,
    values: Mapping[tuple[str, str, int], np.ndarray],
    queries: Mapping[str, np.ndarray],
    codes: Codes,
    recipe: Recipe,
) -> Iterator[Estimate]:
    """Per image, the mean over the control's draws; then means over images, paired differences, and their gap."""
    dimensions = dict.fromkeys(d for _, _, d in values)
    share = measure == "inside"
    for d in dimensions:
        gains: dict[str, dict[str, np.ndarray]] = {}
        for query in queries:
            columns = {SOURCES: values[query, SOURCES, d]}
            for mixed in codes.mixtures:
                columns[mixed.name] = values[query, mixed.name, d]
                name = f"control of {mixed.name}"
                draws = [values[query, f"{name} #{i + 1}", d] for i in range(recipe.draws) if mixed.extrapolated.any()]
                if draws:
                    columns[name] = np.mean(draws, axis=0)
                    difference = columns[mixed.name] - columns[name]
                    gains.setdefault(f"{mixed.name} - control", {})[query] = _known(difference)
            for name, column in columns.items():
                yield Estimate.of(measure, query, name, d, _interval(column, recipe, share))
        for name, by_query in gains.items():
            for query, known in by_query.items():
                yield Estimate.of(measure, query, name, d, _interval(known, recipe, share, signed=True))
            if HELD_OUT in by_query:
                one, other = by_query[TARGET], by_query[HELD_OUT]
                resamples = recipe.resamples
                gap = bootstrap_difference(one, other, _resampler(recipe), resamples=resamples, shares=share)
                yield Estimate.of(measure, GAP, name, d, gap)


def _interval(values: np.ndarray, recipe: Recipe, share: bool, *, signed: bool = False) -> Interval:
    known, resampler = _known(values), _resampler(recipe)
    return bootstrap_mean(known, resampler, resamples=recipe.resamples, shares=share, signed=signed)


def _resampler(recipe: Recipe) -> np.random.Generator:
    """Every estimate sees the same resamples of the images, so that equal values have equal intervals."""
    return numpy_generator(recipe.random_state, "evaluation", "embedding", "bootstrap")


def _known(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]
