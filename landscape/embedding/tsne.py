"""t-SNE of latent codes, the same bits at every call (van der Maaten and Hinton, 2008; openTSNE)."""

import time

import numpy as np

from landscape.errors import InputError

EXAGGERATED = 250
"""Iterations with early exaggeration, before the others."""
_EXACT = 20_000


def embed(
    codes: np.ndarray, *, perplexity: float = 30.0, iterations: int = 500, random_state: int = 0, progress: bool = False
) -> np.ndarray:
    """Two coordinates for every code, so that near neighbours stay near; one joint embedding of all of them.

    One thread, a fixed random state and exact neighbours (up to 20,000 codes; beyond, a seeded index): the same
    codes give the same points. A distance between groups of points means nothing: only neighbourhoods do.

    Args:
        codes: (P, D).
        perplexity: about the number of neighbours; at most a third of the other codes.
        iterations: after the 250 with early exaggeration.
        random_state: seed.
        progress: show a bar.

    Returns:
        (P, 2) float64, centred.

    Raises:
        InputError: fewer than 10 codes, or codes that are not finite.
    """
    from openTSNE import TSNE
    from tqdm.auto import tqdm

    if len(codes) < 10 or not np.isfinite(codes).all():
        raise InputError(f"t-SNE got {len(codes)} codes; expected at least 10, all of them finite.")
    every, total = 10, EXAGGERATED + iterations

    def count(iteration: int, error: float, points: np.ndarray) -> bool:
        bar.update(min(every, total - bar.n))
        return False  # True would stop

    with tqdm(total=total, desc="t-SNE", unit="iteration", disable=not progress) as bar:
        tsne = TSNE(
            perplexity=min(perplexity, (len(codes) - 1) / 3),
            n_iter=iterations,
            early_exaggeration_iter=EXAGGERATED,
            n_jobs=1,
            neighbors="exact" if len(codes) <= _EXACT else "approx",
            random_state=random_state,
            callbacks=count,
            callbacks_every_iters=every,
        )
        embedded = tsne.fit(np.ascontiguousarray(codes, dtype=np.float64))
        bar.update(total - bar.n)
    # A copy as a plain array: openTSNE's own re-centres itself in place when it transforms new codes.
    points = np.array(embedded, dtype=np.float64)
    return points - points.mean(0)


def seconds(count: int, dimensions: int) -> float:
    """Seconds that :func:`embed` is going to take for so many codes, from a few iterations on random ones."""
    codes = np.random.default_rng(0).standard_normal((count, dimensions)).astype(np.float32)
    from openTSNE import TSNE

    settings = {"n_jobs": 1, "neighbors": "exact" if count <= _EXACT else "approx", "random_state": 0}
    times = []
    for iterations in (1, 11):
        began = time.perf_counter()
        TSNE(n_iter=iterations, early_exaggeration_iter=1, perplexity=min(30, (count - 1) / 3), **settings).fit(codes)
        times.append(time.perf_counter() - began)
    step = max(times[1] - times[0], 0.0) / 10
    return times[0] + (EXAGGERATED + 500) * step
