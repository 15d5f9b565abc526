"""Errors that are meant for a person: one sentence, no traceback."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Something the user gave cannot be used.

    The message is one sentence or two: what we got, what we expected, what to try.
    A command prints it and leaves with exit code 2; in a notebook it is the exception's text.
    """


def unknown_choice(kind: str, got: str, choices: Iterable[str]) -> InputError:
    """An :class:`InputError` for a name that is not among `choices`, with the nearest one suggested."""
    names = list(choices)
    near = difflib.get_close_matches(got.lower(), [name.lower() for name in names], n=1, cutoff=0.4)
    hint = ""
    if near:
        match = next(name for name in names if name.lower() == near[0])
        hint = f" Did you mean {match!r}?"
    return InputError(f"unknown {kind} {got!r}; expected one of: {', '.join(names)}.{hint}")
