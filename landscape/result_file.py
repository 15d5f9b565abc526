"""Results of analyses in netCDF files: one attribute of JSON says what a file holds, and in which format.

netCDF attributes can be neither None nor bool nor nested, hence the JSON.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from landscape.errors import InputError
from landscape.storage import atomic_path


@dataclass(frozen=True)
class ResultFile:
    """A kind of result.

    Attributes:
        noun: what a message calls it (``a surface``).
        attribute: name of the JSON attribute, by which files of this kind are told from others.
        format: of the files that this version writes and reads.
        made_by: the command that writes one.
    """

    noun: str
    attribute: str
    format: int
    made_by: str

    def write(self, path: Path | str, dataset: xr.Dataset, about: Mapping[str, Any]) -> Path:
        """Write a result atomically.

        Args:
            path: the file.
            dataset: its arrays.
            about: everything else, as JSON.
        """
        path = Path(path)
        text = json.dumps({**about, "format": self.format}, sort_keys=True)
        with atomic_path(path) as temporary:
            dataset.assign_attrs({self.attribute: text}).to_netcdf(temporary, engine="h5netcdf")
        return path

    @contextmanager
    def reading(self, path: Path | str, **options: Any) -> Iterator[tuple[xr.Dataset, dict[str, Any]]]:
        """The arrays and the JSON of a result; what the block cannot make sense of makes the file a damaged one.

        Args:
            path: the file.
            options: of :func:`xarray.open_dataset`.

        Raises:
            InputError: no such file, not such a result, a damaged one, or one of another format.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path} does not exist; expected {self.noun}, as `{self.made_by}` writes it.")
        bare = self.noun.partition(" ")[2]
        try:
            with xr.open_dataset(path, engine="h5netcdf", **options) as opened:
                stored = opened.load()
            about: dict[str, Any] = json.loads(stored.attrs[self.attribute])
            if (version := about.pop("format")) != self.format:
                raise InputError(f"{path} has {bare} format {version}; this version reads {self.format}.")
            yield stored, about
        except (OSError, LookupError, ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is no {bare}, or is damaged ({error}); measure it again.") from error
