"""From a probe to samples: the gammas, then every direction at every gamma, none of them twice."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from landscape.errors import InputError
from landscape.flatness.probe import Probe
from landscape.log import Log

PILOT_DIRECTIONS = 5
_TRIES = 30


def choose_gammas(
    probe: Probe, *, level: float = 1.0, steps: int = 5, tell: Callable[[], object] = lambda: None
) -> tuple[float, ...]:
    """Distances that show the basin: equal steps up to where the loss has changed by `level`.

    The largest gamma is the smallest distance tried at which the median over five directions of
    ``|L(theta + gamma u) - L(theta)|`` (the first loss) reaches `level` nats: doubled or halved from a tenth of
    ``||theta||`` until it brackets that, then bisected four times on the logarithm, then rounded to two digits.

    Args:
        probe: the first method.
        level: in nats.
        steps: number of gammas above zero.
        tell: called after every distance tried.

    Raises:
        InputError: the loss does not change that much within many doublings.
    """
    start = probe.base()[0]
    if not math.isfinite(start):
        raise InputError(f"the loss of the first method is {start} at its own weights; give --gammas, or another one.")

    def above(gamma: float) -> bool:
        found = [values[0] for _, values in probe.at(range(PILOT_DIRECTIONS), [gamma])]
        tell()
        changes = np.abs(np.array(found) - start)
        # A loss that is no number has overflowed.
        return float(np.median(np.where(np.isnan(changes), np.inf, changes))) >= level

    high = 0.1 * probe.norm or 1.0
    grows = not above(high)
    low = high
    for _ in range(_TRIES):
        if grows:
            low, high = high, 2 * high
            if above(high):
                break
        else:
            low, high = low / 2, low
            if not above(low):
                break
    else:
        raise InputError(
            f"at a distance of {high:.2g} the loss has still not {'changed by' if grows else 'come within'} {level} "
            "nat; give --gammas or another --level."
        )
    for _ in range(4):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if above(middle) else (middle, high)
    largest = float(f"{high:.2g}")
    return tuple(float(f"{largest * i / steps:.6g}") for i in range(1, steps + 1))


def walk(
    probe: Probe,
    gammas: Sequence[float],
    directions: int,
    log: Log,
    name: str,
    tell: Callable[[], object] = lambda: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Every direction at every gamma; what the log has is not evaluated again.

    Args:
        probe: the method.
        gammas: (G,) distances above zero.
        directions: number of directions J.
        log: where rows go.
        name: of the method in the log.
        tell: called after every point.

    Returns:
        (L,) losses at theta, and (L, G + 1, J) changes of the losses, exactly zero in the first place: gamma = 0.
    """
    if f"{name}/base" not in log.rows:
        log.add(f"{name}/base", losses=probe.base().tolist())
    base = log.losses(f"{name}/base")
    samples = np.zeros((len(base), len(gammas) + 1, directions))
    done = {(k, g) for k in range(directions) for g in range(len(gammas)) if f"{name}/{k}/{g}" in log.rows}
    for (k, g), values in probe.at(range(directions), gammas, done):
        log.add(f"{name}/{k}/{g}", losses=values.tolist())
        tell()
    for k in range(directions):
        for g in range(len(gammas)):
            samples[:, g + 1, k] = _change(log.losses(f"{name}/{k}/{g}"), base)
    return base, samples


def _change(losses: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Difference of losses; infinite where the moved one overflowed, no number where the base did."""
    finite = np.isfinite(base)
    return np.where(finite, losses - np.where(finite, base, 0.0), np.nan)
