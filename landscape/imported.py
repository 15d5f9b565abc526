"""Code of the user's own by ``package.module:name``, from the current folder too. No torch in here."""

import importlib
import os
import sys
from typing import Any

from landscape.errors import InputError, unknown_choice


def imported(reference: str, flag: str, kind: str) -> Any:
    """What ``package.module:name`` names.

    Args:
        reference: as the user gave it.
        flag: the option it was given by, for messages.
        kind: what is expected there (``function``, ``Class``), likewise.

    Raises:
        InputError: not of this form, not importable, nothing of that name, or nothing that can be called.
    """
    module_name, _, name = reference.partition(":")
    if not module_name or not name:
        raise InputError(f"{flag} {reference!r} is not of the form package.module:{kind}.")
    here = os.getcwd()
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise InputError(
            f"cannot import {module_name!r} for {flag} {reference}: {type(error).__name__}: {error}. "
            f"Python searched its installed packages and the current folder, {here}."
        ) from error
    finally:
        if added:
            sys.path.remove(here)
    found = getattr(module, name, None)
    if found is None:
        candidates = [known for known, value in vars(module).items() if callable(value) and not known.startswith("_")]
        raise unknown_choice(f"{kind.lower()} of {module_name}", name, candidates or ["(it defines none)"])
    return found
