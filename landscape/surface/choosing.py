"""How the points of a plane or a line are evaluated: batch size, layout, compiled or not; chosen once, then kept."""

import math
import sys

from torch import nn

from landscape.compute import Compute, Precision
from landscape.evaluation.timing import Build, Choice, choose, precision_cost
from landscape.log import Log
from landscape.opened import Opened

# What a timing chose and the journal remembers.
_KEPT = ("precision", "batch_size", "compiled", "channels_last")


def choose_for(
    opened: Opened, build: Build, compute: Compute, *, count: int, passes: int, mixes: bool, progress: bool
) -> Choice:
    """A short timing's choice for a network; its reasons go to the terminal.

    Args:
        opened: network and data.
        build: makes evaluators.
        compute: what is given of it; its precision is resolved.
        count: images of a pass.
        passes: over all of them.
        mixes: whether a pass returns latent codes, where the network has any.
        progress: print the reasons.
    """
    parts = (getattr(opened.network, name, None) for name in ("featurizer", "classifier"))
    choice = choose(
        build,
        count=count,
        passes=passes,
        precision=compute.exact,
        batch_size=compute.batch_size,
        compiled=compute.compiled,
        codes=mixes and all(isinstance(part, nn.Module) for part in parts),
    )
    for reason in choice.reasons if progress else ():
        print(f"timing: {reason}", file=sys.stderr)
    return choice


def kept_choice(log: Log) -> Choice | None:
    """What a timing chose before an interruption: another batch size would round otherwise."""
    row = log.rows.get("choice")
    return Choice(**{name: row[name] for name in _KEPT}, seconds=math.nan) if row else None


def keep_choice(log: Log, choice: Choice) -> None:
    """Keep it for the rest of the work, also after an interruption."""
    if "choice" not in log.rows:
        log.add("choice", **{name: getattr(choice, name) for name in _KEPT})


def cost_of(opened: Opened, build: Build, precision: Precision, count: int) -> list[str]:
    """What a precision costs against float32 at the checkpoints, in a sentence; nothing of an exact one."""
    if precision in ("fp32", "fp64"):
        return []
    network = opened.network
    points = [(each.weights(network), each.buffers(network)) for each in opened.checkpoints]
    loss, accuracy = precision_cost(build, precision, points, count=count)
    return [
        f"{precision}: on a sample of images, at the anchors, the mean loss differs by at most {loss:.1e} nats "
        f"and the accuracy by {accuracy:.1%} from float32"
    ]
