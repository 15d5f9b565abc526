"""How a network is run over images: device, precision, batch size, compiled or not, by how many processes.

No torch in here: ``--help`` has to answer at once.
"""

from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

from landscape.errors import InputError, unknown_choice

Precision = Literal["fp32", "bf16", "tf32", "fp64"]
PrecisionOption = Literal["auto", "fp32", "bf16", "tf32", "fp64"]
Compile = Literal["auto", "on", "off"]
Workers = Literal["none", "ray"]


@dataclass(frozen=True)
class Compute:
    """How the forward passes of an analysis are made; what is measured does not depend on it beyond rounding.

    Attributes:
        device: ``auto``, ``cpu``, ``cuda`` (``cuda:1``) or ``mps``.
        precision: ``fp32`` (on CUDA without TF32), ``bf16`` (autocast), ``tf32`` (CUDA only), ``fp64`` for checks, or
            ``auto``: on a CPU what a timing finds fastest, on CUDA bf16 where the device has it. Sums are float64
            always.
        batch_size: images a forward pass; None: chosen by the device and, on surfaces, for long work by a timing.
        compiled: go through ``torch.compile``: ``on``, ``off``, or ``auto``: on surfaces when a timing says that it
            pays, elsewhere never.
        workers: ``none``: this process alone; ``ray``, of surfaces: points of the plane on Ray's workers, one thread
            each, with the values of one process with one thread (:mod:`landscape.surface.distributed`).

    Raises:
        InputError: an unknown choice, or a batch of no image.
    """

    device: str = "auto"
    precision: PrecisionOption = "fp32"
    batch_size: int | None = None
    compiled: Compile = "auto"
    workers: Workers = "none"

    def __post_init__(self) -> None:
        for name, known in (("precision", PrecisionOption), ("compiled", Compile), ("workers", Workers)):
            if (got := getattr(self, name)) not in get_args(known):
                raise unknown_choice(name, str(got), get_args(known))
        if self.batch_size is not None and self.batch_size < 1:
            raise InputError(f"--batch-size is {self.batch_size}; expected at least 1.")

    @property
    def exact(self) -> Precision:
        """The precision, once it is known which one ``auto`` comes to (:meth:`landscape.opened.Opened.resolve`)."""
        if self.precision == "auto":
            raise ValueError("the precision is not resolved yet; ask Opened.resolve")
        return self.precision

    def at(self, precision: str) -> "Compute":
        """The same in another precision."""
        return replace(self, precision=cast(PrecisionOption, precision))

    def alone(self) -> "Compute":
        """The same, for work that Ray's workers take no part in.

        Raises:
            InputError: they were asked for.
        """
        if self.workers != "none":
            raise InputError(f"--workers {self.workers} shares the points of a surface; leave it out here.")
        return self


DEFAULT = Compute()
"""This process, in float32."""
