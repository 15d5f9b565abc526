"""Folders of images: root/domain/class/image, the user's own or a data set's."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from landscape.data.listing import Entry, Listing, Read, choose_domains, make_listing
from landscape.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def list_folder(root: Path, domains: Sequence[str] = ()) -> Listing:
    """The images of a folder ``root/domain/class/image``; every sub-folder of `root` is a domain.

    Names that start with a dot or two underscores are left alone.

    Raises:
        InputError: the tree has another shape, a class folder is empty, a class is present in one domain only,
            a domain is unknown, or there are fewer than two.
    """
    available = subfolders(root)
    if not available:
        found = "no images" if not _images_below(root) else "images but no sub-folders"
        raise InputError(f"{root} holds {found}; {_EXPECTED.format(root=root)}")
    used = choose_domains(domains, available, available, {})
    return list_domain_folders(root.resolve().name, root, available, used)


def list_domain_folders(
    name: str, root: Path, available: Sequence[str], domains: Sequence[str], aliases: Mapping[str, str] | None = None
) -> Listing:
    """The images below ``root/domain/class`` for the given domains."""
    entries = [entry for domain in domains for entry in _domain_entries(root, domain)]
    return make_listing(
        name, str(root), entries, partial(open_files, root), available=available, domains=domains, aliases=aliases
    )


def subfolders(folder: Path) -> list[str]:
    """Sorted names of the sub-folders, hidden ones and those of archive tools (``__MACOSX``) left out."""
    with os.scandir(folder) as items:
        return sorted(item.name for item in items if item.is_dir() and not item.name.startswith((".", "__")))


@contextmanager
def open_files(root: Path) -> Iterator[Read]:
    """A reader of files below `root`."""
    yield lambda file: (root / file).read_bytes()


def describe_file(path: Path | str) -> tuple[str, str]:
    """Size and modification time, as a listing's entry wants them."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return "missing", ""
    return str(status.st_size), str(status.st_mtime_ns)


_EXPECTED = "expected {root}/domain/class/image, for example {root}/photo/dog/1.jpg and {root}/sketch/dog/1.jpg."


def _domain_entries(root: Path, domain: str) -> Iterator[Entry]:
    classes = subfolders(root / domain)
    if not classes:
        found = "images but no class folders" if _images_below(root / domain) else "no class folders"
        raise InputError(f"the domain folder {root / domain} holds {found}; {_EXPECTED.format(root=root)}")
    for label in classes:
        files = _images_below(root / domain / label)
        if not files:
            raise InputError(
                f"the class folder {root / domain / label} has no images ({', '.join(IMAGE_SUFFIXES)}); "
                "add some or remove the folder. A class may be missing in a domain."
            )
        for path in files:
            yield Entry(path.relative_to(root).as_posix(), domain, label, None, *describe_file(path))


def _images_below(folder: Path) -> list[Path]:
    """Images of a folder and of the folders below it, in the order of torchvision's ImageFolder.

    DomainBed's split shuffles positions in this order.
    """
    return [
        Path(parent) / name
        for parent, _, names in sorted(os.walk(folder, followlinks=True))
        for name in sorted(names)
        if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("._")
    ]
