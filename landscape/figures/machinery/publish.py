"""From a product to files: figures, tables and data, each with what made it inside."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from landscape.figures.machinery.product import Product
from landscape.storage import atomic_write

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["png", "pdf", "svg", "html"]
FORMATS: tuple[Format, ...] = ("png", "pdf", "html")


def publish(
    product: Product, stem: Path, *, formats: Sequence[Format] = FORMATS, title: str, about: Mapping[str, Any]
) -> list[Path]:
    """Write a product's files beside each other; the same product gives the same bytes.

    Args:
        product: what was made.
        stem: path without suffix; further figures and tables add their name to it.
        formats: of the figures; pages are written if ``html`` is among them.
        title: of the files.
        about: provenance, as :func:`landscape.storage.provenance` gives it.
    """
    from landscape.plots import theme

    static = [each for each in formats if each != "html"]
    written: list[Path] = []
    for name, figure in product.figures.items():
        written += theme.save(figure, _named(stem, name), formats=static, about={"title": title, **about})
    for name, table in product.tables.items():
        written += write_table(table, _named(stem, name), title=title, about=about)
    for name, table in product.long.items():
        written.append(_write_csv(table, _named(stem, name), {"title": title, **about}))
    for name, values in product.data.items():
        path = Path(f"{_named(stem, name)}.json")
        atomic_write(path, json.dumps({**values, "provenance": dict(about)}, indent=1, default=_plain) + "\n")
        written.append(path)
    if "html" in formats:
        written += [write(Path(f"{_named(stem, name)}.html")) for name, write in product.pages.items()]
    return written


def write_table(table: "pd.DataFrame", stem: Path, *, title: str, about: Mapping[str, Any]) -> list[Path]:
    """CSV (read it with ``comment="#"``), LaTeX (booktabs) and Markdown, with the provenance as a comment."""
    said = json.dumps({"title": title, **about}, sort_keys=True)
    words = table.map(_cell)
    latex = words.to_latex(index=False, escape=True, na_rep="n/a", position="tbp")
    contents = {
        "tex": f"% {said}\n{latex}",
        "md": f"<!-- {said.replace('-->', '-- >')} -->\n\n{markdown(table)}\n",
    }
    paths = [_write_csv(table, stem, {"title": title, **about})]
    for suffix, content in contents.items():
        paths.append(Path(f"{stem}.{suffix}"))
        atomic_write(paths[-1], content)
    return paths


def markdown(table: "pd.DataFrame") -> str:
    """A pipe table; numbers to the right."""
    right = [np.issubdtype(kind, np.number) if isinstance(kind, np.dtype) else False for kind in table.dtypes]
    lines = [list(map(str, table.columns)), ["---:" if each else "---" for each in right]]
    lines += [[_cell(value).replace("|", "\\|") for value in row] for row in table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _write_csv(table: "pd.DataFrame", stem: Path, about: Mapping[str, Any]) -> Path:
    path = Path(f"{stem}.csv")
    body = table.to_csv(index=False, lineterminator="\n", float_format="%.6g")
    atomic_write(path, f"# {json.dumps(about, sort_keys=True)}\n{body}")
    return path


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return "n/a"
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    return str(value)


def _named(stem: Path, name: str) -> Path:
    return stem.with_name(f"{stem.name}-{name}") if name else stem


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as JSON."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
