"""What an item of the registry makes: figures, tables, a caption, and a sentence on what they show here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Product:
    """The outcome of one item.

    Attributes:
        caption: data, model, seeds, n, the unit of replication and what intervals are over.
        finding: one honest sentence on what the figure or table shows with these runs.
        figures: name -> figure. The name ``""`` is the item's own file; another one is added to it with a hyphen.
        tables: likewise, written as CSV, LaTeX and Markdown.
        long: likewise; tables too long to read, written as CSV only. No name is in both.
        data: likewise, written as JSON (plain values).
        pages: likewise; a function that writes an HTML page to the path it is given, beside the script it loads.
        facts: what the manifest says beside that: ``seeds``, ``n`` and the like, as plain values.
        notes: what a reader should know, such as rows that were left out for lack of runs.
    """

    caption: str
    finding: str
    figures: Mapping[str, "Figure"] = field(default_factory=dict)
    tables: Mapping[str, "pd.DataFrame"] = field(default_factory=dict)
    long: Mapping[str, "pd.DataFrame"] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    pages: Mapping[str, Callable[[Path], Path]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
