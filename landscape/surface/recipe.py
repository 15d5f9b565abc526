"""How a surface is measured: which points, and what their values depend on besides checkpoints and data."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

from landscape.errors import InputError, unknown_choice

MixtureMode = Literal["fixed_weights", "recompute", "fixed_codes"]
BatchNormPolicy = Literal["frozen", "recomputed"]
PlaneOption = Literal["through", "pca", "random", "hessian", "line"]
Range = tuple[float, float]


@dataclass(frozen=True)
class Where:
    """Which points of a plane or of a line are measured.

    Raises:
        InputError: fewer than two points an axis, a negative margin, or an empty range.
    """

    points: int | None = None
    """Grid points along each axis: 7, on a line 25."""
    margin: float | None = None
    """Room around paths and anchors on each side, as a fraction of their extent: 0.2; on a line how far to go on behind
    A and B: 0.25."""
    x_range: Range | None = None
    """First and last x, in place of the computed ones; on a line A is at 0 and B at 1."""
    y_range: Range | None = None
    """First and last y, in place of the computed ones."""

    def __post_init__(self) -> None:
        if self.points is not None and self.points < 2:
            raise InputError(f"--points is {self.points}; expected at least 2 along each axis.")
        if self.margin is not None and not self.margin >= 0:
            raise InputError(f"--margin is {self.margin}; expected a fraction of 0 or more.")
        for flag, given in (("--x-range", self.x_range), ("--y-range", self.y_range)):
            if given is not None and not given[0] < given[1]:
                raise InputError(f"{flag} is {given[0]:g} {given[1]:g}; expected a first value below the last one.")

    def filled(self, points: int, margin: float) -> tuple[int, float]:
        """Points and margin, these where none are given."""
        return (
            points if self.points is None else self.points,
            margin if self.margin is None else self.margin,
        )

    def on_plane(self) -> tuple[int, float]:
        """Points along each axis of a plane, and the room around what has to be on it."""
        return self.filled(7, 0.2)

    def on_line(self) -> tuple[int, float]:
        """Points on a line, and how far it goes on behind its ends.

        Raises:
            InputError: there is a range of y, which a line does not have.
        """
        if self.y_range is not None:
            raise InputError("--plane line takes no --y-range; leave it out.")
        return self.filled(25, 0.25)

    def within(self, margin: float) -> "Where":
        """The same with another margin."""
        return replace(self, margin=margin)


@dataclass(frozen=True)
class Recipe:
    """How a surface is measured; the defaults are the exact surface of the entire data through three checkpoints.

    Raises:
        InputError: an unknown choice or an impossible number.
    """

    plane: PlaneOption = "through"
    """through: A, B and C. Around A alone: pca, the two largest principal components of its recorded path; random,
    two random filter-normalised directions (Li et al. 2018); hessian, the eigenvectors of the two largest eigenvalues
    of the training loss's Hessian. line: no plane, the straight line from A to B."""
    hessian_images: int = 64
    """Training images behind the Hessian, stratified by domain and class; 256 take some minutes an eigenvalue."""
    subset: int | None = None
    """Evaluate a stratified sample of about so many images, with a 95 % interval at every point."""
    adaptive: float | None = None
    """Measure coarsely, then refine where the surface is not predicted within this many nats (accuracy: as a fraction);
    the rest is interpolated, with its error at held-out points."""
    mixture: MixtureMode = "fixed_weights"
    """What stays fixed in FGMix's loss over the surface: the mixing weights (our choice where the paper is silent),
    nothing, or the mixup codes of the policy's checkpoint."""
    batch_norm: BatchNormPolicy = "frozen"
    """Running statistics: the checkpoints' (interpolated where they differ), or recomputed at every point from source
    training images."""

    def __post_init__(self) -> None:
        for name, known in (("plane", PlaneOption), ("mixture", MixtureMode), ("batch_norm", BatchNormPolicy)):
            if (got := getattr(self, name)) not in get_args(known):
                raise unknown_choice(name, str(got), get_args(known))
        if self.hessian_images < 1:
            raise InputError(f"--hessian-images is {self.hessian_images}; expected a number of images from 1.")
        if self.subset is not None and self.subset < 1:
            raise InputError(f"--subset is {self.subset}; expected a number of images of 1 or more.")
        if self.adaptive is not None and not self.adaptive > 0:
            raise InputError(f"--adaptive is {self.adaptive}; expected a tolerance above 0, in nats.")

    def words(self) -> tuple[str, ...]:
        """What differs from the default, for a hash: nothing for the exact surface. The plane has its own words."""
        names = ("subset", "adaptive", "mixture", "batch_norm")
        return tuple(f"{name}={getattr(self, name)}" for name in names if getattr(self, name) != getattr(PLAIN, name))

    def plane_words(self) -> tuple[str, ...]:
        """What spans the plane, for a hash: nothing for the one through three checkpoints."""
        if self.plane == "through":
            return ()
        return (self.plane, str(self.hessian_images)) if self.plane == "hessian" else (self.plane,)


PLAIN = Recipe()
"""The exact surface of the entire data, through three checkpoints."""
EVERYWHERE = Where()
"""Around everything that is on the plane, or a little beyond a line's ends."""
