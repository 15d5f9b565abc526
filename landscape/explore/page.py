"""The folder with the page: fixed assets, one script of data per result, sheets of thumbnails."""

import html
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from plotly.utils import PlotlyJSONEncoder

from landscape.errors import InputError
from landscape.explore.album import Album, Asked
from landscape.explore.association_panels import association_data
from landscape.explore.embedding_panels import embedding_data
from landscape.explore.flatness_panels import flatness_data
from landscape.explore.found import CLAIMS, Found
from landscape.explore.surface_panels import surface_data
from landscape.plots import theme
from landscape.plots.interactive import SCRIPT, provenance_words, write_script
from landscape.storage import atomic_write, provenance

PAGE = "index.html"
_ASSETS = ("page.js", "surface.js", "flatness.js", "embedding.js", "correlation.js", "claims.js", "style.css")
# What a section says when nothing was given for it.
_MISSING = {
    "surface": "No loss surface among the results; python -m landscape.surface A B C makes one.",
    "flatness": "No flatness curves among the results; python -m landscape.flatness RUN ... makes them.",
    "embedding": "No latent codes among the results; python -m landscape.embedding RUN makes them.",
    "correlation": "No learned scores among the results; python -m landscape.correlation RUN makes them.",
    "claims": "No claims.json among the results.",
}
# Files of an earlier page in the same folder; nothing else in there is touched.
_OWN = {
    "data": re.compile(r"(index|(surface|flatness|embedding|correlation|claims)-\d+)\.js"),
    "images": re.compile(r"sheet-[0-9a-f]{8}-\d{3}\.jpg"),
}


def write_explorer(
    results: Sequence[Path | str],
    out: Path | str = "figures/explore",
    *,
    data: Sequence[str] = (),
    data_dir: Path | str | None = None,
) -> tuple[Path, list[str]]:
    """Write a page that explores results, and everything it needs beside it.

    The page opens from the disk, without a server and without a network. The same results give the same bytes.

    Args:
        results: result files, or folders that are searched for them.
        out: folder for the page.
        data: where the images are, for results on data of your own.
        data_dir: folder that holds the downloaded data sets.

    Returns:
        The page, and what was left out, in sentences.

    Raises:
        InputError: a file that does not exist or is no result, or no result at all.
    """
    found = Found.at(results)
    folder = Path(out)
    albums, unopened = _albums(found, data, data_dir)
    _clear(folder)
    sheets = {digest: album.write(folder / "images") for digest, album in albums.items()}
    notes = [*found.notes, *unopened]

    sections: dict[str, list[dict[str, Any]]] = {kind: [] for kind in _MISSING if kind != "claims"}
    for kind, path, about, content in _contents(found, albums):
        key = f"{kind}-{len(sections[kind])}"
        content |= {"notes": list(about.get("notes", ())), "provenance": provenance_words(about)}
        content["album"] = sheets.get(str(about.get("data_digest")))
        _write_data(folder, key, content)
        seeds = ", ".join(map(str, about.get("seeds", ())))
        entry = {"key": key, "target": content["target"], "name": content["name"], "seeds": seeds, "file": path.stem}
        sections[kind].append(entry)
    for entries in sections.values():
        _tell_apart(entries)
    ledgers = [{"key": f"claims-{at}", **_ledger(path)} for at, (path, _) in enumerate(found.claims)]
    _tell_apart(ledgers)
    for ledger, (_, claims) in zip(ledgers, found.claims, strict=True):
        _write_data(folder, ledger["key"], {"claims": claims})
    index = {
        "sections": sections | {"claims": ledgers},
        "missing": _MISSING,
        "notes": notes,
    }
    atomic_write(folder / "data" / "index.js", f"explorer.start({_json(index)});\n")

    assets = resources.files("landscape.explore").joinpath("assets")
    for name in _ASSETS:
        atomic_write(folder / name, assets.joinpath(name).read_bytes())
    write_script(folder)
    page = Template(assets.joinpath(PAGE).read_text(encoding="utf-8")).substitute(
        script=SCRIPT,
        light=_variables("light"),
        dark=_variables("dark"),
        pictures=html.escape(_credit(albums)),
        provenance=html.escape(provenance_words({"provenance": provenance()})),
    )
    atomic_write(folder / PAGE, page)
    return folder / PAGE, notes


