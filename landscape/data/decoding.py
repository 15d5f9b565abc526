"""Decoding: image files to squares of sRGB bytes, once, into a memory-mapped cache.

The pixels lie as raw bytes in ``<cache>/images/<name>-<size>px-<key>.u8``, one image after the other; the
key hashes the listing and the files' modification times. A ``.json`` beside it, written first, names the
images that could not be read and are therefore not in it. Both are moved into place whole: a killed decode
leaves no half of a cache, and two processes that decode at once write the same bytes.
"""

import io
import json
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from tqdm.auto import tqdm

from landscape.data.listing import Entry, Listing, Read
from landscape.errors import InputError
from landscape.storage import atomic_path, atomic_write, cache_folder, digest

# Part of the cache's key: raise it when decode_image gives other bytes.
_VERSION = "1"
_STALE_SECONDS = 3600.0
# Two threads of one process would share atomic_path's temporary file.
_one_decode_at_a_time = threading.Lock()


def decode_image(data: bytes, size: int) -> np.ndarray:
    """An image file's content as a square of bytes: (S, S, 3) uint8, sRGB.

    Squashed to the square whatever its aspect ratio, as DomainBed's ``Resize((S, S))`` does: Pillow's bilinear
    filter, whose support grows with the reduction (antialias). Transparent parts become white; a palette, CMYK
    and 16 bits a pixel are converted. Orientation tags and colour profiles are not applied (nor does
    torchvision's ImageFolder).

    Raises:
        Exception: whatever Pillow raises on a damaged file; ValueError for pixels without a defined white.
    """
    with Image.open(io.BytesIO(data)) as image:
        rgb = _to_rgb(image)
    return np.asarray(rgb.resize((size, size), Image.Resampling.BILINEAR))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("floating-point pixels have no defined white")
    if image.mode == "I" or image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255 instead of scaling.
        levels = np.asarray(image)
        if levels.min() < 0 or levels.max() > 65535:
            raise ValueError("32-bit pixels have no defined white")
        return Image.fromarray(np.rint(levels / 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        page = Image.new("RGBA", colours.size, "white")
        page.alpha_composite(colours)
        return page.convert("RGB")
    return image.convert("RGB")


def decode_listing(
    listing: Listing, *, size: int, strict: bool = False, cache: Path | str | None = None, progress: bool = True
) -> tuple[np.ndarray, dict[str, str]]:
    """The pixels of all readable images of a listing, from the cache or decoded into it.

    Returns:
        pixels (N, S, S, 3) uint8, a read-only memory map in the listing's order without the unreadable images;
        and the unreadable files with the reason for each.

    Raises:
        InputError: no image can be read, or one cannot and `strict` is set; the cache cannot be written.
    """
    folder = Path(cache or cache_folder()).expanduser() / "images"
    stem = f"{listing.name[:60]}-{size}px-{digest(_VERSION, listing.fingerprint)}"
    file, notes = folder / f"{stem}.u8", folder / f"{stem}.json"
    with _one_decode_at_a_time:
        found = _open_cache(listing, size, file, notes)
        if found is None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                _check_space(folder, len(listing.entries) * size * size * 3)
                _remove_stale(file)
                _decode_into(file, notes, listing, size, strict=strict, progress=progress)
            except OSError as error:
                raise InputError(
                    f"cannot write decoded images to {folder} ({error.strerror or error}); set the environment "
                    "variable LANDSCAPE_CACHE to a folder that can be written."
                ) from error
            found = _open_cache(listing, size, file, notes)
    if found is None:
        raise InputError(f"the decoded images in {file} were removed or changed while they were opened; try again.")
    _, unreadable = found
    if strict and unreadable:
        raise _strict_error(listing, *next(iter(unreadable.items())))
    return found


def _open_cache(listing: Listing, size: int, file: Path, notes: Path) -> tuple[np.ndarray, dict[str, str]] | None:
    try:
        unreadable: dict[str, str] = json.loads(notes.read_text(encoding="utf-8"))["unreadable"]
        shape = (len(listing.entries) - len(unreadable), size, size, 3)
        if file.stat().st_size != np.prod(shape, dtype=np.int64):
            return None
        # A plain array over the map: np.memmap's own class slows indexing down.
        return np.asarray(np.memmap(file, dtype=np.uint8, mode="r", shape=shape)), unreadable
    except (OSError, ValueError, KeyError):
        return None


def _decode_into(file: Path, notes: Path, listing: Listing, size: int, *, strict: bool, progress: bool) -> None:
    unreadable: dict[str, str] = {}
    workers = os.cpu_count() or 1
    step = 32 * workers
    with (
        listing.reader() as read,
        ThreadPoolExecutor(workers) as pool,
        # Written in order, not through a map: a full disk is then an error, not a crash.
        atomic_path(file) as temporary,
        open(temporary, "wb") as output,
        tqdm(total=len(listing.entries), desc=f"decoding {listing.name}", unit="image", disable=not progress) as bar,
    ):
        for start in range(0, len(listing.entries), step):
            part = listing.entries[start : start + step]
            for entry, decoded in zip(part, pool.map(partial(_decode_entry, listing, read, size), part), strict=True):
                if isinstance(decoded, str):
                    if strict:
                        raise _strict_error(listing, entry.file, decoded)
                    unreadable[entry.file] = decoded
                else:
                    output.write(decoded.tobytes())
            bar.update(len(part))
        if len(unreadable) == len(listing.entries):
            name, reason = next(iter(unreadable.items()))
            raise InputError(f"none of the {len(unreadable)} images of {listing.root} can be read; {name}: {reason}.")
        atomic_write(notes, json.dumps({"unreadable": unreadable}))


def _decode_entry(listing: Listing, read: Read, size: int, entry: Entry) -> np.ndarray | str:
    """The pixels, or why there are none."""
    try:
        data = read(entry.file)
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        # Not the image's fault: leaving it out would change the data without need.
        raise InputError(f"cannot read {entry.file} of {listing.root}: {error.strerror or error}.") from error
    try:
        return decode_image(data, size)
    except MemoryError:
        raise
    except UnidentifiedImageError:
        return "not an image that Pillow knows"
    except Exception as error:  # Pillow's decoders raise all kinds of errors on damaged files
        return str(error) or type(error).__name__


def _strict_error(listing: Listing, file: str, reason: str) -> InputError:
    return InputError(
        f"{file} of {listing.root} cannot be read: {reason}. Repair or remove it, or drop --strict to leave it out."
    )


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"decoded images need {needed / 1e9:.1f} GB in {folder}, {free / 1e9:.1f} GB are free; set the environment "
            "variable LANDSCAPE_CACHE to a folder on a larger disk, or use a smaller --image-size."
        )


def _remove_stale(file: Path) -> None:
    # What a killed decode left. A live one writes all the time, so its file is fresh.
    for old in file.parent.glob(f".{file.name}.*.tmp"):
        try:
            if time.time() - old.stat().st_mtime > _STALE_SECONDS:
                old.unlink()
        except FileNotFoundError:  # another process was faster
            continue
