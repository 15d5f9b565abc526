"""Flatness measured: all scopes and methods of a setting, or one module of the user's own."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from tqdm.auto import tqdm

from landscape.errors import InputError, unknown_choice
from landscape.evaluation.evaluator import Precision
from landscape.flatness.comparison import SCOPES, Flatness
from landscape.flatness.curve import FlatnessCurve, Scope
from landscape.flatness.losses import FullProbe, Losses, about_mixture, head_probe
from landscape.flatness.probe import HeadProbe, ModuleProbe, Probe, mean_loss
from landscape.flatness.setting import Setting
from landscape.flatness.sweep import Log, checked_gammas, choose_gammas, sweep
from landscape.storage import digest, provenance
from landscape.weights import borrowed

_PILOT = "pilot"


def measure(
    setting: Setting,
    *,
    scopes: Sequence[Scope] = SCOPES,
    gammas: Sequence[float] | None = None,
    directions: int = 50,
    level: float = 1.0,
    steps: int = 5,
    seed: int = 0,
    device: str = "auto",
    precision: Precision = "fp32",
    batch_size: int | None = None,
    journal: Path | str | None = None,
    progress: bool = True,
) -> Flatness:
    """Evaluate every method of a setting along the same random directions; see :meth:`Flatness.measure`.

    An interrupted call continues from its journal, and comes to the same result as an uninterrupted one.

    Raises:
        InputError: see :meth:`Flatness.measure`.
    """
    check(scopes, gammas, directions)
    inputs = inputs_digest(
        setting, gammas=gammas, directions=directions, level=level, steps=steps, seed=seed, precision=precision
    )
    log = Log(journal, inputs)
    losses = Losses(setting, device=device, precision=precision, batch_size=batch_size)
    notes = [*setting.notes, *losses.notes]
    curves: list[FlatnessCurve] = []
    chosen: dict[str, tuple[float, ...]] = {}
    mixtures: list[dict[str, Any] | None] = []
    if "classifier" in scopes and not _has_head(losses):
        notes.append("the network has no .featurizer and .classifier, so its classifier is not moved on its own")
        scopes = [scope for scope in scopes if scope != "classifier"]
        if not scopes:
            raise InputError(f"{notes[-1]}; measure --scope full.")
    for index, method in enumerate(setting.methods):
        full = FullProbe(losses, index, seed=seed)
        own = full.own
        mixtures.append(about_mixture(own, setting.policies[index]))
        for scope in sorted(scopes, key=SCOPES.index):
            probe: FullProbe | HeadProbe = full
            if scope == "classifier":
                probe = head_probe(losses, index, own, seed=seed)
            if scope not in chosen:
                chosen[scope] = _gammas(probe, scope, log, gammas, level=level, steps=steps, progress=progress)
            base, samples = _sweep(probe, chosen[scope], directions, log, f"{scope}/{index}", method, progress)
            curves.append(
                FlatnessCurve(
                    method=method,
                    gamma=np.array([0.0, *chosen[scope]]),
                    losses=probe.losses,
                    samples=samples,
                    base=base,
                    scope=scope,
                    about={
                        "name": setting.names[index],
                        "checkpoint": setting.checkpoints[index].label,
                        "norm": probe.norm,
                        "parameters": probe.size,
                        "direction_seed": seed,
                        "mixup": mixtures[-1],
                    },
                )
            )
    configs = [checkpoint.config for checkpoint in setting.checkpoints if checkpoint.config]
    if any(
        config.batch_norm == "train" or (config.batch_norm, config.weights) == ("auto", "none") for config in configs
    ):
        notes.append("running statistics of batch norm stay those of the checkpoint at every point")
    if overflowed := sum(curve.overflowed for curve in curves):
        notes.append(f"{overflowed} samples overflowed: their loss is not finite, and neither is their mean")
    task = setting.task
    about = {
        "data": task.images.name,
        "data_digest": task.images.digest,
        "target": task.target,
        "sources": list(task.sources),
        "model": setting.model,
        "image_size": setting.image_size,
        "seeds": list(setting.seeds),
        "direction_seed": seed,
        "directions": directions,
        "pilot": None if gammas is not None else {"level": level, "method": setting.methods[0]},
        "precision": precision,
        "n": {"train": len(task.source_rows("in")), "used": len(setting.images)},
        "shared": about_mixture(losses.shared, setting.groups),
        "notes": list(dict.fromkeys(notes)),
        "provenance": provenance(
            {method: each.label for method, each in zip(setting.methods, setting.checkpoints, strict=True)}
            | {"all": inputs}
        ),
    }
    ordered = sorted(curves, key=lambda curve: SCOPES.index(curve.scope))
    return Flatness(tuple(ordered), about)


def measure_module(
    model: nn.Module,
    loss: Callable[..., Any],
    loader: Iterable[Any] | None = None,
    *,
    scope: Scope = "full",
    method: str | None = None,
    gammas: Sequence[float] | None = None,
    directions: int = 50,
    level: float = 1.0,
    steps: int = 5,
    seed: int = 0,
    progress: bool = True,
) -> FlatnessCurve:
    """The curve of a user's own module; see :meth:`FlatnessCurve.measure`.

    Raises:
        InputError: see :meth:`FlatnessCurve.measure`.
    """
    check([scope], gammas, directions)
    of_model = loss if loader is None else mean_loss(loss, loader)
    log = Log()
    name = method or str(getattr(model, "name", type(model).__name__))
    with borrowed(model) as lent:
        probe = ModuleProbe(model, lent, of_model, seed=seed, only="" if scope == "full" else "classifier.")
        found = _gammas(probe, scope, log, gammas, level=level, steps=steps, progress=progress)
        base, samples = _sweep(probe, found, directions, log, scope, name, progress)
    about = {"name": name, "norm": probe.norm, "parameters": probe.size, "directions": directions, "notes": []}
    about |= {"direction_seed": seed, "provenance": provenance()}
    return FlatnessCurve(name, np.array([0.0, *found]), probe.losses, samples, base, scope, about)


def inputs_digest(
    setting: Setting,
    *,
    gammas: Sequence[float] | None,
    directions: int,
    level: float,
    steps: int,
    seed: int,
    precision: str,
) -> str:
    """A hash of all inputs of the samples. The number of directions is none: more of them go on from fewer."""
    how = ("given", *checked_gammas(gammas)) if gammas is not None else ("pilot", float(level), steps)
    return digest(setting.digest(), repr(how), str(seed), precision)


def check(scopes: Sequence[str], gammas: Sequence[float] | None, directions: int) -> None:
    """Find settings that make no sense before anything is evaluated.

    Raises:
        InputError: an unknown scope, no scope, fewer than two directions, or gammas that are no distances.
    """
    if not scopes:
        raise InputError(f"got no scope; expected one or both of: {', '.join(SCOPES)}.")
    for scope in scopes:
        if scope not in SCOPES:
            raise unknown_choice("scope", scope, SCOPES)
    if directions < 2:
        raise InputError(f"got {directions} directions; expected at least 2: the interval is over directions.")
    if gammas is not None:
        checked_gammas(gammas)


def trial(
    setting: Setting, *, device: str = "auto", precision: Precision = "fp32", batch_size: int | None = None
) -> tuple[float, int]:
    """Seconds that one point in the space of all parameters takes, measured at two, and the number of parameters."""
    losses = Losses(setting, device=device, precision=precision, batch_size=batch_size)
    probe = FullProbe(losses, 0)
    gamma = 1e-3 * probe.norm
    seconds = []
    for k in range(2):  # the first one warms up
        began = time.perf_counter()
        list(probe.at([k], [gamma]))
        seconds.append(time.perf_counter() - began)
    return min(seconds), probe.size


def _gammas(
    probe: Probe,
    scope: str,
    log: Log,
    given: Sequence[float] | None,
    *,
    level: float,
    steps: int,
    progress: bool,
) -> tuple[float, ...]:
    if given is not None:
        return checked_gammas(given)
    key = f"{_PILOT}/{scope}"
    if key not in log.rows:
        with tqdm(desc=f"pilot, {scope}", unit="distance", disable=not progress) as bar:
            found = choose_gammas(probe, level=level, steps=steps, tell=bar.update)
        log.add(key, gammas=list(found))
    return tuple(float(gamma) for gamma in log.rows[key]["gammas"])


def _sweep(
    probe: Probe, gammas: Sequence[float], directions: int, log: Log, name: str, method: str, progress: bool
) -> tuple[np.ndarray, np.ndarray]:
    done = sum(f"{name}/{k}/{g}" in log.rows for k in range(directions) for g in range(len(gammas)))
    total = directions * len(gammas)
    with tqdm(
        total=total, initial=done, desc=f"{method}, {name.split('/')[0]}", unit="point", disable=not progress
    ) as bar:
        return sweep(probe, gammas, directions, log, name, bar.update)


def _has_head(losses: Losses) -> bool:
    try:
        losses.evaluator.classifier  # noqa: B018 (a property that raises)
    except InputError:
        return False
    return True
