"""What has been made of which inputs: hashes, the manifest, and which items are out of date."""

import ast
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Literal

import landscape
from landscape.config import ALGORITHMS
from landscape.errors import InputError
from landscape.figures.registry import Item
from landscape.figures.study import Study
from landscape.storage import atomic_write, digest, file_digest

FORMAT = 1
MANIFEST = "manifest.json"
Status = Literal["current", "stale", "missing", "waits"]
_PACKAGE = Path(landscape.__file__).parent
# What every item uses, and whose changes leave them as they are.
_BASE = {"study", "product", "registry", "scale"}


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
    about: dict[str, Any] = {"scale": asdict(study.scale), "config": config, "algorithms": ALGORITHMS}
    if not item.without_runs:
        about |= {"targets": study.targets, "seeds": study.seeds}
    return digest(
        str(FORMAT), item.name, _code(item), json.dumps(about, sort_keys=True, default=str), json.dumps(inputs)
    )


def code_of(item: Item) -> set[str]:
    """Names of the modules of this package that make an item, reached by imports anywhere in them."""
    found: set[str] = set()
    waiting = [item.module]
    while waiting:
        name = waiting.pop()
        path = _PACKAGE / "figures" / f"{name}.py"
        if name in found or name in _BASE or not path.is_file():
            continue
        found.add(name)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("landscape.figures"):
                module = (node.module or "").removeprefix("landscape.figures").removeprefix(".")
                waiting += [module] if module else [alias.name for alias in node.names]
    return found


def _code(item: Item) -> str:
    """A hash of the modules that make an item and draw it: what other code has made is out of date."""
    own = [_PACKAGE / "figures" / f"{name}.py" for name in sorted(code_of(item))]
    shared = [*sorted((_PACKAGE / "plots").glob("*.py")), *sorted((_PACKAGE / "reference").glob("*.[ct]*"))]
    return digest(*(path.read_bytes() for path in (*own, *shared)))


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
