"""How the points of a plane or a line are evaluated: precision, batch size, layout; chosen once, then kept."""

import math
import sys
from typing import Any

import numpy as np
from torch import nn

from landscape.evaluation.trial import Build, Choice, Compile, PrecisionOption, choose, choose_precision, precision_cost
from landscape.flatness.sweep import Log
from landscape.opened import Opened
from landscape.surface.preparation import builder

# What a trial chose and the journal remembers.
_KEPT = ("precision", "batch_size", "compiled", "channels_last")


def resolve_precision_of(opened: Opened, precision: PrecisionOption, device: str, *, progress: bool = True) -> Any:
    """What ``auto`` comes to for a network and images on this machine; why goes to the terminal."""
    count = len(opened.task.images)
    key = f"{opened.model} {opened.image_size}"
    build = builder(opened, device, np.arange(count))
    resolved, why = choose_precision(precision, build, count=count, device=device, key=key)
    if precision == "auto" and progress:
        print(f"trial: precision {resolved} ({why})", file=sys.stderr)
    return resolved


def choose_for(
    opened: Opened,
    build: Build,
    *,
    count: int,
    passes: int,
    precision: Any,
    batch_size: int | None,
    compiled: Compile,
    mixes: bool,
    progress: bool,
) -> Choice:
    """A short trial's choice for a network; its reasons go to the terminal.

    Args:
        opened: network and data.
        build: makes evaluators.
        count: images of a pass.
        passes: over all of them.
        precision: resolved.
        batch_size: taken as it is, if given.
        compiled: ``torch.compile``: ``on``, ``off``, ``auto``.
        mixes: whether a pass returns latent codes, where the network has any.
        progress: print the reasons.
    """
    parts = (getattr(opened.network, name, None) for name in ("featurizer", "classifier"))
    codes = mixes and all(isinstance(part, nn.Module) for part in parts)
    choice = choose(
        build, count=count, passes=passes, precision=precision, batch_size=batch_size, compiled=compiled, codes=codes
    )
    for reason in choice.reasons if progress else ():
        print(f"trial: {reason}", file=sys.stderr)
    return choice


def kept_choice(log: Log) -> Choice | None:
    """What a trial chose before an interruption: another batch size would round otherwise."""
    row = log.rows.get("choice")
    return Choice(**{name: row[name] for name in _KEPT}, seconds=math.nan) if row else None


def keep_choice(log: Log, choice: Choice) -> None:
    """Keep it for the rest of the work, also after an interruption."""
    if "choice" not in log.rows:
        log.add("choice", **{name: getattr(choice, name) for name in _KEPT})


def cost_of(opened: Opened, build: Build, precision: Any, count: int) -> str:
    """What a precision costs against float32 at the checkpoints, in a sentence."""
    network = opened.network
    points = [(each.weights(network), each.buffers(network)) for each in opened.checkpoints]
    loss, accuracy = precision_cost(build, precision, points, count=count)
    return (
        f"{precision}: on a sample of images, at the anchors, the mean loss differs by at most {loss:.1e} nats "
        f"and the accuracy by {accuracy:.1%} from float32"
    )
