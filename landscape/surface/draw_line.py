"""From a line to files: result and figure, each made once."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landscape.flatness.draw import file_name, find_or_make
from landscape.storage import digest
from landscape.surface.draw import FORMATS, Format
from landscape.surface.profile import Profile

if TYPE_CHECKING:
    from landscape.evaluation.trial import Compile, PrecisionOption
    from landscape.surface.line import Line


def draw_line(
    line: "Line",
    *,
    out: Path | str = "figures",
    name: str | None = None,
    formats: Sequence[Format] = FORMATS,
    device: str = "auto",
    precision: "PrecisionOption" = "fp32",
    batch_size: int | None = None,
    compiled: "Compile" = "auto",
    progress: bool = True,
) -> tuple[Profile, list[Path]]:
    """Measure a line, or find it measured, and draw what is missing; see :func:`landscape.surface.draw.draw`.

    Args:
        line: which points.
        out: folder for the files.
        name: beginning of the files' names; by default from data, target and the inputs' hash.
        formats: what to draw; a line has no page, ``html`` is passed over.
        device: where to compute.
        precision: of the forward passes.
        batch_size: images a forward pass.
        compiled: ``torch.compile``: ``on``, ``off``, ``auto``.
        progress: show bars.

    Returns:
        The profile, and the files that were written: none when everything was there already.
    """
    from landscape.surface.choosing import resolve_precision_of
    from landscape.surface.line import measure_line

    resolved = resolve_precision_of(line.opened, precision, device, progress=progress)
    key = digest(line.digest(), resolved)
    stem = Path(out) / (name or file_name("line", line.opened, key))

    def compute(journal: Path) -> Profile:
        return measure_line(
            line,
            device=device,
            precision=resolved,
            batch_size=batch_size,
            compiled=compiled,
            journal=journal,
            progress=progress,
        )

    profile, written = find_or_make(stem, key, Profile.load, compute)
    return profile, [*written, *draw_line_files(profile, stem, formats=formats, again=bool(written))]


def draw_line_files(
    profile: Profile, stem: Path, *, formats: Sequence[Format] = FORMATS, again: bool = True
) -> list[Path]:
    """Draw a profile into ``STEM.png`` and so on.

    Args:
        profile: the result.
        stem: path without suffix.
        formats: what to draw.
        again: draw also the files that exist.
    """
    from landscape.plots import theme

    static = [each for each in formats if each != "html"]
    missing: list[Any] = [each for each in static if again or not stem.with_name(f"{stem.name}.{each}").is_file()]
    if not missing:
        return []
    figure: Any = profile.plot().get_figure()
    about = {"title": "Loss along a line", **profile.about.get("provenance", {})}
    return theme.save(figure, stem, formats=missing, about=about)
