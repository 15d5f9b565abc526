"""Targets and seeds of a study that something was found for: which are shown, and which are left out."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import pandas as pd

from landscape.algorithms.catalogue import label_of
from landscape.figures.machinery.study import Study

Key = tuple[str, int]
"""Target and seed."""
Result = TypeVar("Result")


def by_figure(study: Study, found: Mapping[Key, Result]) -> dict[str, Result]:
    """What figures show: the first seed's results, the main target's first and under no name, others under theirs."""
    shown = of_first_seed(found)
    main, _ = main_of(study, found)
    others = {_name(target): result for target, result in shown.items() if target != main}
    return {"": shown[main], **others}


def of_first_seed(found: Mapping[Key, Result]) -> dict[str, Result]:
    """Target -> result of the first seed there is."""
    first = next(iter(found))[1]
    return {target: result for (target, seed), result in found.items() if seed == first}


def main_of(study: Study, found: Iterable[Key]) -> Key:
    """The target and seed of an item that shows one: the main target, else the first one with a run."""
    keys = list(found)
    return next((key for key in keys if key[0] == study.main), keys[0])


def seeds_of(found: Iterable[Key]) -> list[int]:
    """The seeds there are, in order."""
    return list(dict.fromkeys(seed for _, seed in found))


def stacked(found: Mapping[Key, Result], table_of: Callable[[Result], pd.DataFrame]) -> pd.DataFrame:
    """The tables of all targets and seeds, one below the other, after columns that say which each is of."""
    return pd.concat(
        [labelled(table_of(each), target=target, seed=seed) for (target, seed), each in found.items()],
        ignore_index=True,
    )


def labelled(table: pd.DataFrame, **columns: int | str) -> pd.DataFrame:
    """The same table with these columns, each of one value, before its own."""
    for place, (name, value) in enumerate(columns.items()):
        table.insert(place, name, value)
    return table


def noted(found: Iterable[tuple[str, Any]]) -> tuple[str, ...]:
    """The notes of results, each once, after the target that they are of.

    Args:
        found: targets with a result, which says its notes in ``about``.
    """
    return tuple(dict.fromkeys(f"{target}: {note}" for target, each in found for note in each.about["notes"]))


def left_out(study: Study, found: Iterable[Key], algorithms: Sequence[str]) -> tuple[str, ...]:
    """A note on the targets and seeds without these algorithms' runs; none if nothing lacks."""
    shown, names = set(found), " or ".join(label_of(name) for name in algorithms)
    wanted = [(target, seed) for seed in study.seeds for target in study.targets]
    if missing := [f"{target} (seed {seed})" for target, seed in wanted if (target, seed) not in shown]:
        return (f"left out, because {names} has no finished run there: {', '.join(missing)}",)
    return ()


def _name(target: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", target.lower()).strip("-")
