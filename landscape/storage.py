"""Nothing expensive is lost: atomic writes, checksummed append-only journals, provenance."""

import errno
import hashlib
import json
import os
import platform
import shlex
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from landscape.errors import InputError

DISTRIBUTION = "dg-landscape"


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success move it into place, on failure remove it.

    The file at `path` is the old one or the new one, never a part of one, also after ``kill -9`` or a
    power cut (the data is flushed to the disk before the rename). A full disk raises
    :class:`~landscape.errors.InputError` and leaves what was there untouched.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if _is_disk_full(error):
            raise disk_full(path) from error
        raise


def atomic_write(path: Path | str, content: bytes | str) -> None:
    """Write a whole file by way of :func:`atomic_path`."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def _is_disk_full(error: BaseException) -> bool:
    # safetensors and h5py wrap the operating system's error into their own, with its text inside.
    codes = {errno.ENOSPC, errno.EDQUOT}
    return (isinstance(error, OSError) and error.errno in codes) or "No space left on device" in str(error)


def disk_full(path: Path) -> InputError:
    """What a command says when the file at `path` found no room."""
    return InputError(
        f"no space left while writing {path}; files written before are intact. "
        "Free some space and run the same command again: it continues from the last save."
    )


class Journal:
    """An append-only file of JSON rows, one a line, each with a checksum in its last key ``crc``.

    A row that was cut off by a crash, and everything after it, is dropped by :meth:`read`; the file
    stays readable by anything that reads JSON lines.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one row; a torn last line left by a crash must have been removed by :meth:`rewind`.

        When the disk is full the file is cut back to the rows it had.
        """
        line = _encode_row(row)
        before = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "ab") as file:
                before = file.tell()
                file.write(line)
        except OSError as error:
            if before is not None:
                with suppress(OSError):
                    os.truncate(self.path, before)
            if _is_disk_full(error):
                raise disk_full(self.path) from error
            raise

    def read(self) -> list[dict[str, Any]]:
        """All rows up to the first damaged one, without their checksums."""
        if not self.path.exists():
            return []
        rows = []
        for line in self.path.read_bytes().split(b"\n"):
            row = _decode_row(line)
            if row is None:
                break
            rows.append(row)
        return rows

    def rewind(self, keep: Any = None) -> list[dict[str, Any]]:
        """Rewrite the file with its intact rows only, those for which ``keep(row)`` holds; return them."""
        rows = [row for row in self.read() if keep is None or keep(row)]
        if self.path.exists() or rows:
            atomic_write(self.path, b"".join(_encode_row(row) for row in rows))
        return rows


def _encode_row(row: Mapping[str, Any]) -> bytes:
    if "crc" in row:
        raise ValueError("a journal row has no key 'crc' of its own: the checksum takes that name.")
    # NaN and infinities are not JSON: they are stored as null.
    body = json.dumps(_finite(dict(row)), separators=(",", ":"), allow_nan=False)
    crc = f"{zlib.crc32(body.encode()):08x}"
    comma = "," if len(body) > 2 else ""
    return f'{body[:-1]}{comma}"crc":"{crc}"}}\n'.encode()


def _decode_row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
        crc = row.pop("crc")
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
    body = json.dumps(row, separators=(",", ":"))
    return row if crc == f"{zlib.crc32(body.encode()):08x}" else None


def _finite(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def digest(*parts: bytes | str) -> str:
    """A short content hash (16 hexadecimal digits) of the parts, in order."""
    state = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "big"))
        state.update(data)
    return state.hexdigest()


def file_digest(path: Path | str) -> str:
    """A short content hash of a file."""
    state = hashlib.blake2b(digest_size=8)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()


def cache_folder() -> Path:
    """Where decoded images and results of timings live: ``$LANDSCAPE_CACHE``, else the user's cache folder."""
    if given := os.environ.get("LANDSCAPE_CACHE"):
        return Path(given).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "landscape"


def provenance(inputs: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What made a result: the command, library versions and the hashes of its inputs.

    No time and no host name, so that the same inputs give the same bytes.
    """
    versions = {"python": platform.python_version()}
    for name in (DISTRIBUTION, "torch", "torchvision", "timm", "numpy"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {"command": command_line(), "versions": versions, "inputs": dict(inputs or {})}


def command_line() -> str:
    """The running command as a person would type it."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return shlex.join(["python", "-m", spec.name.removesuffix(".__main__"), *sys.argv[1:]])
    if not hasattr(main, "__file__"):
        # A notebook's own command line holds a new file name for every session; it would not repeat.
        return "interactive session"
    return shlex.join(["python", Path(sys.argv[0]).name, *sys.argv[1:]])
