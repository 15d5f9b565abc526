"""A task: leave one domain out, train on the others."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from landscape.config import RunConfig
from landscape.data.images import DomainImages, decode_images, list_images
from landscape.data.listing import domain_name
from landscape.data.splits import Split, split_images
from landscape.errors import InputError

Part = Literal["in", "out", "all"]


@dataclass(frozen=True, eq=False)
class Task:
    """Images, their split and the target: the domain that training never sees.

    Raises:
        InputError: the target is no domain of the images; the nearest one is suggested.
    """

    images: DomainImages
    split: Split
    target: str

    def __post_init__(self) -> None:
        full = domain_name(self.target, self.images.domains, self.images.aliases, kind="target domain")
        object.__setattr__(self, "target", full)

    @property
    def sources(self) -> tuple[str, ...]:
        """The source domains: all but the target, in order."""
        return tuple(name for name in self.images.domains if name != self.target)

    def rows(self, domain: str, part: Part = "all") -> np.ndarray:
        """(n,) sorted int64 rows of one domain: its "in" split, its "out" split, or all.

        Raises:
            InputError: unknown domain.
        """
        return np.flatnonzero((self.images.domain == self.images.domain_index(domain)) & self._in_part(part))

    def source_rows(self, part: Part = "in") -> np.ndarray:
        """(n,) sorted int64 rows of all sources together."""
        return np.flatnonzero((self.images.domain != self.images.domain_index(self.target)) & self._in_part(part))

    def target_rows(self) -> np.ndarray:
        """(n,) rows that the reported target accuracy is taken over: the whole target; DomainBed's split: its 80 %."""
        return self.rows(self.target, "in" if self.split.rule == "domainbed" else "all")

    def seen(self) -> np.ndarray | None:
        """(N,) bool: whether the image's (class, concept) occurs among the images trained on; None without concepts.

        Splits the target accuracy into concepts seen in other styles and concepts never seen.
        """
        if self.images.concepts is None:
            return None
        pairs = list(zip(self.images.labels.tolist(), self.images.concepts, strict=True))
        trained = {pairs[row] for row in self.source_rows("in")}
        return np.array([pair in trained for pair in pairs], dtype=bool)

    @property
    def missing_classes(self) -> dict[str, tuple[str, ...]]:
        """Source domain -> classes it has no training image of; sources that have every class are left out."""
        missing = {}
        for source in self.sources:
            present = set(self.images.labels[self.rows(source, "in")].tolist())
            absent = tuple(name for k, name in enumerate(self.images.classes) if k not in present)
            if absent:
                missing[source] = absent
        return missing

    def _in_part(self, part: Part) -> np.ndarray:
        if part == "all":
            return np.ones(len(self.images), dtype=bool)
        return self.split.held_out if part == "out" else ~self.split.held_out


def open_task(config: RunConfig, *, cache: Path | str | None = None, progress: bool = True) -> Task:
    """The data, split and target that a configuration names.

    Raises:
        InputError: the data cannot be used, or the target is none of its domains.
    """
    listing = list_images(config.data, data_dir=config.data_dir, domains=config.domains)
    # Before decoding, which may take a while.
    if config.target in listing.available and config.target not in listing.domains:
        raise InputError(
            f"the target {config.target!r} is a domain of {listing.name}, but not among those in use; "
            f"name it too: --domains {' '.join((*listing.domains, config.target))}."
        )
    target = domain_name(config.target, listing.domains, listing.aliases, kind="target domain")
    images = decode_images(listing, size=config.image_size, strict=config.strict, cache=cache, progress=progress)
    return Task(images, split_images(images, seed=config.seed, rule=config.split), target)
