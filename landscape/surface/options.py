"""What the values of a surface depend on besides checkpoints, data and grid."""

from dataclasses import dataclass, fields
from typing import Literal

from landscape.errors import InputError, unknown_choice

MixtureMode = Literal["fixed_weights", "recompute", "fixed_codes"]
BatchNormPolicy = Literal["frozen", "recomputed"]


@dataclass(frozen=True)
class Options:
    """How a surface is measured; the defaults are the exact surface of the entire data.

    Attributes:
        subset: evaluate a stratified sample of about so many images, with an interval at every point.
        adaptive: measure coarsely and refine until the surface is predicted within this tolerance, in nats.
        mixture: what stays fixed in FGMix's loss over the surface: the mixing ``fixed_weights``, nothing
            (``recompute``), or the ``fixed_codes``.
        batch_norm: ``frozen`` running statistics (those of the checkpoints, interpolated where they differ), or
            ``recomputed`` at every point from source training images.

    Raises:
        InputError: an unknown choice or an impossible number.
    """

    subset: int | None = None
    adaptive: float | None = None
    mixture: MixtureMode = "fixed_weights"
    batch_norm: BatchNormPolicy = "frozen"

    def __post_init__(self) -> None:
        if self.subset is not None and self.subset < 1:
            raise InputError(f"--subset is {self.subset}; expected a number of images of 1 or more.")
        if self.adaptive is not None and not self.adaptive > 0:
            raise InputError(f"--adaptive is {self.adaptive}; expected a tolerance above 0, in nats.")
        if self.mixture not in ("fixed_weights", "recompute", "fixed_codes"):
            raise unknown_choice("mixture", self.mixture, ("fixed_weights", "recompute", "fixed_codes"))
        if self.batch_norm not in ("frozen", "recomputed"):
            raise unknown_choice("batch_norm", self.batch_norm, ("frozen", "recomputed"))

    def words(self) -> tuple[str, ...]:
        """What differs from the default, for a hash: nothing for the exact surface."""
        changed = [each for each in fields(self) if getattr(self, each.name) != each.default]
        return tuple(f"{each.name}={getattr(self, each.name)}" for each in changed)
