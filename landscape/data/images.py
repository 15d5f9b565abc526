"""The images of a data set: pixels, classes and domains."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from landscape.data.decoding import decode_listing
from landscape.data.folders import list_folder
from landscape.data.layouts import LAYOUTS, list_layout
from landscape.data.listing import Listing, check_cells, domain_name
from landscape.data.manifests import list_manifest
from landscape.data.sixstyles import list_sixstyles
from landscape.errors import InputError, unknown_choice


@dataclass(frozen=True, eq=False)
class DomainImages:
    """Images of named domains and classes, decoded to one size.

    Rows are ordered by domain, class and file name. The pixels are the whole image squashed to a square:
    training crops are taken from this square, where DomainBed crops the original file and resizes once.
    """

    name: str
    domains: tuple[str, ...]
    classes: tuple[str, ...]
    pixels: np.ndarray
    """(N, S, S, 3) uint8, a read-only memory map; square, sRGB."""
    labels: np.ndarray
    """(N,) int64 class index."""
    domain: np.ndarray
    """(N,) int64 domain index."""
    files: tuple[str, ...]
    """(N,) where each image came from, relative to the data set's root."""
    concepts: tuple[str, ...] | None
    """(N,) what is shown, finer than the class; None where the data has no concepts."""
    unreadable: tuple[str, ...]
    """Files that were left out."""
    digest: str
    """Hash of the listing: file names, labels, domains and sizes or hashes; the same for every image size."""
    positions: tuple[int, ...] = ()
    """Place of each domain among all of the data set (DomainBed's environment numbers); empty: 0, 1, ..."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Short domain names to full ones."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def counts(self) -> np.ndarray:
        """(D, K) int64: images of each domain and class."""
        counts = np.zeros((len(self.domains), len(self.classes)), dtype=np.int64)
        np.add.at(counts, (self.domain, self.labels), 1)
        return counts

    def domain_index(self, name: str) -> int:
        """Index of a domain given by its full or short name.

        Raises:
            InputError: unknown domain; the nearest one is suggested.
        """
        return self.domains.index(domain_name(name, self.domains, self.aliases))


def load_images(
    data: str,
    *,
    size: int,
    data_dir: Path | str | None = None,
    domains: Sequence[str] = (),
    strict: bool = False,
    cache: Path | str | None = None,
    progress: bool = True,
) -> DomainImages:
    """Open a data set as (N, S, S, 3) bytes with labels and domains; decoded on the first call, mapped afterwards.

    Args:
        data: ``sixstyles`` (embedded), ``pacs``, ``vlcs``, ``officehome``, ``terraincognita`` or ``domainnet`` (below
            `data_dir`, in DomainBed's layout), a folder ``domain/class/image``, or a CSV or JSON manifest with the
            columns path, domain, class and, if wished, concept.
        size: side S of the square in pixels.
        data_dir: the folder that holds the downloaded data sets.
        domains: the domains to use, in this order; none given means the data set's default.
        strict: stop at the first unreadable image instead of leaving it out with a warning on stderr.
        cache: folder for decoded images; the user's cache folder unless given.
        progress: show a bar while decoding.

    Raises:
        InputError: the data cannot be used; the message names the culprit and what was expected.
    """
    listing = list_images(data, data_dir=data_dir, domains=domains)
    return decode_images(listing, size=size, strict=strict, cache=cache, progress=progress)


def list_images(data: str, *, data_dir: Path | str | None = None, domains: Sequence[str] = ()) -> Listing:
    """What :func:`load_images` would open, without decoding anything.

    Raises:
        InputError: as for :func:`load_images`, unreadable images apart.
    """
    name, path = data.lower(), Path(data).expanduser()
    if name == "sixstyles":
        return list_sixstyles(domains)
    if name in LAYOUTS:
        return list_layout(name, data_dir, domains)
    if path.is_dir():
        return list_folder(path, domains)
    if path.is_file():
        if path.suffix.lower() not in (".csv", ".json"):
            raise InputError(f"{data} is a file, but no manifest; expected .csv, .json or a folder domain/class/image.")
        return list_manifest(path, domains)
    if path.suffix or any(mark in data for mark in ("/", os.sep)):
        raise InputError(f"there is no {data}; expected a folder domain/class/image, or a CSV or JSON manifest.")
    raise unknown_choice("data set or folder", data, ("sixstyles", *LAYOUTS))


def decode_images(
    listing: Listing, *, size: int, strict: bool = False, cache: Path | str | None = None, progress: bool = True
) -> DomainImages:
    """The images of a listing, see :func:`load_images`.

    Raises:
        InputError: images cannot be read and `strict` is set, or too few are left.
    """
    pixels, unreadable = decode_listing(listing, size=size, strict=strict, cache=cache, progress=progress)
    entries = [entry for entry in listing.entries if entry.file not in unreadable]
    kept = np.array([entry.file not in unreadable for entry in listing.entries])
    labels, domain = listing.labels[kept], listing.domain[kept]
    if unreadable:
        _warn(listing, unreadable)
        check_cells(listing.domains, listing.classes, domain, labels, listing.root)
    for array in (labels, domain):
        array.flags.writeable = False
    concepts = tuple(entry.concept for entry in entries if entry.concept is not None)
    return DomainImages(
        name=listing.name,
        domains=listing.domains,
        classes=listing.classes,
        pixels=pixels,
        labels=labels,
        domain=domain,
        files=tuple(entry.file for entry in entries),
        concepts=concepts or None,
        unreadable=tuple(unreadable),
        digest=listing.digest,
        positions=listing.positions,
        aliases=listing.aliases,
    )


def _warn(listing: Listing, unreadable: Mapping[str, str]) -> None:
    shown = ", ".join(f"{file} ({reason})" for file, reason in list(unreadable.items())[:3])
    more = f" and {len(unreadable) - 3} more" if len(unreadable) > 3 else ""
    print(
        f"warning: left out {len(unreadable)} of {len(listing.entries)} images of {listing.root} that cannot be read: "
        f"{shown}{more}. --strict stops instead.",
        file=sys.stderr,
    )
