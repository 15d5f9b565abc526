"""How large a study is: what a preset trains, and how finely its figures are measured.

No torch in here: ``--help`` and ``--list`` have to answer at once.
"""

from dataclasses import dataclass, replace
from typing import Literal

from landscape.config import PRESETS, RunConfig

ScaleName = Literal["quick", "full", "paper"]


@dataclass(frozen=True)
class Scale:
    """A preset of the figures.

    Attributes:
        name: of the preset, also of the training preset behind it.
        main: the target domain of figures that show one target; None: the data's last domain.
        methods: algorithms that are trained for every target.
        ablation: further ones that are trained for the main target.
        seeds: how many trial seeds a study has unless told otherwise.
        points: along each axis of a loss surface.
        directions: random directions of a flatness curve.
        gammas: distances of a flatness curve.
        flat_images: training images of a flatness curve; None: all.
        conflict_points: along each axis of the map of gradient conflict.
        conflict_images: training images of that map.
        curvature_images: images that a Hessian is averaged over.
        curvature_steps: checkpoints along a run whose curvature is measured.
        pairs: random same-class pairs of an ordered pair of source domains.
        untrained: random initialisations of the score, the null of its correlation.
    """

    name: ScaleName
    main: str | None
    methods: tuple[str, ...]
    ablation: tuple[str, ...]
    seeds: int
    points: int
    directions: int
    gammas: int
    flat_images: int | None
    conflict_points: int
    conflict_images: int
    curvature_images: int
    curvature_steps: int
    pairs: int = 200
    untrained: int = 30

    @property
    def config(self) -> RunConfig:
        """What every run of the study starts from."""
        return PRESETS[self.name]


SCALES: dict[str, Scale] = {
    "quick": Scale(
        name="quick",
        main="sketch",
        methods=("erm", "a", "c", "fgmix"),
        ablation=("b", "d", "e", "f"),
        seeds=1,
        points=7,
        directions=50,
        gammas=4,
        flat_images=128,
        conflict_points=5,
        conflict_images=96,
        curvature_images=64,
        curvature_steps=3,
    ),
    "full": Scale(
        name="full",
        main="sketch",
        methods=("erm", "a", "c", "e", "fgmix"),
        ablation=(),
        seeds=3,
        points=25,
        directions=50,
        gammas=6,
        flat_images=None,
        conflict_points=9,
        conflict_images=256,
        curvature_images=64,
        curvature_steps=6,
    ),
}
# As fine as the paper's schedule, with all variants and its five trials.
SCALES["paper"] = replace(SCALES["full"], name="paper", methods=("erm", "a", "b", "c", "d", "e", "f", "fgmix"), seeds=5)
