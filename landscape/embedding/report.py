"""What an embedding says in a terminal: extrapolated share, coverage with its controls, mixing."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from landscape.embedding.estimate import Estimate

if TYPE_CHECKING:
    from landscape.embedding.embedding import Embedding

CAVEAT = (
    "interpolation never enlarges a hull and any extrapolation can: only the difference from the control, and from the "
    "held-out sources, is evidence; a place in the t-SNE is none"
)


def report(embedding: "Embedding") -> str:
    """Counts, coverage and mixing as text; intervals are over images, of this one run."""
    lines = [*headline(embedding), *_coverage(embedding), "", *mixing_lines(embedding.mixing)]
    lines += [f"note: {note}" for note in embedding.about["notes"]]
    return "\n".join(lines)


def headline(embedding: "Embedding") -> list[str]:
    """The model, the images, the mixup codes."""
    about, n = embedding.about, embedding.about["n"]
    lines = [
        f"{embedding.name}; {about['data']}, target {about['target']}: {n['images']:,} images, of which {n['pool']:,} "
        f"make hulls and mixup, {n['held_out']:,} are held out, {n['target']:,} are the target's"
    ]
    for name in embedding.variants:
        share, reach = embedding.extrapolated(name), about["reach"][name]
        far = f", whose negative weights sum to {-reach:.2f} on average" if share else ""
        lines.append(f"mixup codes {name}: {n['mixup'][name]:,}, {share:.1%} extrapolated{far}")
    return lines


def _coverage(embedding: "Embedding") -> list[str]:
    if not embedding.coverage:
        return []
    explained = embedding.about["explained"]
    shares = ", ".join(f"d = {d}: {share:.0%}" for d, share in explained)
    lines = ["", f"share of images inside the hull of their class (sources' variance kept by {shares})"]
    lines += _rows([row for row in embedding.coverage if row.measure == "inside"])
    whole = embedding.codes.shape[1]
    lines += ["", f"distance to the nearest code of the class, all {whole:,} dimensions"]
    lines += _rows([row for row in embedding.coverage if row.measure == "distance" and row.dimension == whole])
    return [*lines, CAVEAT]


def _rows(estimates: Sequence[Estimate]) -> list[str]:
    """One line per query and pool, one column per dimension."""
    dimensions = list(dict.fromkeys(row.dimension for row in estimates))
    cells = {(row.query, row.pool, row.dimension): row for row in estimates}
    pairs = list(dict.fromkeys((row.query, row.pool) for row in estimates))
    width = max((len(f"{query}: {pool}") for query, pool in pairs), default=0) + 2
    lines = [f"  {'':{width}}" + "".join(f"{f'd = {d}':>25}" for d in dimensions)]
    for query, pool in pairs:
        lines.append(f"  {f'{query}: {pool}':{width}}" + "".join(f"{_cell(cells[query, pool, d])}" for d in dimensions))
    return lines


def _cell(row: Estimate) -> str:
    return f"{f'{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]':>25}"


def mixing_lines(estimates: Iterable[Estimate]) -> list[str]:
    """One line per measure; also for differences between models."""
    lines = []
    for row in estimates:
        said = f"{row.measure} ({row.pool})" if row.query == "images" else f"{row.measure} ({row.pool}), {row.query}"
        known = f"; {row.reference:.4f} if domains were shuffled within class" if row.reference == row.reference else ""
        lines.append(f"{said}: {row.value:.4f} [{row.low:.4f}, {row.high:.4f}], {row.n:,} images{known}")
    return lines
