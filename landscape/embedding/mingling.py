"""Are domains mixed in latent space? Neighbourhood entropy and silhouettes, within class (figure 9)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from landscape.embedding.estimate import Estimate
from landscape.embedding.recipe import Recipe
from landscape.errors import InputError
from landscape.intervals import bootstrap_mean
from landscape.seeding import numpy_generator

if TYPE_CHECKING:
    from landscape.embedding.codes import Codes
    from landscape.embedding.embedding import Embedding

SCOPES = ("all domains", "sources")
_SHUFFLES = 20


def neighbours_within(codes: np.ndarray, label: np.ndarray, k: int) -> np.ndarray:
    """(N, k) int64 nearest codes of the same class, the code itself excepted; -1 where a class has fewer."""
    from sklearn.neighbors import NearestNeighbors

    found = np.full((len(codes), k), -1, dtype=np.int64)
    for value in np.unique(label):
        rows = np.flatnonzero(label == value)
        count = min(k, len(rows) - 1)
        if count:
            near = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(codes[rows])
            # Without arguments, kneighbors leaves each code itself out.
            found[rows, :count] = rows[near.kneighbors(return_distance=False)]
    return found


def domain_entropy(neighbours: np.ndarray, domain: np.ndarray) -> np.ndarray:
    """Entropy of the domains among each code's neighbours, in nats: (N,), NaN where there are none.

    ``H = -sum_d p_d log p_d`` with p_d the share of domain d among the k nearest codes of the same class: 0 where
    the domains lie apart, log of their number where they are evenly mixed.
    """
    there = neighbours >= 0
    size = there.sum(1)
    entropy = np.zeros(len(neighbours))
    for value in np.unique(domain):
        share = ((domain[neighbours] == value) & there).sum(1) / np.maximum(size, 1)
        entropy -= np.where(share > 0, share * np.log(np.where(share > 0, share, 1.0)), 0.0)
    return np.where(size > 0, entropy, np.nan)


def class_silhouette(codes: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Silhouette of each code by class (Rousseeuw, 1987): (N,) in [-1, 1], high where classes lie apart."""
    from sklearn.metrics import silhouette_samples

    if not 2 <= len(np.unique(label)) < len(label):
        return np.full(len(codes), np.nan)
    result: np.ndarray = silhouette_samples(codes, label)
    return result


def domain_silhouette(codes: np.ndarray, label: np.ndarray, domain: np.ndarray) -> np.ndarray:
    """Silhouette of each code by domain among the codes of its class: (N,), about 0 where domains are mixed.

    NaN where a class has one domain only, or one image of each.
    """
    found = np.full(len(codes), np.nan)
    for value in np.unique(label):
        rows = np.flatnonzero(label == value)
        found[rows] = class_silhouette(codes[rows], domain[rows])
    return found


def mingle(codes: "Codes", recipe: Recipe) -> tuple[dict[str, np.ndarray], list[Estimate]]:
    """How mixed the domains and how separate the classes are, in the whole latent space.

    Per image and as means, over all domains and over the sources. Intervals resample images, with their
    neighbours as they are. The entropy's reference is its mean after shuffling the domains within each class.

    Returns:
        Name of a score -> (N,) value per image, NaN where it is not defined; and the means.
    """
    scores: dict[str, np.ndarray] = {}
    estimates = []
    generator = numpy_generator(recipe.random_state, "evaluation", "embedding", "mingling")
    for scope in SCOPES:
        rows = np.arange(len(codes)) if scope == SCOPES[0] else np.flatnonzero(codes.is_source)
        own, label, domain = codes.codes[rows].astype(np.float64), codes.label[rows], codes.domain[rows]
        near = neighbours_within(own, label, recipe.neighbours)
        alone = _one_domain(label, domain)
        found = {
            "domain entropy": np.where(alone, np.nan, domain_entropy(near, domain)),
            "domain silhouette": domain_silhouette(own, label, domain),
            "class silhouette": class_silhouette(own, label),
        }
        shuffled = [domain_entropy(near, _shuffled(domain, label, generator))[~alone] for _ in range(_SHUFFLES)]
        for measure, values in found.items():
            known = values[~np.isnan(values)]
            if not len(known):
                continue
            reference = float(np.nanmean(shuffled)) if measure == "domain entropy" else float("nan")
            mean = bootstrap_mean(known, generator, resamples=recipe.resamples)
            estimates.append(Estimate.of(measure, "images", scope, own.shape[1], mean, reference))
            scores[score_name(measure, scope)] = np.full(len(codes), np.nan)
            scores[score_name(measure, scope)][rows] = values
    return scores, estimates


def score_name(measure: str, scope: str) -> str:
    """What a score per image is called in a file."""
    return f"{measure}, {scope}".replace(",", "").replace(" ", "_")


def compare(embeddings: "Sequence[Embedding]", *, resamples: int = 2000, random_state: int = 0) -> list[Estimate]:
    """Differences of the mixing measures between models: each against the first, paired by image.

    Raises:
        InputError: fewer than two embeddings, or embeddings of different images.
    """
    if len(embeddings) < 2:
        raise InputError(f"got {len(embeddings)} embedding; expected two or more to compare.")
    first, *others = embeddings
    generator = numpy_generator(random_state, "evaluation", "embedding", "compare")
    estimates = []
    for other in others:
        check_same_images(first, other)
        for known in first.mixing:
            name = score_name(known.measure, known.pool)
            if name not in other.scores:
                continue
            difference = other.scores[name] - first.scores[name]
            difference = difference[~np.isnan(difference)]
            found = bootstrap_mean(difference, generator, resamples=resamples)
            query = f"{other.name} - {first.name}"
            estimates.append(Estimate.of(known.measure, query, known.pool, other.codes.shape[1], found))
    return estimates


def check_same_images(first: "Embedding", other: "Embedding") -> None:
    """Refuse two embeddings that are not of the same images.

    Raises:
        InputError: their images differ.
    """
    same = first.count == other.count and first.files == other.files and first.domains == other.domains
    if same:
        images = slice(first.count)
        pairs: Mapping[str, tuple[np.ndarray, np.ndarray]] = {
            name: (getattr(first, name)[images], getattr(other, name)[images]) for name in ("label", "domain", "rows")
        }
        same = all(np.array_equal(mine, theirs) for mine, theirs in pairs.values())
    if not same:
        raise InputError(
            f"{first.name} and {other.name} are embeddings of different images ({first.count:,} and {other.count:,}); "
            "give models of one task, embedded with the same options."
        )


def _one_domain(label: np.ndarray, domain: np.ndarray) -> np.ndarray:
    """(N,) bool: whether a code's class occurs in one domain only."""
    result = np.zeros(len(label), dtype=bool)
    for value in np.unique(label):
        result[label == value] = len(np.unique(domain[label == value])) < 2
    return result


def _shuffled(domain: np.ndarray, label: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    mixed = domain.copy()
    for value in np.unique(label):
        rows = np.flatnonzero(label == value)
        mixed[rows] = domain[generator.permutation(rows)]
    return mixed
