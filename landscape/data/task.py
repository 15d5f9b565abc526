"""A task: leave domains out, train on the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from landscape.config import RunConfig
from landscape.data.images import DomainImages, decode_images, list_images
from landscape.data.listing import Listing, domain_name
from landscape.data.splits import Split, split_images
from landscape.errors import InputError

Part = Literal["in", "out", "all"]


@dataclass(frozen=True, eq=False)
class Task:
    """Images, their split, the domains to train on and those that training never sees.

    Attributes:
        images: of all domains in use.
        split: which of them are held out.
        target: the domain that training never sees, and that an analysis looks at; one of several.
        sources: the domains to train on; none given means all that are no targets.
        targets: all domains that training never sees; none given means `target` alone.

    Raises:
        InputError: a name is no domain of the images (the nearest one is suggested), or is both source and target.
    """

    images: DomainImages
    split: Split
    target: str
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        images = self.images
        target = domain_name(self.target, images.domains, images.aliases, kind="target domain")
        sources, targets = domains_of(images, self.sources, (*self.targets, *(() if self.targets else (target,))))
        for name, value in (("target", target), ("sources", sources), ("targets", targets)):
            object.__setattr__(self, name, value)

    @property
    def leaves_one_out(self) -> bool:
        """Whether there is one target, and all other domains are sources."""
        return len(self.targets) == 1 and len(self.sources) + 1 == len(self.images.domains)

    def rows(self, domain: str, part: Part = "all") -> np.ndarray:
        """(n,) sorted int64 rows of one domain: its "in" split, its "out" split, or all.

        Raises:
            InputError: unknown domain.
        """
        return np.flatnonzero((self.images.domain == self.images.domain_index(domain)) & self._in_part(part))

    def source_rows(self, part: Part = "in") -> np.ndarray:
        """(n,) sorted int64 rows of all sources together."""
        sources = [self.images.domain_index(source) for source in self.sources]
        return np.flatnonzero(np.isin(self.images.domain, sources) & self._in_part(part))

    def target_rows(self, target: str | None = None) -> np.ndarray:
        """(n,) rows that a target's reported accuracy is taken over: the whole domain; DomainBed's split: its 80 %.

        Args:
            target: one of several; by default the one that an analysis looks at.
        """
        return self.rows(target or self.target, "in" if self.split.rule == "domainbed" else "all")

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


def domains_of(
    images: DomainImages | Listing, sources: Sequence[str], targets: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Full names of sources and targets, in the order of the domains; where one of the two is empty, all the others.

    Raises:
        InputError: unknown names, a domain that is both, or nothing left for one of the two.
    """
    chosen = []
    for names, kind in ((sources, "source domain"), (targets, "target domain")):
        full = {domain_name(name, images.domains, images.aliases, kind=kind) for name in names}
        chosen.append(tuple(name for name in images.domains if name in full))
    first, second = chosen
    if both := [name for name in first if name in second]:
        raise InputError(f"{', '.join(both)} is both source and target; a target is a domain that training never sees.")
    first = first or tuple(name for name in images.domains if name not in second)
    second = second or tuple(name for name in images.domains if name not in first)
    for found, kind, given in ((first, "source", "targets"), (second, "target", "sources")):
        if not found:
            raise InputError(
                f"all domains ({', '.join(images.domains)}) are {given}, so there is no {kind}; leave one out."
            )
    return first, second


def domains_of_run(config: RunConfig, images: DomainImages | Listing) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sources and targets of a configuration, as :func:`domains_of` has them."""
    return domains_of(images, config.sources, _given_targets(config))


def spelled_out(config: RunConfig, images: DomainImages | Listing) -> RunConfig:
    """A configuration with the full names of its domains, and one form for one task, whichever way it was given.

    One target with all other domains as sources is written as `target` alone; everything else names all sources and all
    targets.

    Raises:
        InputError: see :func:`domains_of`.
    """
    domains = tuple(domain_name(name, images.domains, images.aliases) for name in config.domains)
    sources, targets = domains_of_run(config, images)
    target = targets[0]
    if len(targets) == 1 and len(sources) + 1 == len(images.domains):
        sources, targets = (), ()
    return config.replace(domains=domains, target=target, sources=sources, targets=targets)


def _given_targets(config: RunConfig) -> tuple[str, ...]:
    """None where sources are given and targets are not: then all other domains are meant."""
    return config.targets or (() if config.sources else (config.target,))


def open_task(config: RunConfig, *, cache: Path | str | None = None, progress: bool = True) -> Task:
    """The data, split and target that a configuration names.

    Raises:
        InputError: the data cannot be used, or the target is none of its domains.
    """
    listing = list_images(config.data, data_dir=config.data_dir, domains=config.domains)
    # Before decoding, which may take a while.
    wanted = (*config.sources, *_given_targets(config))
    if lacking := [name for name in wanted if name in listing.available and name not in listing.domains]:
        raise InputError(
            f"{lacking[0]!r} is a domain of {listing.name}, but not among those in use; "
            f"name it too: --domains {' '.join((*listing.domains, *lacking))}."
        )
    sources, targets = domains_of_run(config, listing)
    # Of several targets the named one is looked at, if it is among them.
    named = _given_targets(config)
    target = domain_name(config.target, targets, listing.aliases) if named else targets[0]
    images = decode_images(listing, size=config.image_size, strict=config.strict, cache=cache, progress=progress)
    split = split_images(images, seed=config.seed, rule=config.split)
    return Task(images, split, target, sources, targets)
