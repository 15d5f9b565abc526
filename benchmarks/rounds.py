"""Fair timing of several contenders: interleaved rounds, medians, paired ratios with an interval.

On a shared machine the speed drifts while a benchmark runs. Every round times each contender once, in an order that
changes from round to round, so that the drift meets all of them alike; ratios are taken within a round.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Comparison:
    """Times of contenders, the first of which is what the others are compared with."""

    names: tuple[str, ...]
    seconds: np.ndarray
    """(rounds, contenders) float64 seconds per unit."""

    @property
    def medians(self) -> np.ndarray:
        """(contenders,) seconds per unit."""
        return np.median(self.seconds, axis=0)

    @property
    def ratios(self) -> np.ndarray:
        """(rounds, contenders) time relative to the first contender's in the same round."""
        return self.seconds / self.seconds[:, :1]

    def ratio(self, name: str, *, confidence: float = 0.95) -> tuple[float, float, float]:
        """Median of a contender's paired ratios and its percentile bootstrap interval over rounds."""
        ratios = self.ratios[:, self.names.index(name)]
        chosen = np.random.default_rng(0).integers(0, len(ratios), (10_000, len(ratios)))
        low, high = np.quantile(np.median(ratios[chosen], axis=1), [(1 - confidence) / 2, (1 + confidence) / 2])
        return float(np.median(ratios)), float(low), float(high)

    def table(self, unit: str) -> str:
        """One line a contender: median time per unit, units per second, time relative to the first."""
        width = max(map(len, self.names))
        lines = [
            f"{'':{width}}  {'ms/' + unit:>12}  {unit + 's/s':>12}  time relative to {self.names[0]} [95 % interval]"
        ]
        for name, median in zip(self.names, self.medians, strict=True):
            middle, low, high = self.ratio(name)
            relative = "1" if name == self.names[0] else f"{middle:.3f} [{low:.3f}, {high:.3f}]"
            lines.append(f"{name:{width}}  {1e3 * median:12.3f}  {1 / median:12.1f}  {relative}")
        lines.append(f"median of {len(self.seconds)} interleaved rounds")
        return "\n".join(lines)


def compare(contenders: Mapping[str, Callable[[], float]], rounds: int = 9) -> Comparison:
    """Time the contenders in interleaved rounds after one untimed round.

    Args:
        contenders: name -> a function that does some work and returns the seconds it took per unit of work. The
            first one is the baseline.
        rounds: timed rounds.
    """
    names = tuple(contenders)
    for name in names:
        contenders[name]()
    seconds = np.empty((rounds, len(names)))
    order = np.random.default_rng(0)
    for row in seconds:
        for i in order.permutation(len(names)):
            row[i] = contenders[names[i]]()
    return Comparison(names, seconds)
