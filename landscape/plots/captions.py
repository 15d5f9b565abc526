"""Words that captions share: of which data and seeds a result is."""

from collections.abc import Mapping, Sequence
from typing import Any


def seed_words(seeds: Sequence[int]) -> str:
    """``seed 0, one seed`` or ``seeds 0, 1, 2``; nothing where there is none."""
    listed = ", ".join(map(str, seeds))
    return f"seed {listed}, one seed" if len(seeds) == 1 else f"seeds {listed}" if seeds else ""


def data_words(about: Mapping[str, Any]) -> str:
    """A sentence: data, target, sources, model, resolution and seeds of a result."""
    seeds = f"; {words}" if (words := seed_words(about["seeds"])) else ""
    return (
        f"Data {about['data']}, target {about['target']}, sources {', '.join(about['sources'])}; {about['model']}, "
        f"{about['image_size']} px{seeds}."
    )
