"""The page that shows what has been made: ``README.md`` of the figures' folder, written from the manifest."""

from pathlib import Path
from typing import Any

from landscape.figures.machinery.registry import ITEMS
from landscape.storage import atomic_write

_HEAD = """# Figures

Written by `python -m landscape.figures`; code lives in `landscape/figures/` and `landscape/plots/`. Each entry says
what it shows, of which data, with which command it was made, and what can be seen in it here.
[manifest.json](manifest.json) holds the same with the hashes of inputs and files;
`python -m landscape.figures --check` compares.

- `.png`, `.pdf`, `.svg`: the figure, with command, versions and input hashes in its metadata.
- `.csv` (first line: provenance, as a comment), `.tex`, `.md`: a table.
- `.html`: a page to point at, offline. `python -m landscape.explore` makes one of all results.
- `results/*.nc`: measured numbers, labelled; any netCDF tool opens them. Git ignores them.
- `demo/`: what `make demo` writes.

The default target and schedule were chosen after target accuracies had been seen.
"""
_WORDS = {"quick": "minutes on two processor cores", "full": "the paper's schedule", "paper": "the paper's protocol"}


def write_gallery(folder: Path, entries: dict[str, dict[str, Any]]) -> Path:
    """Write the page of a manifest's entries, in the registry's order."""
    order = {item.name: index for index, item in enumerate(ITEMS)}
    parts = [_HEAD]
    for part in dict.fromkeys(name.rpartition("/")[0] for name in sorted(entries)):
        words = _WORDS.get(part.split("-")[0])
        parts.append(f"## {part}{f': {words}' if words else ''}\n")
        names = [name for name in entries if name.rpartition("/")[0] == part]
        for name in sorted(names, key=lambda each: order.get(each.rpartition("/")[2], len(order))):
            parts.append(_entry(name.rpartition("/")[2], entries[name]))
    path = folder / "README.md"
    text = "\n".join(parts)
    if not path.is_file() or path.read_text() != text:
        atomic_write(path, text)
    return path


def _entry(name: str, entry: dict[str, Any]) -> str:
    place = f" ({entry['place']})" if entry["place"] else ""
    lines = [f"### {name}: {entry['title']}{place}", ""]
    files = list(entry["files"])
    shown = [file for file in files if file.endswith(".png")]
    if shown:
        lines += [f"![{entry['title']}]({shown[0]})", ""]
    lines += [entry["caption"], "", f"**Here:** {entry['finding']}", ""]
    lines += [f"- {note}" for note in entry["notes"]] + ([""] if entry["notes"] else [])
    others = [file for file in files if file not in shown[:1] and not file.endswith((".pdf", ".svg", ".tex", ".csv"))]
    links = ", ".join(f"[{Path(file).name}]({file})" for file in others if not file.endswith(".html"))
    if links:
        lines += [f"Also: {links}", ""]
    return "\n".join([*lines, f"`{entry['command']}`", ""])
