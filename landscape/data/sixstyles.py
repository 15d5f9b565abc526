"""SixStyles: 2,397 pictures of 7 classes in 6 styles, embedded in the package.

Provenance, licences and known issues of every picture: ``embedded/DATASHEET.md``, ``embedded/manifest.csv``.
"""

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import resources

from landscape.data.listing import Entry, Listing, Read, choose_domains, make_listing

DOMAINS = ("photo", "clipart", "render3d", "cartoon", "flat", "sketch")
# render3d and flat draw the same list of emoji as cartoon and sketch: by default two emoji styles are enough.
DEFAULT_DOMAINS = ("photo", "clipart", "cartoon", "sketch")


def list_sixstyles(domains: Sequence[str] = ()) -> Listing:
    """The embedded pictures of the domains in use: photo, clipart, cartoon and sketch unless others are named.

    Raises:
        InputError: an unknown domain, or fewer than two.
    """
    used = choose_domains(domains, DOMAINS, DEFAULT_DOMAINS, {})
    text = _embedded().joinpath("manifest.csv").read_text(encoding="utf-8")
    entries = [
        Entry(row["path"], row["domain"], row["class"], row["concept"], row["sha256"])
        for row in csv.DictReader(io.StringIO(text))
        if row["domain"] in used
    ]
    return make_listing("sixstyles", "SixStyles", entries, _open_zip, available=sorted(DOMAINS), domains=used)


@contextmanager
def _open_zip() -> Iterator[Read]:
    # ZipFile guards its file position with a lock: threads may read at the same time.
    with _embedded().joinpath("sixstyles.zip").open("rb") as file, zipfile.ZipFile(file) as archive:
        yield archive.read


def _embedded() -> resources.abc.Traversable:
    return resources.files("landscape.data").joinpath("embedded")
