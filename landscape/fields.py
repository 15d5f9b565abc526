"""Fields of configurations: their bounds, their normal form, and which of them enter a hash.

No torch in here: ``--help`` has to answer at once.
"""

import dataclasses
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, Literal, get_args, get_origin

from landscape.errors import InputError, unknown_choice

_LATER = "later"


def option(
    default: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    most: float | None = None,
    later: bool = False,
) -> Any:
    """A dataclass field with bounds, which :func:`normalise` checks.

    Args:
        default: its default.
        least: the smallest value allowed.
        above: values have to be larger than this.
        below: values have to be smaller than this.
        most: the largest value allowed.
        later: the field came after runs had been named without it: it enters names and files only where it differs from
            its default, so that older runs keep theirs.
    """
    bounds = {"least": least, "above": above, "below": below, "most": most}
    numbers = {"bounds": bounds} if any(bound is not None for bound in bounds.values()) else {}
    return dataclasses.field(default=default, metadata={**numbers, _LATER: later})


def normalise(config: Any, prefix: str = "--") -> None:
    """Give equal configurations equal values, and so equal hashes; refuse what is out of bounds or does not exist.

    Python takes 0 for 0.0 and a list for a tuple without a word, JSON writes them differently, and it refuses
    NumPy's numbers.

    Raises:
        InputError: a value is no choice of its field, or out of its bounds.
    """
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        flag = prefix + item.name.replace("_", "-")
        if get_origin(item.type) is Literal and value not in get_args(item.type):
            raise unknown_choice(flag, str(value), [str(choice) for choice in get_args(item.type)])
        if item.type in (float, float | None) and isinstance(value, Real):
            value = float(value)
        if item.type is int and isinstance(value, Integral):
            value = int(value)
        if isinstance(value, list):
            value = tuple(value)
        if item.type == tuple[str, ...] and isinstance(value, str):
            value = (value,)
        object.__setattr__(config, item.name, value)
        if value is not None and "bounds" in item.metadata:
            _check(flag, value, **item.metadata["bounds"])


def _check(
    flag: str, value: float, *, least: float | None, above: float | None, below: float | None, most: float | None
) -> None:
    if not isinstance(value, Real):
        raise InputError(f"{flag} is {value!r}; expected a number.")
    # Comparisons are written so that a value that is not a number fails them.
    lower = (least is None or value >= least) and (above is None or value > above)
    upper = (below is None or value < below) and (most is None or value <= most)
    if lower and upper:
        return
    if below is None and most is None:
        expected = f"at least {least}" if least is not None else f"a number above {above}"
    else:
        start = f"from {least}" if least is not None else f"above {above}"
        end = f"up to {most}" if most is not None else f"up to, not including, {below}"
        expected = f"a number {start} {end}"
    raise InputError(f"{flag} is {value}; expected {expected}.")


def known(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Stored values of a configuration's class.

    Raises:
        InputError: there are some that the class does not have.
    """
    unknown = sorted(values.keys() - {item.name for item in dataclasses.fields(cls)})
    if unknown:
        raise InputError(
            f"the stored configuration has unknown settings ({', '.join(unknown)}); "
            "expected those of this version. Was it written by a newer one?"
        )
    return dict(values)


def to_store(config: Any) -> dict[str, Any]:
    """Nested plain values of a configuration; later fields (:func:`option`) only where they differ from the default."""
    values = {}
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if not (item.metadata.get(_LATER) and value == item.default):
            values[item.name] = to_store(value) if dataclasses.is_dataclass(value) else value
    return values
