"""A choice of images that keeps the share of every stratum."""

from collections.abc import Callable

import numpy as np

from landscape.data.task import Task
from landscape.errors import InputError
from landscape.seeding import numpy_generator

Draw = Callable[[np.ndarray, int, int], np.ndarray]
"""From a stratum's members, how many of them, and the stratum's number to those that are chosen."""


def draw_strata(strata: np.ndarray, count: int, draw: Draw, *, least: int = 1, flag: str = "--subset") -> np.ndarray:
    """About `count` places of an array of strata, the same share of each, sorted.

    Of a stratum of N out of n places ``count N / n`` are drawn, rounded, at least `least` where it has so many.

    Args:
        strata: (n,) int: the stratum of each place.
        count: how many places.
        draw: chooses among the places of one stratum; callers keep the draws that their stored results have.
        least: fewest of each stratum.
        flag: what `count` is called on the command line.

    Raises:
        InputError: `count` is below 1.
    """
    if count < 1:
        raise InputError(f"{flag} is {count}; expected a number of images from 1.")
    chosen = []
    for stratum in np.unique(strata).tolist():
        members = np.flatnonzero(strata == stratum)
        wanted = max(least, round(count * len(members) / len(strata)))
        chosen.append(draw(members, min(wanted, len(members)), stratum))
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def stratified(task: Task, rows: np.ndarray, count: int, *, seed: int, flag: str = "--subset") -> np.ndarray:
    """About `count` of the rows, the same share of every domain and class, at least one of each.

    Args:
        task: gives domains and classes.
        rows: (n,) rows to choose from.
        count: how many.
        seed: of the choice.
        flag: what `count` is called on the command line.

    Raises:
        InputError: `count` is below 1.
    """

    def draw(members: np.ndarray, wanted: int, cell: int) -> np.ndarray:
        return numpy_generator(seed, "evaluation", "subset", cell).choice(members, wanted, replace=False)

    images = task.images
    return rows[draw_strata(images.domain[rows] * len(images.classes) + images.labels[rows], count, draw, flag=flag)]
