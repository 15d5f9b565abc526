"""Which points the line between two checkpoints needs, and their evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor
from tqdm.auto import tqdm

from landscape.errors import InputError
from landscape.evaluation.trial import Choice, Compile, PrecisionOption
from landscape.flatness.sweep import Log
from landscape.opened import Opened
from landscape.storage import digest, provenance
from landscape.surface.choosing import choose_for, cost_of, keep_choice, kept_choice, resolve_precision_of
from landscape.surface.meter import Meter, panel_values
from landscape.surface.preparation import builder
from landscape.surface.profile import FORMAT, Profile
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
        *,
        points: int = 25,
        beyond: float = 0.25,
        t_range: tuple[float, float] | None = None,
    ) -> "Line":
        """Lay the points.

        Args:
            opened: the two checkpoints.
            points: equidistant ones; 0 and 1 are added if they are not among them.
            beyond: how far to go on at either end.
            t_range: first and last position, in place of those.

        Raises:
            InputError: fewer than two points, an empty range, or identical checkpoints.
        """
        first, last = (-beyond, 1 + beyond) if t_range is None else t_range
        if points < 2 or not beyond >= 0:
            raise InputError(
                f"got {points} points and {beyond} beyond; expected at least 2 and a fraction of 0 or more."
            )
        if not first < last:
            raise InputError(f"--x-range is {first:g} {last:g}; expected a first value below the last one.")
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
    line: Line,
    *,
    device: str = "auto",
    precision: PrecisionOption = "fp32",
    batch_size: int | None = None,
    compiled: Compile = "auto",
    journal: Path | str | None = None,
    progress: bool = True,
) -> Profile:
    """Evaluate every point of a line.

    Args:
        line: where.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: see :func:`landscape.surface.measure.measure`.
        batch_size: images a forward pass; None: chosen by the device and, for long work, a trial.
        compiled: ``torch.compile``: ``on``, ``off``, ``auto``.
        journal: a file to which every point is added; an interrupted call with the same inputs goes on from it.
        progress: show a bar with the time left.

    Raises:
        InputError: the network does not fit the data, or the disk is full.
    """
    opened, task = line.opened, line.opened.task
    count, network = len(task.images), opened.network
    build = builder(opened, device, np.arange(count))
    resolved = resolve_precision_of(opened, precision, device, progress=progress)
    inputs = line.digest()
    log = Log(journal, digest(inputs, resolved))
    choice = kept_choice(log) or trial_line(
        line, device=device, precision=resolved, batch_size=batch_size, compiled=compiled, progress=progress
    )
    keep_choice(log, choice)
    evaluator = build(
        precision=choice.precision,
        batch_size=choice.batch_size,
        compiled=choice.compiled,
        channels_last=choice.channels_last,
    )
    notes, known = [*opened.notes], len(evaluator.notes)
    if resolved not in ("fp32", "fp64"):
        notes.append(cost_of(opened, build, resolved, count))
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
    notes += [note for row in log.rows.values() for note in row.get("notes", ())]
    rows = [panel_values(log.rows[f"line:{index}"]) for index in range(len(line.t))]
    first, second = opened.names
    return Profile(
        t=line.t,
        values={name: np.array([row[name] for row in rows]) for name in rows[0]},
        distance=line.distance,
        names=(first, second),
        about={
            "data": task.images.name,
            "data_digest": task.images.digest,
            "target": task.target,
            "sources": list(task.sources),
            "model": opened.model,
            "image_size": opened.image_size,
            "seeds": list(opened.seeds),
            "precision": resolved,
            "n": {"images": count, "train": len(task.source_rows("in")), "test": len(task.target_rows())},
            "notes": list(dict.fromkeys([*notes, *evaluator.notes])),
            "provenance": provenance(
                {"a": opened.checkpoints[0].label, "b": opened.checkpoints[1].label, "all": inputs}
            ),
        },
    )


def trial_line(
    line: Line,
    *,
    device: str = "auto",
    precision: PrecisionOption = "fp32",
    batch_size: int | None = None,
    compiled: Compile = "auto",
    progress: bool = False,
) -> Choice:
    """How a line would be evaluated, and the seconds of one pass over the images."""
    opened, count = line.opened, len(line.opened.task.images)
    resolved = resolve_precision_of(opened, precision, device)
    return choose_for(
        opened,
        builder(opened, device, np.arange(count)),
        count=count,
        passes=len(line.t),
        precision=resolved,
        batch_size=batch_size,
        compiled=compiled,
        mixes=False,
        progress=progress,
    )


def _floating(buffers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in buffers.items() if value.is_floating_point()}
