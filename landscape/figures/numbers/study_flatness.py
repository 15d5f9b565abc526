"""Flatness curves of a study's runs, method by method, at gammas and along directions that all of them share."""

from typing import TYPE_CHECKING

from landscape.figures.machinery.study import Study
from landscape.figures.numbers.cells import Key

if TYPE_CHECKING:
    from landscape.flatness import Flatness
    from landscape.training import Run


def flatness_of(study: Study, target: str, seed: int, gammas: tuple[float, ...]) -> "Flatness":
    """The last raw iterates of the scale's methods for one target and seed, in all parameters.

    Each method is measured on its own and found again by the hash of its inputs, so that a method that is trained
    later costs only its own curve. The mixup codes that all of them share are frozen at FGMix.

    Raises:
        InputError: ERM or FGMix has no finished run for that target and seed.
    """
    from landscape.flatness import Flatness

    runs = study.need(("erm", "fgmix"), target, seed) | study.runs(study.scale.methods, target, seed)
    methods = dict.fromkeys((*study.scale.methods, *runs))
    # The pilot's own curve is not measured a second time.
    pilot = (*pilot_of(study), "erm")
    return Flatness.joined(
        [
            measured(study, runs[name], runs["fgmix"], None if (target, seed, name) == pilot else gammas)
            for name in methods
            if name in runs
        ]
    )


def gammas_of(study: Study) -> tuple[float, ...]:
    """Distances for all targets, seeds and methods of a study: a pilot's, on the ERM run of :func:`pilot_of`.

    Equal steps up to where that run's loss on the training images changes by 1 nat in the median of five directions.

    Raises:
        InputError: no target has finished runs of ERM and FGMix.
    """
    runs = study.need(("erm", "fgmix"), *pilot_of(study))
    (curve,) = measured(study, runs["erm"], runs["fgmix"], None).of("full")
    return tuple(float(gamma) for gamma in curve.gamma[1:])


def pilot_of(study: Study) -> Key:
    """The target and seed of the pilot: the main target's first seed, else the first with finished runs.

    Raises:
        InputError: no target has finished runs of ERM and FGMix.
    """
    found = study.complete(("erm", "fgmix"))
    return next((key for key in found if key[0] == study.main), found[0])


def measured(study: Study, run: "Run", groups: "Run", gammas: tuple[float, ...] | None) -> "Flatness":
    """The curve of a run's last raw iterate, with mixup codes frozen at the run `groups`; without gammas a pilot's."""
    from landscape.compute import Compute
    from landscape.flatness.draw import draw
    from landscape.flatness.recipe import Recipe
    from landscape.flatness.setting import Setting

    scale, config = study.scale, run.config
    setting = Setting.of(
        [run.find()],
        study.task(config.target, config.seed),
        network=study.base.model,
        groups_from=groups.find(),
        subset=scale.flat_images,
        progress=study.progress,
    )
    flatness, _ = draw(
        setting,
        Recipe(gammas, scope=("full",), directions=scale.directions, steps=scale.gammas),
        Compute(study.device),
        out=study.results,
        formats=(),
        progress=study.progress,
    )
    return flatness
