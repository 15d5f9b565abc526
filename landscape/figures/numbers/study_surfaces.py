"""The surface of FGMix's figure 6, which several items look at: through the start, ERM + SWA and FGMix + SWA."""

from typing import TYPE_CHECKING

from landscape.figures.machinery.study import Study
from landscape.figures.numbers.cells import Key, main_of

if TYPE_CHECKING:
    from landscape.surface import Setting, Surface

ALGORITHMS = ("erm", "fgmix")


def setting_of(study: Study, target: str, seed: int) -> "Setting":
    """The three anchors with network and data: w1 the common start, w2 the end of ERM + SWA, w3 that of FGMix + SWA.

    Raises:
        InputError: ERM or FGMix has no finished run for that target and seed.
    """
    from landscape.surface import Setting

    erm, fgmix = study.need(ALGORITHMS, target, seed).values()
    anchors = erm.find(0), erm.find(kind="swa"), fgmix.find(kind="swa")
    return Setting.through(*anchors, study.task(target, seed), network=study.base.model, progress=study.progress)


def surface_of(study: Study, target: str, seed: int) -> "Surface":
    """Loss and accuracy on that plane over all images, measured once and found again by the hash of its inputs.

    Raises:
        InputError: ERM or FGMix has no finished run for that target and seed.
    """
    from landscape.compute import Compute
    from landscape.surface.draw import draw
    from landscape.surface.recipe import Where

    surface, _ = draw(
        setting_of(study, target, seed),
        Where(points=study.scale.points),
        compute=Compute(study.device),
        out=study.results,
        formats=(),
        progress=study.progress,
    )
    return surface


def surfaces_of(study: Study) -> "dict[Key, Surface]":
    """The surface of every target and seed whose runs are finished, seed after seed.

    Raises:
        InputError: there is none.
    """
    return {key: surface_of(study, *key) for key in study.complete(ALGORITHMS)}


def main_key(study: Study) -> Key:
    """The target and seed whose surface is shown by items that show one.

    Raises:
        InputError: no target has finished runs of ERM and FGMix.
    """
    return main_of(study, study.complete(ALGORITHMS))
