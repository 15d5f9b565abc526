"""Makes one item of a study, unless it is up to date: product, files, entry of the manifest."""

import sys
from collections.abc import Sequence
from pathlib import Path

from landscape.figures.machinery.publish import FORMATS, Format, publish
from landscape.figures.machinery.registry import Item
from landscape.figures.machinery.state import Manifest, Status, inputs_of, key_of
from landscape.figures.machinery.study import Study
from landscape.storage import file_digest, provenance


def status_of(item: Item, study: Study, out: Path) -> Status:
    """Whether an item is up to date."""
    if item.waits_for:
        return "waits"
    return Manifest(out).status(f"{study.folder}/{item.name}", key_of(item, study, inputs_of(item, study)))


def produce(item: Item, study: Study, *, out: Path, formats: Sequence[Format] = FORMATS) -> list[Path]:
    """Make an item's files and its entry of the manifest; none if it is up to date in these formats.

    Args:
        item: what to make; it must not wait for an algorithm.
        study: its runs.
        out: folder of the figures; the study's own folder in it is written to.
        formats: of the figures.

    Raises:
        InputError: runs are missing without which there is nothing to show.
    """
    manifest, name = Manifest(out), f"{study.folder}/{item.name}"
    inputs = inputs_of(item, study)
    key = key_of(item, study, inputs)
    entry = manifest.read().get(name, {})
    current = manifest.status(name, key) == "current"
    if current and set(formats) <= set(entry["formats"]):
        return []
    product = item.make(study)
    about = {**provenance(inputs), "command": study.command(item.name)}
    # What was asked for before stays up to date with what is asked for now.
    formats = tuple(dict.fromkeys((*entry.get("formats", ()), *formats)))
    written = publish(product, out / study.folder / item.name, formats=formats, title=item.title, about=about)
    gone = sorted(set(entry.get("files", ())) - {str(path.relative_to(out)) for path in written})
    for old in gone:
        (out / old).unlink(missing_ok=True)
    if gone:
        print(f"{item.name}: replaces {entry['command']}; removed {', '.join(gone)}", file=sys.stderr)
    manifest.add(
        name,
        {
            "key": key,
            "title": item.title,
            "place": f"{item.paper}, {item.place}" if item.place else "",
            "caption": product.caption,
            "finding": product.finding,
            "notes": list(product.notes),
            "command": about["command"],
            "data": study.data_name,
            "seeds": list(product.facts.get("seeds", () if item.without_runs else study.seeds)),
            "facts": dict(product.facts),
            "inputs": inputs,
            "formats": list(formats),
            "files": {str(path.relative_to(out)): file_digest(path) for path in written},
        },
    )
    return written
