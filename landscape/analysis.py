"""What the commands of all analyses share: their flags, and what each does before and after its own work.

No torch in here: ``--help`` has to answer at once.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Generic, TypeVar

import tyro

from landscape.compute import Compute, PrecisionOption
from landscape.config import Device
from landscape.errors import InputError
from landscape.overrides import Overrides

if TYPE_CHECKING:
    from landscape.opened import Opened

Formats = TypeVar("Formats")


@dataclass(frozen=True)
class Shared(Generic[Formats]):
    """Flags of every analysis command: files, plan, data, device."""

    out: Path | None = None
    """Folder for the files: figures/, with --plot-only the result's own."""
    format: tuple[Formats, ...] = ("png", "pdf")  # type: ignore[assignment]
    """What to draw."""
    plot_only: tuple[Path, ...] = ()
    """Draw these stored results again, without any model."""
    dry_run: bool = False
    """Print the plan and its estimated time, and stop."""
    overrides: Annotated[Overrides, tyro.conf.arg(name="")] = field(default_factory=Overrides)
    device: Device = "auto"
    """Where to compute."""
    precision: PrecisionOption = "fp32"
    """Arithmetic of the forward passes; sums are float64 always. fp32 gives the same values everywhere, to rounding;
    auto takes what this machine is fastest in."""
    batch_size: int | None = None
    """Images a forward pass; by default chosen by the device and, for long work on a surface, by a timing."""

    @property
    def compute(self) -> Compute:
        """Device, precision, batch size."""
        return Compute(self.device, self.precision, self.batch_size)

    @property
    def folder(self) -> Path:
        """Where files go."""
        return self.out or Path("figures")

    def stored(self, checkpoints: Sequence[str]) -> tuple[tuple[Path, Path], ...]:
        """The stored results to draw again, each with the path of its figures without suffix; mostly there are none.

        Raises:
            InputError: there are checkpoints beside them.
        """
        if self.plot_only and checkpoints:
            raise InputError("--plot-only draws a stored result; leave the checkpoints out.")
        return tuple((path, (self.out or path.parent) / path.stem) for path in self.plot_only)


def say_opening() -> None:
    """What takes a moment before anything else is said."""
    print("opening checkpoints and data", file=sys.stderr)


def say_data(opened: "Opened", words: str) -> None:
    """Which data and target, and what of them."""
    print(f"{opened.task.images.name}, target {opened.task.target}: {words}")


def say_notes(notes: Iterable[str]) -> None:
    """Notes of a plan."""
    for note in notes:
        print(f"note: {note}")
