"""Manifests: a CSV or JSON table that names every image's domain and class, for data in any folder layout."""

import csv
import io
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from landscape.data.folders import describe_file, open_files
from landscape.data.listing import Entry, Listing, choose_domains, make_listing
from landscape.errors import InputError

COLUMNS = ("path", "domain", "class")


def list_manifest(file: Path, domains: Sequence[str] = ()) -> Listing:
    """The images of a manifest: columns path, domain, class and, if wished, concept; others are ignored.

    A CSV file has a header line; a JSON file is a list of objects. Relative paths are relative to the
    manifest. With concepts, splits go by concept.

    Raises:
        InputError: columns or values are missing, a path is listed twice, a class is present in one domain
            only, a domain is unknown, or there are fewer than two.
    """
    rows, header = _read_rows(file)
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise InputError(
            f"the manifest {file} lacks {' and '.join(missing)}; expected the columns path, domain, class and, if "
            f"wished, concept, found {', '.join(header) or 'none'}."
        )
    wanted = (*COLUMNS, "concept") if "concept" in header else COLUMNS
    seen: set[str] = set()
    for number, row in rows:
        for column in wanted:
            if not row.get(column):
                raise InputError(f"{file}, {number}: {column} is empty; every image needs {', '.join(wanted)}.")
        if row["path"] in seen:
            raise InputError(f"{file}: {row['path']} is listed twice; list every image once.")
        seen.add(row["path"])
    available = sorted({row["domain"] for _, row in rows})
    used = choose_domains(domains, available, available, {})
    root = file.parent
    entries = [
        Entry(row["path"], row["domain"], row["class"], row.get("concept"), *describe_file(root / row["path"]))
        for _, row in sorted(rows, key=lambda item: item[1]["path"])
        if row["domain"] in used
    ]
    return make_listing(file.stem, str(file), entries, partial(open_files, root), available=available, domains=used)


def _read_rows(file: Path) -> tuple[list[tuple[str, dict[str, str]]], list[str]]:
    """Rows with their place in the file, and the columns that any of them has."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        items = json.loads(text) if file.suffix.lower() == ".json" else None
    except ValueError as error:  # of JSON, or of the encoding
        raise InputError(f"the manifest {file} cannot be read ({error}); expected UTF-8 text, CSV or JSON.") from error
    if items is not None:
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise InputError(f'{file} has to be a list of objects like {{"path": ..., "domain": ..., "class": ...}}.')
        rows = [
            (f"item {i}", {key: "" if value is None else str(value) for key, value in item.items()})
            for i, item in enumerate(items)
        ]
        return rows, list(dict.fromkeys(key for _, row in rows for key in row))
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
    header = reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
    return [(f"line {reader.line_num}", {name: row[name].strip() for name in header}) for row in reader], header
