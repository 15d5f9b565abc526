"""The surface of a module of the user's own, with a loss of the user's own, on the plane through three of its weights.

surface = Surface.of_module(model, a, b, c, loss=torch.nn.functional.cross_entropy, loader=loader)
surface.plot()
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from landscape.errors import InputError
from landscape.evaluation.own_loss import ModelLoss, mean_loss
from landscape.log import Log
from landscape.storage import digest, provenance
from landscape.surface.grid import Grid
from landscape.surface.plane import Plane
from landscape.surface.recipe import EVERYWHERE, Where
from landscape.surface.surface import FORMAT, Mark, Surface, empty_values
from landscape.weights import Weights, borrowed, load_weights

Anchor = Mapping[str, Tensor] | nn.Module
"""Weights of one point: a state dict, or a module that has them."""
# A surface has no other name for a loss of all data.
PANEL = "train_loss"


def measure_module(
    model: nn.Module,
    weights: tuple[Anchor, Anchor, Anchor],
    loss: Callable[..., Any],
    loader: Iterable[Any] | None = None,
    *,
    where: Where = EVERYWHERE,
    labels: Sequence[str] = ("w1", "w2", "w3"),
    journal: Path | str | None = None,
    key: str = "",
    progress: bool = True,
) -> Surface:
    """Measure a loss on the plane through three weights of one module; the first is the plane's origin.

    The module is borrowed: it comes back with its weights, buffers, modes and ``requires_grad``, also after an error
    or an interruption. Every point is written into it in place, in its own dtype and on its own device. The loss is
    evaluated in evaluation mode, without gradients.

    The plane lies in the space of parameters. Buffers (running statistics of batch norm) are no coordinates of it, so
    those in `weights` are ignored, and every point starts with the buffers that `model` has; where that makes
    a difference a note says so. A loss that recomputes them itself at each point is welcome.

    Args:
        model: any module, on any device.
        weights: three state dicts of the model, or modules of the same architecture; the second lies on the x axis.
            They are copied.
        loss: with a loader, a function of (outputs, targets) that returns the batch's mean or a loss per example (B,);
            without, a function of the module that returns one number.
        loader: pairs (inputs, targets), the same ones at every pass; the mean is over all examples.
        where: points along each axis, room around the anchors, or ranges in units of weight-space distance.
        labels: what to call the three anchors.
        journal: a file that keeps what has been evaluated; an interrupted call with the same weights and grid
            continues. Loss and data cannot be compared: give another `key`, or another file, when they change.
        key: a name for loss and data, such as ``"cross entropy, CIFAR-10 test"``; rows of another name are dropped.
        progress: show a bar with the time left.

    Returns:
        The surface. Its one panel, ``train_loss``, is the loss, in its own unit; a NaN counts as infinite.

    Raises:
        InputError: weights of another architecture, weights that span no plane, a grid that makes no sense, or a loss
            that is random or returns no number.
    """
    if not callable(loss):
        raise InputError(f"the loss is a {type(loss).__name__}; expected a function, such as cross_entropy.")
    if len(labels) != 3:
        raise InputError(f"got {len(labels)} labels; expected one for each of the three anchors.")
    named = list(zip(labels, weights, strict=True))
    anchors = [_parameters_of(model, given, label) for label, given in named]
    plane = Plane.through(*anchors, labels=labels)
    grid = Grid.around(plane.anchors, where)
    # As vectors: each of them is read at every point.
    plane = replace(plane, origin=dict(plane.origin), e1=dict(plane.e1), e2=dict(plane.e2))
    inputs = _digest(model, anchors, grid, key)
    log = Log(journal, inputs)
    _evaluate(model, mean_loss(loss, loader) if loader is not None else loss, plane, anchors, grid, log, progress)

    name = str(getattr(model, "name", type(model).__name__))
    corners = list(zip(plane.labels, plane.anchors, strict=True))
    notes = ["the loss is the user's own, in its own unit: there are no domains, no splits and no accuracies"]
    if ignored := [label for label, given in named if _other_buffers(model, given)]:
        notes.append(
            f"the buffers (running statistics) of {', '.join(ignored)} differ from the model's and are not used: the "
            "model's own are in place at every point, also at the anchors"
        )
    notes += [f"{label} lies outside the range that is drawn" for label, xy in corners if not grid.contains(*xy)]
    about = {
        "data": "the user's own",
        "target": "none",
        "model": name,
        "n": {},
        "mixup": None,
        "batch_norm": "frozen",
        "plane": plane.kind,
        "angle": plane.angle,
        "notes": notes,
        "provenance": provenance({"all": inputs} | ({"loss and data": key} if key else {})),
    }
    values = empty_values(grid.x, grid.y, panels=[PANEL], domains=(), n=np.zeros((0, 2), dtype=np.int64))
    values[PANEL].attrs = {"long_name": "loss of the user's own"}
    for i, j in grid.cells():
        values[PANEL].values[i, j] = log.losses(f"grid:{i}:{j}")[0]
    marks = []
    for index, (label, xy) in enumerate(corners):
        at = {PANEL: float(log.losses(f"anchor:{index}")[0])}
        marks.append(Mark(label, f"weights of {name}", "anchor", *xy, 0.0, at, at))
    return Surface(values, tuple(marks), (), about)


def _evaluate(
    model: nn.Module, loss: ModelLoss, plane: Plane, anchors: Sequence[Weights], grid: Grid, log: Log, progress: bool
) -> None:
    """Fill the log: anchors first, so that what is wrong with them is known early."""
    todo: dict[str, Callable[[], Weights]] = {f"anchor:{k}": partial(dict, anchor) for k, anchor in enumerate(anchors)}
    for i, j in grid.cells():
        todo[f"grid:{i}:{j}"] = partial(plane.at, float(grid.x[j]), float(grid.y[i]))
    left = [name for name in todo if name not in log.rows]
    with (
        borrowed(model) as lent,
        tqdm(total=len(todo), initial=len(todo) - len(left), desc="surface", unit="point", disable=not progress) as bar,
    ):

        def value_at(weights: Weights) -> float:
            # A loss may have updated running statistics; the values must not depend on the order of the points.
            lent.put_back()
            load_weights(model, weights)
            return _number(loss, model)

        for name in left:
            weights = todo[name]()
            value = value_at(weights)
            if name == "anchor:0":
                again = value_at(weights)
                # Another order of the same examples changes the last digits only, which no contour shows.
                if not math.isclose(value, again, rel_tol=1e-4, abs_tol=1e-9):
                    raise InputError(
                        f"the loss is random: two calls at the same weights gave {value:g} and {again:g}; expected "
                        "the same data at every call (no augmentation, no dropout)."
                    )
            log.add(name, losses=[value])
            bar.update()


def _number(loss: ModelLoss, model: nn.Module) -> float:
    model.eval()
    # An autocast of the caller's keeps casts of weights, which have changed in place.
    torch.clear_autocast_cache()
    with torch.no_grad():
        value = loss(model)
    try:
        number = float(value.detach() if isinstance(value, Tensor) else value)
    except (TypeError, ValueError, RuntimeError) as error:
        got = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise InputError(f"the loss returned {got}; expected one number, such as the mean over the data.") from error
    # As everywhere on a surface: NaN has overflowed, and a journal tells no infinities apart.
    return number if math.isfinite(number) else math.inf


def _parameters_of(model: nn.Module, given: Anchor, label: str) -> dict[str, Tensor]:
    """A copy, on the CPU: a state dict shares its memory with a module that is about to be written into."""
    tensors = _tensors_of(given) if isinstance(given, nn.Module) else given
    if not isinstance(tensors, Mapping):
        raise InputError(f"{label} is a {type(given).__name__}; expected a state dict of the model, or a module.")
    own = dict(model.named_parameters())
    # Names of buffers and of shared parameters stand in a state dict without being coordinates.
    known = {*own, *model.state_dict(), *_tensors_of(model)}
    expected = f"expected weights of the same architecture as the model, {type(model).__name__}."
    for name, parameter in own.items():
        if not isinstance(tensors.get(name), Tensor):
            raise InputError(f"{label} has no weights for {name!r}; {expected}")
        if tensors[name].shape != parameter.shape:
            shapes = f"shape {tuple(tensors[name].shape)}, in the model {tuple(parameter.shape)}"
            raise InputError(f"{name!r} of {label} has {shapes}; {expected}")
    if unknown := [name for name in tensors if name not in known]:
        raise InputError(f"{label} holds {unknown[0]!r}, which the model does not; {expected}")
    return {name: tensors[name].detach().to("cpu", copy=True).contiguous() for name in own}


def _tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Parameters, shared ones under each of their names, and buffers."""
    return {**dict(model.named_parameters(remove_duplicate=False)), **dict(model.named_buffers(remove_duplicate=False))}


def _other_buffers(model: nn.Module, given: Anchor) -> bool:
    tensors = _tensors_of(given) if isinstance(given, nn.Module) else given
    own = {name: buffer for name, buffer in model.named_buffers() if buffer.is_floating_point()}
    return any(
        not torch.equal(tensors[name].cpu().double(), own[name].cpu().double()) for name in own if name in tensors
    )


def _digest(model: nn.Module, anchors: Sequence[Weights], grid: Grid, key: str) -> str:
    """A hash of what the values depend on, as far as it can be hashed: not of the loss and the data."""
    # A representation may hold addresses, which change from call to call.
    parts: list[bytes | str] = ["of_module", str(FORMAT), key, re.sub(r" at 0x[0-9a-fA-F]+", "", repr(model))]
    parts += [str(parameter.dtype) for parameter in model.parameters()]
    for tensors in (*anchors, dict(model.named_buffers())):
        for name, tensor in tensors.items():
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            parts += [name, str(tensor.dtype), str(tuple(tensor.shape)), flat.view(torch.uint8).numpy().tobytes()]
    return digest(*parts, grid.x.tobytes(), grid.y.tobytes())
