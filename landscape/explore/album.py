"""Thumbnails of the images that results are about, in sheets that a browser loads when it needs them."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from landscape.data.images import decode_images, list_images
from landscape.data.listing import Listing
from landscape.errors import InputError
from landscape.storage import atomic_write

SIDE = 64  # pixels of a thumbnail
COLUMNS = 16  # thumbnails in a row of a sheet, and rows of a sheet
_QUALITY = 88


@dataclass(frozen=True, eq=False)
class Asked:
    """Images that a result is about.

    Attributes:
        about: what the result says of its data: ``data``, ``data_digest``, ``image_size``.
        rows: indices into the data.
        domains: the domains in use, where they are not the data set's default.
        files: where the image of each row came from; may be empty.
    """

    about: Mapping[str, Any]
    rows: np.ndarray
    domains: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Hash of the data's listing; empty where the result has no data."""
        return str(self.about.get("data_digest", ""))

    @property
    def name(self) -> str:
        """The data in words."""
        return str(self.about.get("data", "one result"))


@dataclass(frozen=True, eq=False)
class Album:
    """Some images of a data set, in the order of their rows.

    Attributes:
        name: the data set.
        digest: hash of its listing.
        rows: (n,) sorted rows in the data.
        pixels: (N, S, S, 3) uint8 of the whole data set, a memory map.
    """

    name: str
    digest: str
    rows: np.ndarray
    pixels: np.ndarray

    @classmethod
    def of(cls, asked: Sequence[Asked], *, data: Sequence[str] = (), data_dir: Path | str | None = None) -> "Album":
        """Open the data that results are about.

        Args:
            asked: images of results on the same data.
            data: where else to look for the data than under the name that the results give.
            data_dir: folder that holds the downloaded data sets.

        Raises:
            InputError: the data is not there, or differs from the results'.
        """
        listing = _listing(asked, data, data_dir)
        images = decode_images(listing, size=int(asked[0].about["image_size"]), progress=False)
        rows = np.unique(np.concatenate([each.rows for each in asked]))
        named = [pair for each in asked if each.files for pair in zip(each.rows, each.files, strict=True)]
        if rows[-1] >= len(images) or any(images.files[row] != file for row, file in named):
            raise InputError(f"the images of {listing.root} are not in the places that the result names; restore them.")
        return cls(listing.name, images.digest, rows, images.pixels)

    def places(self, rows: np.ndarray) -> list[Any]:
        """Where in the album images are, for rows of any shape."""
        found: list[Any] = np.searchsorted(self.rows, rows).tolist()
        return found

    def write(self, folder: Path) -> dict[str, Any]:
        """Write the sheets; return what the page has to know of them."""
        per = COLUMNS**2
        sheets = []
        for start in range(0, len(self.rows), per):
            name = f"sheet-{self.digest[:8]}-{start // per:03d}.jpg"
            atomic_write(folder / name, _sheet(self.pixels, self.rows[start : start + per]))
            sheets.append(f"{folder.name}/{name}")
        return {"name": self.name, "side": SIDE, "columns": COLUMNS, "count": len(self.rows), "sheets": sheets}


def _sheet(pixels: np.ndarray, rows: np.ndarray) -> bytes:
    sheet = Image.new("RGB", (COLUMNS * SIDE, -(-len(rows) // COLUMNS) * SIDE), "white")
    for index, row in enumerate(rows):
        image = Image.fromarray(np.asarray(pixels[row]))
        if image.width != SIDE:
            image = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        sheet.paste(image, (index % COLUMNS * SIDE, index // COLUMNS * SIDE))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
    return buffer.getvalue()


def _listing(asked: Sequence[Asked], data: Sequence[str], data_dir: Path | str | None) -> Listing:
    """The listing with the results' digest: under the name they give, or at one of the places to look."""
    first = asked[0]
    if not first.digest or "image_size" not in first.about:
        raise InputError("the result does not say which images it is about.")
    reason = ""
    for place in (first.name, *data):
        for domains in dict.fromkeys(((), *(each.domains for each in asked))):
            try:
                listing = list_images(place, data_dir=data_dir, domains=domains)
            except InputError as error:
                reason = reason or str(error)
                continue
            if listing.digest == first.digest:
                return listing
            reason = f"the images of {place} are not those of the result."
    raise InputError(f"{reason} Give --data or --data-dir.")
