"""Results on disk: looked for, recognised by what is in them, opened."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from landscape.correlation.association import Association
from landscape.embedding.embedding import Embedding
from landscape.errors import InputError
from landscape.explore.claims_file import read_claims
from landscape.flatness.comparison import Flatness
from landscape.surface.surface import Surface

CLAIMS = "claims.json"
# The attribute by which a netCDF file says what it is, and who reads it. A surface's is the least telling: it is last.
_READERS: dict[str, Callable[[Path], Any]] = {
    "flatness": Flatness.load,
    "embedding": Embedding.load,
    "association": Association.load,
    "about": Surface.load,
}


@dataclass(frozen=True)
class Found:
    """What was found, each with the file it came from, in the order of the files' paths.

    Attributes:
        surfaces: loss surfaces.
        flatness: flatness curves.
        embeddings: latent codes.
        associations: learned scores against cosines.
        claims: claims ledgers, each the rows of one.
        notes: what was left out, in sentences.
    """

    surfaces: tuple[tuple[Path, Surface], ...] = ()
    flatness: tuple[tuple[Path, Flatness], ...] = ()
    embeddings: tuple[tuple[Path, Embedding], ...] = ()
    associations: tuple[tuple[Path, Association], ...] = ()
    claims: tuple[tuple[Path, list[Mapping[str, Any]]], ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def at(cls, paths: Sequence[Path | str]) -> "Found":
        """Open result files, and those below folders.

        Raises:
            InputError: a file that was named does not exist or is no result, or there is no result at all.
        """
        named = [Path(path) for path in paths]
        results: dict[type, list[tuple[Path, Any]]] = {}
        claims: list[tuple[Path, list[Mapping[str, Any]]]] = []
        notes = []
        for path, given in _files(named):
            try:
                if path.suffix == ".json":
                    claims.append((path, read_claims(path)))
                else:
                    result = _open(path)
                    results.setdefault(type(result), []).append((path, result))
            except InputError as error:
                if given:
                    raise
                notes.append(f"left out: {error}")
        if not results and not claims:
            raise InputError(
                f"there is no result in {', '.join(map(str, named))}; expected .nc files of python -m "
                "landscape.surface, flatness, embedding or correlation, or a claims.json."
            )
        return cls(
            surfaces=tuple(results.get(Surface, ())),
            flatness=tuple(results.get(Flatness, ())),
            embeddings=tuple(results.get(Embedding, ())),
            associations=tuple(results.get(Association, ())),
            claims=tuple(claims),
            notes=tuple(notes),
        )


def _files(named: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    """Every file once, and whether it was named itself."""
    seen: set[Path] = set()
    for path in named:
        if not path.exists():
            raise InputError(f"{path} does not exist; expected a result file or a folder of them.")
        inside = sorted([*path.rglob("*.nc"), *path.rglob(CLAIMS)]) if path.is_dir() else [path]
        for file in inside:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file, file is path


def _open(path: Path) -> Any:
    """The result in a netCDF file, by the attribute that tells what it holds."""
    try:
        with xr.open_dataset(path, engine="h5netcdf", decode_cf=False) as opened:
            names = list(opened.attrs)
    except (OSError, ValueError):
        names = []
    kind = next((kind for kind in _READERS if kind in names), None)
    if kind is None:
        raise InputError(
            f"{path} is no result that the page has a panel for; expected one of landscape.surface, flatness, "
            "embedding or correlation."
        )
    return _READERS[kind](path)
