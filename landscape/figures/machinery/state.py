"""What has been made of which inputs: hashes, the manifest, and which items are out of date."""

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Literal

import landscape
from landscape.algorithms.catalogue import METHODS
from landscape.errors import InputError
from landscape.figures.machinery.registry import Item
from landscape.figures.machinery.study import Study
from landscape.storage import atomic_write, digest, file_digest

FORMAT = 1
MANIFEST = "manifest.json"
Status = Literal["current", "stale", "missing", "waits"]
_PACKAGE = Path(landscape.__file__).parent
# Where what makes an item is followed by its imports. The machinery is not: every item uses it.
ROOMS = tuple(f"landscape.{room}" for room in ("figures.items", "figures.numbers", "plots", "toy", "reference"))


def inputs_of(item: Item, study: Study) -> dict[str, str]:
    """The finished runs that an item is made of: folder name -> hash of its last checkpoints."""
    found: dict[str, str] = {}
    for config in (*item.runs(study), *item.read(study)):
        run = study.finished(config)
        if run is None:
            continue
        last = [run.find(config.steps)]
        if (averaged := dict(run.checkpoints("swa")).get(config.steps)) is not None:
            last.append(averaged)
        found[run.folder.name] = digest(*(_file_digest(path, path.stat().st_mtime_ns) for path in last))
    return found


def key_of(item: Item, study: Study, inputs: Mapping[str, str]) -> str:
    """A hash of everything an item depends on: code, scale, configuration, targets, seeds, runs, algorithms."""
    config = study.base.identity() | {"steps": study.base.steps}
    # A new method outdates what is made of its runs, nothing else.
    methods = [name for name in (*item.algorithms, *study.scale.methods, *study.scale.ablation) if name in METHODS]
    about: dict[str, Any] = {"scale": asdict(study.scale), "config": config, "algorithms": methods}
    if not item.without_runs:
        about |= {"targets": study.targets, "seeds": study.seeds}
    return digest(
        str(FORMAT), item.name, _code(item), json.dumps(about, sort_keys=True, default=str), json.dumps(inputs)
    )


def code_of(item: Item) -> set[str]:
    """Names of the modules that compute and draw an item, reached from its own by imports anywhere in them.

    They end at :data:`ROOMS`: what the analysis packages measure is found by the hash of its inputs.
    """
    found: set[str] = set()
    waiting = [item.module]
    while waiting:
        name = waiting.pop()
        if name not in found and (path := _file_of(name)) is not None:
            found.add(name)
            waiting += _imported(path.read_text(encoding="utf-8"))
    return found


def _file_of(module: str) -> Path | None:
    """The file of a module of the rooms that are followed."""
    if not any(module == room or module.startswith(f"{room}.") for room in ROOMS):
        return None
    path = _PACKAGE.joinpath(*module.split(".")[1:])
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


def _imported(source: str) -> Iterator[str]:
    """Modules that a source imports; a package only for a name that is no module of it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if _file_of(inner) is not None else node.module


def _code(item: Item) -> str:
    """A hash of what computes and draws an item, with the papers' numbers if it reads them."""
    names = code_of(item)
    paths = [path for name in sorted(names) if (path := _file_of(name)) is not None]
    if "landscape.reference" in names:
        paths += sorted((_PACKAGE / "reference").glob("*.[ct]*"))
    return digest(*(path.read_bytes() for path in paths))


@cache
def _file_digest(path: Path, changed: int) -> str:
    return file_digest(path)


class Manifest:
    """``manifest.json``: of every item what it shows, what made it, and the hashes of its files.

    Args:
        folder: the figures' folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / MANIFEST

    def read(self) -> dict[str, dict[str, Any]]:
        """Entries by ``PRESET/ITEM``; none if the file does not exist.

        Raises:
            InputError: the file is damaged, or of another version.
        """
        if not self.path.is_file():
            return {}
        try:
            content = json.loads(self.path.read_text())
            if content["format"] == FORMAT:
                entries: dict[str, dict[str, Any]] = content["items"]
                return entries
        except (ValueError, KeyError, TypeError):
            pass
        raise InputError(f"{self.path} is no manifest of this version; move it away, and the figures are made again.")

    def add(self, name: str, entry: Mapping[str, Any]) -> None:
        """Add or replace one entry; the file is whole at every moment."""
        entries = {**self.read(), name: dict(entry)}
        content = {"format": FORMAT, "items": dict(sorted(entries.items()))}
        atomic_write(self.path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    def status(self, name: str, key: str) -> Status:
        """Whether an item with these inputs has been made and its files are as they were written."""
        entry = self.read().get(name)
        if entry is None:
            return "missing"
        if entry["key"] != key:
            return "stale"
        paths = {self.folder / file: content for file, content in entry["files"].items()}
        intact = all(path.is_file() and file_digest(path) == content for path, content in paths.items())
        return "current" if intact else "missing"