def _contents(
    found: Found, albums: Mapping[str, Album]
) -> Iterator[tuple[str, Path, Mapping[str, Any], dict[str, Any]]]:
    """(kind, file, about, data) of every result, sorted by target within a kind."""
    for path, surface in _by_target(found.surfaces):
        yield "surface", path, surface.about, surface_data(surface)
    for path, flatness in _by_target(found.flatness):
        yield "flatness", path, flatness.about, flatness_data(flatness)
    for path, embedding in _by_target(found.embeddings):
        album = albums.get(str(embedding.about.get("data_digest")))
        yield (
            "embedding",
            path,
            embedding.about,
            embedding_data(embedding, album.places(embedding.rows) if album else ()),
        )
    for path, association in _by_target(found.associations):
        album = albums.get(str(association.about.get("data_digest")))
        places = [album.places(pair.rows) for pair in association.pairs] if album else ()
        yield "correlation", path, association.about, association_data(association, places)


def _by_target(results: Iterable[tuple[Path, Any]]) -> list[tuple[Path, Any]]:
    return sorted(results, key=lambda pair: str(pair[1].about.get("target", "")))


def _albums(found: Found, data: Sequence[str], data_dir: Path | str | None) -> tuple[dict[str, Album], list[str]]:
    """An album per data set, by the hash of its listing; and a sentence for each that could not be opened."""
    asked = [Asked(one.about, one.rows, one.domains, one.files) for _, one in found.embeddings]
    asked += [
        Asked(one.about, np.concatenate([pair.rows.ravel() for pair in one.pairs])) for _, one in found.associations
    ]
    albums, notes = {}, []
    for digest in dict.fromkeys(each.digest for each in asked):
        same = [each for each in asked if each.digest == digest]
        try:
            albums[digest] = Album.of(same, data=data, data_dir=data_dir)
        except InputError as error:
            notes.append(f"The pictures of {same[0].name} are not shown: {error}")
    return albums, notes


def _ledger(path: Path) -> dict[str, Any]:
    """What a claims ledger is listed as: its folder's name, or its own if that says more."""
    name = path.resolve().parent.name if path.name == CLAIMS else path.stem
    return {"target": "", "name": name, "seeds": "", "file": path.parent.as_posix()}


def _tell_apart(entries: list[dict[str, Any]]) -> None:
    """Names say the seed where there are several; names that occur twice for a target get the file's name."""
    several = len({entry["seeds"] for entry in entries}) > 1
    for entry in entries:
        if (seeds := entry.pop("seeds")) and several:
            entry["name"] += f", seed {seeds}"
    counts = Counter((entry["target"], entry["name"]) for entry in entries)
    for entry in entries:
        file = entry.pop("file")
        if counts[entry["target"], entry["name"]] > 1:
            entry["name"] += f" ({file})"


def _clear(folder: Path) -> None:
    for name, own in _OWN.items():
        for path in (folder / name).glob("*"):
            if own.fullmatch(path.name):
                path.unlink()


def _write_data(folder: Path, key: str, content: Mapping[str, Any]) -> None:
    """A script that hands its data over: a page from the disk may load scripts, and nothing else."""
    atomic_write(folder / "data" / f"{key}.js", f'explorer.receive("{key}", {_json(content)});\n')


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, cls=PlotlyJSONEncoder, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _variables(mode: Any) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in theme.SCREEN[mode].items())


def _credit(albums: Mapping[str, Album]) -> str:
    """SixStyles' pictures come with conditions; data of the reader's own is the reader's affair."""
    if any(album.name == "sixstyles" for album in albums.values()):
        return "Pictures: SixStyles; sources and licences are listed in the package's NOTICE."
    return ""
