"""From three checkpoints to files: result, figures and page, each made once."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from landscape.errors import InputError
from landscape.storage import digest
from landscape.surface.options import Options
from landscape.surface.surface import FORMAT, Surface

if TYPE_CHECKING:
    from landscape.evaluation.trial import Compile, PrecisionOption
    from landscape.surface.distributed import Workers
    from landscape.surface.grid import Range
    from landscape.surface.plan import Directions
    from landscape.surface.setting import Setting

Format = Literal["png", "pdf", "svg", "html"]
FORMATS: tuple[Format, ...] = ("png", "pdf", "html")


def draw(
    setting: "Setting",
    *,
    out: Path | str = "figures",
    name: str | None = None,
    formats: Sequence[Format] = FORMATS,
    points: int = 7,
    margin: float = 0.2,
    x_range: "Range | None" = None,
    y_range: "Range | None" = None,
    options: Options | None = None,
    directions: "Directions | None" = None,
    hessian_images: int = 64,
    device: str = "auto",
    precision: "PrecisionOption" = "fp32",
    batch_size: int | None = None,
    compiled: "Compile" = "auto",
    workers: "Workers" = "none",
    note: str = "",
    progress: bool = True,
) -> tuple[Surface, list[Path]]:
    """Measure a surface, or find it measured, and draw what is missing.

    The result is found by the hash of its inputs. While it is being measured, a journal beside it keeps every
    point; the same call continues after an interruption at any moment.

    Args:
        setting: the checkpoints with their network and data.
        out: folder for the files.
        name: beginning of the files' names; by default from data, target and the inputs' hash.
        formats: what to draw.
        points: points along each axis.
        margin: room around paths and anchors, as a fraction of their extent.
        x_range: first and last x, in place of the computed ones.
        y_range: first and last y.
        options: subset, refinement, mixture and batch norm.
        directions: ``pca``, ``random`` or ``hessian`` for a plane around one checkpoint.
        hessian_images: training images behind the Hessian.
        device: where to compute.
        precision: ``fp32``, ``bf16``, ``tf32``, ``fp64``, or ``auto``.
        batch_size: images a forward pass; None: chosen by the device and, for long work, a trial.
        compiled: ``torch.compile``: ``on``, ``off``, ``auto``.
        workers: ``none``, or ``ray`` for blocks of points on Ray's workers; the values are the same.
        note: a sentence to add to the figures' captions.
        progress: show bars.

    Returns:
        The surface, and the files that were written: none when everything was there already.
    """
    options = options or Options()
    if precision == "auto":
        from landscape.surface.choosing import resolve_precision_of

        precision = resolve_precision_of(setting, precision, device, progress=progress)
    shape = repr((points, margin, x_range, y_range))
    plane = {None: [], "hessian": ["hessian", str(hessian_images)]}.get(directions, [str(directions)])
    key = digest(str(FORMAT), setting.digest(), shape, precision, *options.words(), *plane)
    words = [setting.task.images.name, setting.task.target, key[:8]]
    stem = Path(out) / (name or "-".join(["surface", *(re.sub(r"[^a-z0-9]+", "-", word.lower()) for word in words)]))
    result = stem.with_name(f"{stem.name}.nc")
    surface, written = _finished(result, key), []
    if surface is None:
        from landscape.surface.kept import beside
        from landscape.surface.measure import measure
        from landscape.surface.plan import Plan

        journal = stem.with_name(f"{stem.name}.journal.jsonl")
        plan = Plan.of(
            setting,
            points=points,
            margin=margin,
            x_range=x_range,
            y_range=y_range,
            options=options,
            directions=directions,
            hessian_images=hessian_images,
            device=device,
            keep=beside(journal),
            progress=progress,
        )
        surface = measure(
            plan,
            device=device,
            precision=precision,
            batch_size=batch_size,
            compiled=compiled,
            workers=workers,
            journal=journal,
            progress=progress,
        )
        surface = replace(surface, about={**surface.about, "key": key})
        written.append(surface.save(result))
        journal.unlink()
        beside(journal).unlink(missing_ok=True)
        # Figures of an earlier result under this name are out of date.
        for old in get_args(Format):
            stem.with_name(f"{stem.name}.{old}").unlink(missing_ok=True)
    missing = [each for each in formats if not stem.with_name(f"{stem.name}.{each}").is_file()]
    return surface, [*written, *draw_files(surface, stem, formats=missing, note=note)]


def draw_files(surface: Surface, stem: Path, *, formats: Sequence[Format] = FORMATS, note: str = "") -> list[Path]:
    """Draw a surface into ``STEM.png``, ``STEM.html`` and so on."""
    written: list[Path] = []
    static = [each for each in formats if each != "html"]
    own = "test_accuracy" not in surface.panels  # a loss of the user's own
    if own and "html" in formats:
        raise InputError("a surface of a loss of your own has no page; leave html out, with --format png.")
    if own and static:
        from landscape.plots import theme

        written += theme.save(surface.plot(), stem, formats=static, about={"title": "Loss surface"})
    elif static:
        from matplotlib.figure import Figure

        from landscape.plots import theme
        from landscape.plots.fig6 import plot_fig6_row

        figure = plot_fig6_row(surface, figure=Figure(), note=note)
        about = {"title": "Loss surface", **surface.about.get("provenance", {})}
        written += theme.save(figure, stem, formats=static, about=about)
    if "html" in formats:
        from landscape.plots.interactive import write_page

        written.append(write_page(surface, stem.with_name(f"{stem.name}.html"), note=note))
    return written


def _finished(path: Path, key: str) -> Surface | None:
    """The stored surface, if it is the one of these inputs."""
    if not path.is_file():
        return None
    try:
        stored = Surface.load(path)
    except InputError:  # damaged or of an older version: measured again
        return None
    return stored if stored.about.get("key") == key else None
