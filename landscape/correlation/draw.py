"""From a checkpoint to files: result and figure, each made once."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from landscape.correlation.association import Association
from landscape.errors import InputError
from landscape.storage import digest

if TYPE_CHECKING:
    from landscape.correlation.plan import Plan
    from landscape.evaluation.evaluator import Precision

Format = Literal["png", "pdf", "svg"]
FORMATS: tuple[Format, ...] = ("png", "pdf")


def draw(
    plan: "Plan",
    *,
    out: Path | str = "figures",
    name: str | None = None,
    formats: Sequence[Format] = FORMATS,
    resamples: int = 2000,
    device: str = "auto",
    precision: "Precision" = "fp32",
    batch_size: int | None = None,
    note: str = "",
    progress: bool = True,
) -> tuple[Association, list[Path]]:
    """Measure an association, or find it measured, and draw what is missing.

    The result is found by the hash of its inputs. While it is being measured, a journal beside it keeps the numbers
    of every untrained score; the same call continues after an interruption.

    Args:
        plan: checkpoint, pairs and groups.
        out: folder for the files.
        name: beginning of the files' names; by default from data, target and the inputs' hash.
        formats: what to draw.
        resamples: bootstrap samples.
        device: where to compute.
        precision: ``fp32``, ``bf16`` or ``fp64``.
        batch_size: images a forward pass; None: chosen by the device.
        note: a sentence to add to the figure's caption.
        progress: show a bar.

    Returns:
        The association, and the files that were written: none when everything was there already.
    """
    key = digest(plan.digest(), str(resamples), precision)
    task = plan.setting.task
    words = [task.images.name, task.target, key[:8]]
    stem = name or "-".join(["correlation", *(re.sub(r"[^a-z0-9]+", "-", word.lower()) for word in words)])
    stem_path = Path(out) / stem
    result = Path(f"{stem_path}.nc")
    association, written = _finished(result, key), []
    if association is None:
        from landscape.correlation.measure import measure

        journal = Path(f"{stem_path}.journal.jsonl")
        association = measure(
            plan,
            resamples=resamples,
            device=device,
            precision=precision,
            batch_size=batch_size,
            journal=journal,
            progress=progress,
        )
        association = replace(association, about={**association.about, "key": key})
        written.append(association.save(result))
        journal.unlink()
        # Figures of an earlier result under this name are out of date.
        for old in get_args(Format):
            Path(f"{stem_path}.{old}").unlink(missing_ok=True)
    missing = [each for each in formats if not Path(f"{stem_path}.{each}").is_file()]
    return association, [*written, *draw_files(association, stem_path, formats=missing, note=note)]


def draw_files(
    association: Association, stem: Path, *, formats: Sequence[Format] = FORMATS, note: str = ""
) -> list[Path]:
    """Draw an association into ``STEM.png`` and so on."""
    if not formats:
        return []
    from matplotlib.figure import Figure

    from landscape.plots import theme
    from landscape.plots.correlation import plot_fig8

    figure = plot_fig8(association, figure=Figure(), note=note)
    about = {"title": "Learned score against gradient cosine", **association.about.get("provenance", {})}
    return theme.save(figure, stem, formats=formats, about=about)


def _finished(path: Path, key: str) -> Association | None:
    """The stored association, if it is the one of these inputs."""
    if not path.is_file():
        return None
    try:
        stored = Association.load(path)
    except InputError:  # damaged or of an older version: measured again
        return None
    return stored if stored.about.get("key") == key else None
