"""Every training method, by name: adding one is its file and its row in :mod:`landscape.algorithms.rows`.

No torch in here: ``--help`` has to answer at once. ``python -m landscape.algorithms`` prints the rows.
"""

from collections.abc import Mapping
from types import MappingProxyType

from landscape.algorithms.method import Method, own_method
from landscape.algorithms.rows import ascent, features, fgmix, inputs, loops, penalties, rules
from landscape.errors import unknown_choice

ROWS = (
    *fgmix.ROWS,
    *inputs.ROWS,
    *features.ROWS,
    *penalties.ROWS,
    *rules.ROWS,
    *ascent.ROWS,
    *loops.ROWS,
)

METHODS: Mapping[str, Method] = MappingProxyType({row.name: row for row in ROWS})
"""The methods of this version, by name."""


def find(name: str) -> Method:
    """The row of a method; of the user's own, ``package.module:Class``, one that imports nothing yet.

    Raises:
        InputError: there is no such method; the nearest one is suggested.
    """
    if ":" in name:
        return own_method(name)
    if name not in METHODS:
        raise unknown_choice("--algorithm", name, [*METHODS, "package.module:Class"])
    return METHODS[name]


def label_of(name: str, swa: bool = False) -> str:
    """What a method is called in figures and tables (``FGMix + SWA``); a name of no method is called by it."""
    return (METHODS[name].label if name in METHODS else name.rpartition(":")[2]) + (" + SWA" if swa else "")
