"""Directions that take minutes to find, kept beside the journal of the surface over them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from landscape.checkpoint import load_tensors, save_tensors
from landscape.errors import InputError
from landscape.flatness.eigenvectors import Eigenvectors


def eigenvectors_beside(journal: Path) -> Path:
    """Where the eigenvectors of a journal's surface are kept: ``NAME.eigenvectors.safetensors``."""
    return journal.with_suffix(".eigenvectors.safetensors")


def kept_eigenvectors(path: Path | None, inputs: str, measure: Callable[[], Eigenvectors]) -> Eigenvectors:
    """Eigenvectors from a file if it holds those of the same inputs, else measured, and kept for the next time.

    Measured again, they may differ in their last bits, and the points that a journal holds lie on the first ones.

    Args:
        path: the file; None: nothing is kept.
        inputs: hash of everything that they depend on.
        measure: finds them.
    """
    if path is None:
        return measure()
    found = _load(path, inputs)
    if found is None:
        found = measure()
        tensors = {f"{k}/{name}": part for k, vector in enumerate(found.vectors) for name, part in vector.items()}
        save_tensors(path, tensors, {"inputs": inputs, "values": found.values.tolist(), "notes": list(found.notes)})
    return found


def _load(path: Path, inputs: str) -> Eigenvectors | None:
    if not path.is_file():
        return None
    try:
        tensors, about = load_tensors(path)
    except InputError:  # damaged: measured again
        return None
    if about is None or about.get("inputs") != inputs:
        return None
    vectors = tuple(
        # Copies: what is read is mapped from the file, which may be written anew.
        {name.partition("/")[2]: part.clone() for name, part in tensors.items() if name.startswith(f"{k}/")}
        for k in range(len(about["values"]))
    )
    return Eigenvectors(np.array(about["values"]), vectors, tuple(about["notes"]))
