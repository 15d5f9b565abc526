"""Which points the line between two checkpoints needs, and their evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor
from tqdm.auto import tqdm

from landscape.compute import DEFAULT, Compute
from landscape.errors import InputError
from landscape.evaluation.timing import Choice
from landscape.log import Log
from landscape.opened import Opened
from landscape.storage import digest
from landscape.surface.choosing import choose_for, cost_of, keep_choice, kept_choice
from landscape.surface.meter import Meter, panel_values
from landscape.surface.profile import FORMAT, Profile
from landscape.surface.recipe import EVERYWHERE, Where
from landscape.weights import Weights, combine, norm, subtract

_SAME = 1e-9
"""A position this close to an end is that end, which rounding missed."""


@dataclass(frozen=True)
class Line:
    """Points ``(1 - t) theta_a + t theta_b``.

    Attributes:
        opened: two checkpoints, network and data.
        t: (T,) positions, rising, 0 and 1 among them.
        step: ``theta_b - theta_a``, float64.
        distance: its length.
    """

    opened: Opened
    t: np.ndarray
    step: Weights
    distance: float

    @classmethod
    def of(
        cls,
        opened: Opened,
        where: Where = EVERYWHERE,
    ) -> "Line":
        """Lay the points.

        Args:
            opened: the two checkpoints.
            where: how many, equidistant (0 and 1 are added if they are not among them), and how far to go on at either
                end, or the first and the last position as the range of x.

        Raises:
            InputError: a range of y, or identical checkpoints.
        """
        points, beyond = where.on_line()
        first, last = where.x_range or (-beyond, 1 + beyond)
        a, b = (checkpoint.weights(opened.network) for checkpoint in opened.checkpoints)
        step = subtract(b, a)
        if (distance := norm(step)) == 0:
            raise InputError(
                f"{opened.names[0]} and {opened.names[1]} have identical weights; give two different ones."
            )
        t = np.linspace(first, last, points)
        for end in (0.0, 1.0):
            t[np.abs(t - end) < _SAME] = end
        return cls(opened, np.union1d(t, [0.0, 1.0]), step, distance)

    def digest(self) -> str:
        """A hash of all inputs of the values."""
        return digest(str(FORMAT), "line", self.opened.digest(), self.t.tobytes())


def measure_line(
    line: Line, compute: Compute = DEFAULT, *, journal: Path | str | None = None, progress: bool = True
) -> Profile:
    """Evaluate every point of a line.

    Args:
        line: where.
        compute: device, precision, batch size.
        journal: a file to which every point is added; an interrupted call with the same inputs goes on from it.
        progress: show a bar with the time left.

    Raises:
        InputError: the network does not fit the data, or the disk is full.
    """
    opened, task = line.opened, line.opened.task
    count, network = len(task.images), opened.network
    build, compute = opened.builder(compute.device), opened.resolve(compute.alone(), progress=progress)
    inputs = line.digest()
    log = Log(journal, digest(inputs, compute.exact))
    choice = kept_choice(log) or time_line(line, compute, progress=progress)
    keep_choice(log, choice)
    evaluator = choice.build(build)
    known = len(evaluator.notes)
    notes = [*opened.notes, *cost_of(opened, build, compute.exact, count)]
    span = evaluator.span(opened.checkpoints[0].weights(network), line.step)
    a, b = (_floating(checkpoint.buffers(network)) for checkpoint in opened.checkpoints)
    meter = Meter(task, evaluator)
    done = len(log.rows.keys() - {"choice"})
    with tqdm(total=len(line.t), initial=done, desc="line", unit="point", disable=not progress) as bar:
        for index, t in enumerate(line.t.tolist()):
            if f"line:{index}" not in log.rows:
                share = min(max(t, 0.0), 1.0)
                buffers = combine((1.0 - share, a), (share, b)) if a else {}
                row = meter.at(span.point(t), buffers)
                said = evaluator.notes[known:]
                log.add(f"line:{index}", **row, **({"notes": said} if said else {}))
                bar.update()
    notes += log.notes()
    rows = [panel_values(log.rows[f"line:{index}"]) for index in range(len(line.t))]
    first, second = opened.names
    return Profile(
        t=line.t,
        values={name: np.array([row[name] for row in rows]) for name in rows[0]},
        distance=line.distance,
        names=(first, second),
        about=opened.about(
            n={"images": count, "train": len(task.source_rows("in")), "test": len(task.target_rows())},
            notes=[*notes, *evaluator.notes],
            inputs={"a": opened.checkpoints[0].label, "b": opened.checkpoints[1].label, "all": inputs},
            precision=compute.exact,
        ),
    )


def time_line(line: Line, compute: Compute, *, progress: bool = False) -> Choice:
    """How a line would be evaluated, and the seconds of one pass over the images."""
    opened, count = line.opened, len(line.opened.task.images)
    compute, build = opened.resolve(compute), opened.builder(compute.device)
    return choose_for(opened, build, compute, count=count, passes=len(line.t), mixes=False, progress=progress)


def _floating(buffers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in buffers.items() if value.is_floating_point()}
