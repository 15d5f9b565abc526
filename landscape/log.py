"""What has been evaluated, so that an interrupted call goes on where it stopped."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from landscape.storage import Journal


class Log:
    """What has been evaluated, in memory and, if wanted, in a journal of checksummed rows on disk.

    Args:
        path: the journal; None: in memory only.
        inputs: hash of everything that the values depend on; rows of other inputs are dropped.
    """

    def __init__(self, path: Path | str | None = None, inputs: str = "") -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self._inputs = inputs
        self._journal = Journal(path) if path is not None else None
        if self._journal is not None:
            # Drops also a row that a crash has cut off.
            for row in self._journal.rewind(lambda row: row.get("inputs") == inputs):
                self.rows[row["key"]] = row

    def add(self, key: str, **values: Any) -> None:
        """Keep one row."""
        self.rows[key] = values
        if self._journal is not None:
            self._journal.append({"key": key, "inputs": self._inputs, **values})

    def losses(self, key: str) -> np.ndarray:
        """(L,) losses of a row; null, and what is no number, stands for a loss that overflowed."""
        values = np.array(self.rows[key]["losses"], dtype=np.float64)
        return np.where(np.isnan(values), np.inf, values)

    def notes(self) -> list[str]:
        """What the evaluations of the rows had to say, in order."""
        return [note for row in self.rows.values() for note in row.get("notes", ())]

    def done(self, keys: Iterable[str]) -> int:
        """How many of the keys have a row."""
        return sum(key in self.rows for key in keys)
