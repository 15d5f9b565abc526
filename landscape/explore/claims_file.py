"""The claims ledger: what the papers claim, and what the runs here say about it."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from landscape.errors import InputError

FORMAT = 1
VERDICTS = ("supported", "not supported", "undecided", "waiting")
_FIELDS = ("id", "paper", "place", "claim", "setting", "statistic", "estimate", "low", "high", "unit", "n", "seeds")
_NUMBERS = ("estimate", "low", "high")


def read_claims(path: Path) -> list[Mapping[str, Any]]:
    """The rows of a ``claims.json``.

    Raises:
        InputError: not a ledger, another format, or a claim without one of its fields.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        claims = list(stored["claims"])
        format_ = stored["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no claims ledger ({error!r}); expected the claims.json of the figures.") from error
    if format_ != FORMAT:
        raise InputError(f"{path} has claims format {format_}; this version reads {FORMAT}.")
    return [_checked(claim, path) for claim in claims]


def _checked(claim: Any, path: Path) -> Mapping[str, Any]:
    if not isinstance(claim, Mapping):
        raise InputError(f"{path} has the claim {claim!r}; expected fields with their values; write the ledger again.")
    lacking = [name for name in (*_FIELDS, "verdict", "why", "command") if name not in claim]
    if lacking:
        raise InputError(f"claim {claim.get('id', '?')} in {path} lacks {', '.join(lacking)}; write the ledger again.")
    if claim["verdict"] not in VERDICTS:
        raise InputError(
            f"claim {claim['id']} in {path} has the verdict {claim['verdict']!r}; "
            f"expected one of: {', '.join(VERDICTS)}."
        )
    for name in _NUMBERS:
        if not _is_number(claim[name]):
            raise InputError(f"claim {claim['id']} in {path}: {name} is {claim[name]!r}; expected a number or null.")
    return claim


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and math.isfinite(value))
