"""Flatness measured: all scopes and methods of a setting, or one module of the user's own."""

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from tqdm.auto import tqdm

from landscape.compute import DEFAULT, Compute
from landscape.errors import InputError
from landscape.evaluation.own_loss import mean_loss
from landscape.evaluation.timing import seconds_of
from landscape.flatness.comparison import Flatness
from landscape.flatness.curve import FlatnessCurve
from landscape.flatness.losses import FullProbe, Losses, about_mixture, head_probe
from landscape.flatness.probe import HeadProbe, ModuleProbe, Probe
from landscape.flatness.recipe import PLAIN, SCOPES, Recipe
from landscape.flatness.setting import Setting
from landscape.flatness.walk import choose_gammas, walk
from landscape.log import Log
from landscape.storage import digest, provenance
from landscape.weights import borrowed

_PILOT = "pilot"


def measure(
    setting: Setting,
    recipe: Recipe = PLAIN,
    compute: Compute = DEFAULT,
    *,
    journal: Path | str | None = None,
    progress: bool = True,
) -> Flatness:
    """Evaluate every method of a setting along the same random directions; see :meth:`Flatness.measure`.

    An interrupted call continues from its journal, and comes to the same result as an uninterrupted one.

    Raises:
        InputError: see :meth:`Flatness.measure`.
    """
    compute, seed, scopes = setting.resolve(compute.alone(), progress=progress), recipe.direction_seed, recipe.scope
    inputs = inputs_digest(setting, recipe, compute)
    log = Log(journal, inputs)
    losses = Losses(setting, compute)
    notes = [*setting.notes, *losses.notes]
    curves: list[FlatnessCurve] = []
    chosen: dict[str, tuple[float, ...]] = {}
    mixtures: list[dict[str, Any] | None] = []
    if "classifier" in scopes and not _has_head(losses):
        notes.append("the network has no .featurizer and .classifier, so its classifier is not moved on its own")
        scopes = tuple(scope for scope in scopes if scope != "classifier")
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
                chosen[scope] = _gammas(probe, scope, log, recipe, progress)
            base, samples = _walk(probe, chosen[scope], recipe.directions, log, f"{scope}/{index}", method, progress)
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
    names = {method: each.label for method, each in zip(setting.methods, setting.checkpoints, strict=True)}
    about = setting.about(
        n={"train": len(setting.task.source_rows("in")), "used": len(setting.images)},
        notes=notes,
        inputs=names | {"all": inputs},
        direction_seed=seed,
        directions=recipe.directions,
        pilot={"level": recipe.level, "method": setting.methods[0]} if recipe.gammas is None else None,
        precision=compute.exact,
        shared=about_mixture(losses.shared, setting.groups),
    )
    ordered = sorted(curves, key=lambda curve: SCOPES.index(curve.scope))
    return Flatness(tuple(ordered), about)


def measure_module(
    model: nn.Module,
    loss: Callable[..., Any],
    loader: Iterable[Any] | None,
    recipe: Recipe,
    *,
    method: str | None = None,
    progress: bool = True,
) -> FlatnessCurve:
    """The curve of a user's own module; see :meth:`FlatnessCurve.measure`.

    Raises:
        InputError: see :meth:`FlatnessCurve.measure`.
    """
    (scope,), seed = recipe.scope, recipe.direction_seed
    of_model = loss if loader is None else mean_loss(loss, loader)
    log = Log()
    name = method or str(getattr(model, "name", type(model).__name__))
    with borrowed(model) as lent:
        probe = ModuleProbe(model, lent, of_model, seed=seed, only="" if scope == "full" else "classifier.")
        found = _gammas(probe, scope, log, recipe, progress)
        base, samples = _walk(probe, found, recipe.directions, log, scope, name, progress)
    about = {"name": name, "norm": probe.norm, "parameters": probe.size, "directions": recipe.directions, "notes": []}
    about |= {"direction_seed": seed, "provenance": provenance()}
    return FlatnessCurve(name, np.array([0.0, *found]), probe.losses, samples, base, scope, about)


def inputs_digest(setting: Setting, recipe: Recipe, compute: Compute) -> str:
    """A hash of all inputs of the samples. The number of directions is none: more of them go on from fewer."""
    return digest(setting.digest(), repr(recipe.of_inputs()), str(recipe.direction_seed), compute.exact)


def time_point(setting: Setting, compute: Compute = DEFAULT) -> tuple[float, int]:
    """Seconds that one point in the space of all parameters takes, and the number of parameters."""
    losses = Losses(setting, setting.resolve(compute))
    probe = FullProbe(losses, 0)
    gamma, directions = 1e-3 * probe.norm, count()
    return seconds_of(lambda: list(probe.at([next(directions)], [gamma]))), probe.size


def _gammas(probe: Probe, scope: str, log: Log, recipe: Recipe, progress: bool) -> tuple[float, ...]:
    if recipe.gammas is not None:
        return recipe.gammas
    key = f"{_PILOT}/{scope}"
    if key not in log.rows:
        with tqdm(desc=f"pilot, {scope}", unit="distance", disable=not progress) as bar:
            found = choose_gammas(probe, level=recipe.level, steps=recipe.steps, tell=bar.update)
        log.add(key, gammas=list(found))
    return tuple(float(gamma) for gamma in log.rows[key]["gammas"])


def _walk(
    probe: Probe, gammas: Sequence[float], directions: int, log: Log, name: str, method: str, progress: bool
) -> tuple[np.ndarray, np.ndarray]:
    done = log.done(f"{name}/{k}/{g}" for k in range(directions) for g in range(len(gammas)))
    total = directions * len(gammas)
    with tqdm(
        total=total, initial=done, desc=f"{method}, {name.split('/')[0]}", unit="point", disable=not progress
    ) as bar:
        return walk(probe, gammas, directions, log, name, bar.update)


def _has_head(losses: Losses) -> bool:
    try:
        losses.evaluator.classifier  # noqa: B018 (a property that raises)
    except InputError:
        return False
    return True
