"""A listing: which images a data set has, before any of them is decoded."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from landscape.errors import InputError, unknown_choice
from landscape.storage import digest

Read = Callable[[str], bytes]


class Entry(NamedTuple):
    """One image of a listing."""

    file: str
    """Path relative to the data set's root, with forward slashes."""
    domain: str
    label: str
    concept: str | None
    content: str
    """What is known of the content without decoding it: a hash, or the size in bytes."""
    stamp: str = ""
    """When the file was last changed. Part of the cache's key, but not of the digest: copies of a data set agree."""


@dataclass(frozen=True)
class Listing:
    """The images of the domains in use, ordered by domain, class and file.

    The class index comes from the union of the classes over all domains in use. (DomainBed indexes the
    classes of each domain by themselves, so a class missing in one domain silently shifts its labels.)
    """

    name: str
    root: str
    """Where the files are, for messages."""
    available: tuple[str, ...]
    """All domains of the data set, sorted."""
    domains: tuple[str, ...]
    """The domains in use."""
    classes: tuple[str, ...]
    entries: tuple[Entry, ...]
    aliases: Mapping[str, str]
    """Short domain names to full ones."""
    reader: Callable[[], AbstractContextManager[Read]]
    """Opens the data set; inside, ``read(file)`` gives an image's bytes and may be called from many threads."""

    @cached_property
    def labels(self) -> np.ndarray:
        """(N,) int64 class index."""
        index = {name: i for i, name in enumerate(self.classes)}
        return np.array([index[entry.label] for entry in self.entries], dtype=np.int64)

    @cached_property
    def domain(self) -> np.ndarray:
        """(N,) int64 domain index."""
        index = {name: i for i, name in enumerate(self.domains)}
        return np.array([index[entry.domain] for entry in self.entries], dtype=np.int64)

    @property
    def positions(self) -> tuple[int, ...]:
        """Place of each domain in use among all domains of the data set (DomainBed's environment number)."""
        return tuple(self.available.index(domain) for domain in self.domains)

    @cached_property
    def digest(self) -> str:
        """Hash of names, labels and contents; the same for every copy of the data."""
        rows = ["\0".join((e.file, e.domain, e.label, e.concept or "", e.content)) for e in self.entries]
        # File names need not be valid text.
        return digest(
            *("\n".join(part).encode("utf-8", "surrogateescape") for part in (self.domains, self.classes, rows))
        )

    @cached_property
    def fingerprint(self) -> str:
        """The digest with the files' modification times: changes when a file is edited in place."""
        return digest(self.digest, "\n".join(entry.stamp for entry in self.entries))


def choose_domains(
    requested: Sequence[str], available: Sequence[str], default: Sequence[str], aliases: Mapping[str, str]
) -> tuple[str, ...]:
    """The domains in use, by their full names.

    Raises:
        InputError: a domain is unknown or named twice, or there are fewer than two.
    """
    domains = tuple(domain_name(name, available, aliases) for name in requested) or tuple(default)
    for name in domains:
        if domains.count(name) > 1:
            raise InputError(f"domain {name!r} is given twice; name each domain once.")
    if len(domains) < 2:
        found = f"only {domains[0]!r}" if domains else "none"
        raise InputError(
            f"leave-one-domain-out needs at least two domains (a source and the target), got {found}; "
            f"the data has: {', '.join(available) or 'no domain'}."
        )
    return domains


def domain_name(given: str, available: Sequence[str], aliases: Mapping[str, str], *, kind: str = "domain") -> str:
    """The full name of a domain given by its full or short name.

    Raises:
        InputError: unknown domain; the nearest one is suggested.
    """
    if given in available:
        return given
    if aliases.get(given) in available:
        return aliases[given]
    same = [name for name in available if name.casefold() == given.casefold()]
    if len(same) == 1:
        return same[0]
    raise unknown_choice(kind, given, available)


def make_listing(
    name: str,
    root: str,
    entries: Iterable[Entry],
    reader: Callable[[], AbstractContextManager[Read]],
    *,
    available: Sequence[str],
    domains: Sequence[str],
    aliases: Mapping[str, str] | None = None,
) -> Listing:
    """Order the entries, derive the classes and check that they make a domain generalization task.

    Entries of one domain and class keep the order they came in.

    Raises:
        InputError: a class that is present in one domain only, or a domain without images.
    """
    order = {domain: i for i, domain in enumerate(domains)}
    ordered = tuple(sorted(entries, key=lambda entry: (order[entry.domain], entry.label)))
    classes = tuple(sorted({entry.label for entry in ordered}))
    listing = Listing(name, root, tuple(available), tuple(domains), classes, ordered, aliases or {}, reader)
    check_cells(listing.domains, listing.classes, listing.domain, listing.labels, root)
    return listing


def check_cells(
    domains: Sequence[str], classes: Sequence[str], domain: np.ndarray, labels: np.ndarray, root: str
) -> None:
    """Refuse data on which no leave-one-domain-out task makes sense.

    A class may be missing in some domains. A class of a single domain is never both trained on and
    tested, and its label gives the domain away: that is an error.

    Raises:
        InputError: naming the class and the domain.
    """
    counts = np.zeros((len(domains), len(classes)), dtype=np.int64)
    np.add.at(counts, (domain, labels), 1)
    for name, row in zip(domains, counts, strict=True):
        if not row.any():
            raise InputError(f"domain {name!r} of {root} has no images; add some, or leave it out with --domains.")
    if len(classes) < 2:
        raise InputError(f"{root} has a single class, {classes[0]!r}; a classifier needs at least two.")
    lonely = [
        (classes[k], domains[int(counts[:, k].argmax())]) for k in np.flatnonzero((counts > 0).sum(0) == 1).tolist()
    ]
    if lonely:
        shown = ", ".join(f"{label!r} (only in {where!r})" for label, where in lonely[:5])
        more = f" and {len(lonely) - 5} more" if len(lonely) > 5 else ""
        raise InputError(
            f"{root}: every class has to be present in at least two of the domains {', '.join(domains)}, but not so: "
            f"{shown}{more}. Add images of it to another domain (check the spelling of the folders), "
            "remove it, or choose other --domains."
        )
