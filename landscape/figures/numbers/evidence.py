"""What runs say about a statement: an estimate with its interval, and over which targets and seeds it is."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from landscape.errors import InputError
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.cells import Key
from landscape.figures.numbers.interval import Mean, over_cells


@dataclass(frozen=True)
class Evidence:
    """What runs say about a claim.

    Attributes:
        mean: estimate and interval; its unit says what the interval is over.
        n: cells behind it: targets x seeds, or what `mean` counts.
        seeds: trial seeds.
        data: what it was measured on, where that is not the study's data.
        remark: a sentence that has to stand beside the number.
    """

    mean: Mean
    n: int
    seeds: tuple[int, ...]
    data: str = ""
    remark: str = ""

    @property
    def targets(self) -> int:
        """Target domains behind the number."""
        return self.n // max(len(self.seeds), 1)


def over_keys(study: Study, values: Mapping[Key, float]) -> Evidence:
    """The mean over targets and seeds of one number each: the first seed's targets, and the seeds that have them all.

    Raises:
        InputError: there is no number.
    """
    known = {key: value for key, value in values.items() if np.isfinite(value)}
    if not known:
        raise InputError("no number could be measured for any target and seed.")
    first = next(seed for seed in study.seeds if any(s == seed for _, s in known))
    targets = [target for target in study.targets if (target, first) in known]
    seeds = tuple(seed for seed in study.seeds if all((target, seed) in known for target in targets))
    cells = np.array([[known[target, seed] for seed in seeds] for target in targets])
    return Evidence(over_cells(cells), cells.size, seeds)
