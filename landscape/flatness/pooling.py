"""One curve over several targets: the mean over targets, direction by direction."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from landscape.errors import InputError
from landscape.flatness.curve import FlatnessCurve, Statistic
from landscape.intervals import bootstrap_rows


@dataclass(frozen=True, eq=False)
class PooledCurve:
    """Flatness of one method averaged over targets, each with its own weights, at the same gammas along the same
    directions.

    Direction k contributes the mean over targets of its statistic. The interval is over directions, which the targets
    share; it says nothing of other targets or seeds.

    Attributes:
        curves: one for each target.
    """

    curves: tuple[FlatnessCurve, ...]

    def __post_init__(self) -> None:
        if not self.curves:
            raise InputError("got no curve to pool; expected one for each target.")
        first = self.curves[0]
        for other in self.curves[1:]:
            same = np.array_equal(first.gamma, other.gamma) and first.losses == other.losses
            if not same or (first.method, first.directions) != (other.method, other.directions):
                raise InputError(
                    f"the curves of {first.method} and {other.method} differ in gammas, losses, method or number of "
                    "directions; measure them with the same --gammas and --directions."
                )
        seeds = {curve.about.get("direction_seed") for curve in self.curves} - {None}
        if len(seeds) > 1:
            words = ", ".join(sorted(map(str, seeds)))
            raise InputError(
                f"the curves of {first.method} are along other directions (seeds {words}); measure them with the same "
                "--direction-seed."
            )

    @property
    def method(self) -> str:
        """What was measured."""
        return self.curves[0].method

    @property
    def gamma(self) -> np.ndarray:
        """(G,) distances."""
        return self.curves[0].gamma

    def values(self, statistic: Statistic = "squared", loss: str | None = None) -> np.ndarray:
        """(G, J) mean over targets of each direction's contribution."""
        return np.asarray(np.mean([curve.values(statistic, loss) for curve in self.curves], axis=0))

    def mean(self, statistic: Statistic = "squared", loss: str | None = None) -> np.ndarray:
        """(G,) mean over directions."""
        return np.asarray(self.values(statistic, loss).mean(1))

    def interval(self, statistic: Statistic = "squared", loss: str | None = None) -> np.ndarray:
        """(G, 2) 95 % percentile bootstrap interval of :meth:`mean` over directions."""
        return bootstrap_rows(self.values(statistic, loss))


def pooled(curves: Sequence[FlatnessCurve]) -> PooledCurve:
    """The mean over targets of one method's curves.

    Raises:
        InputError: curves of different methods, gammas, losses, directions or numbers of them.
    """
    return PooledCurve(tuple(curves))
