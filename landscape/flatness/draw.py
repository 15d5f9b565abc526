"""From a setting to files: result and figures, each made once."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, get_args

from landscape.errors import InputError
from landscape.flatness.comparison import FORMAT, SCOPES, Flatness
from landscape.flatness.curve import Scope, Statistic
from landscape.storage import digest

if TYPE_CHECKING:
    from landscape.evaluation.evaluator import Precision
    from landscape.flatness.setting import Setting
    from landscape.opened import Opened

Format = Literal["png", "pdf", "svg"]
FORMATS: tuple[Format, ...] = ("png", "pdf")


class _Stored(Protocol):
    @property
    def about(self) -> Any: ...

    def save(self, path: Path | str) -> Path: ...


Result = TypeVar("Result", bound=_Stored)


def draw(
    setting: "Setting",
    *,
    out: Path | str = "figures",
    name: str | None = None,
    formats: Sequence[Format] = FORMATS,
    statistic: Statistic = "squared",
    scopes: Sequence[Scope] = SCOPES,
    gammas: Sequence[float] | None = None,
    directions: int = 50,
    level: float = 1.0,
    steps: int = 5,
    seed: int = 0,
    device: str = "auto",
    precision: "Precision" = "fp32",
    batch_size: int | None = None,
    note: str = "",
    progress: bool = True,
) -> tuple[Flatness, list[Path]]:
    """Measure flatness, or find it measured, and draw what is missing.

    The result is found by the hash of its inputs. While it is being measured, a journal beside it keeps every point;
    the same call continues after an interruption at any moment.

    Args:
        setting: the checkpoints with their network and data.
        out: folder for the files.
        name: beginning of the files' names; by default from data, target and the inputs' hash.
        formats: what to draw.
        statistic: what the figures show.
        scopes: see :meth:`Flatness.measure`, like all that follow.
        gammas: distances.
        directions: number of directions.
        level: of the pilot.
        steps: of the pilot.
        seed: of the directions.
        device: where to compute.
        precision: of the forward passes.
        batch_size: images a forward pass.
        note: a sentence to add to the figures' captions.
        progress: show bars.

    Returns:
        The curves, and the files that were written: none when everything was there already.
    """
    from landscape.flatness.measure import check, inputs_digest, measure

    check(scopes, gammas, directions)
    inputs = inputs_digest(
        setting, gammas=gammas, directions=directions, level=level, steps=steps, seed=seed, precision=precision
    )
    key = digest(str(FORMAT), inputs, repr(sorted(scopes)), str(directions))
    stem = Path(out) / (name or file_name("flatness", setting, key))

    def compute(journal: Path) -> Flatness:
        return measure(
            setting,
            scopes=scopes,
            gammas=gammas,
            directions=directions,
            level=level,
            steps=steps,
            seed=seed,
            device=device,
            precision=precision,
            batch_size=batch_size,
            journal=journal,
            progress=progress,
        )

    flatness, written = find_or_make(stem, key, Flatness.load, compute)
    if written:
        # Figures of an earlier result under this name are out of date.
        for path, _ in [each for form in get_args(Format) for each in _figures(flatness, stem, (form,), None)]:
            path.unlink(missing_ok=True)
    drawn = draw_files(flatness, stem, formats=formats, statistic=statistic, note=note, again=False)
    return flatness, [*written, *drawn]


def draw_files(
    flatness: Flatness,
    stem: Path,
    *,
    formats: Sequence[Format] = FORMATS,
    statistic: Statistic = "squared",
    note: str = "",
    again: bool = True,
) -> list[Path]:
    """Draw curves into ``STEM.png``, ``STEM-classifier.png`` and so on.

    Args:
        flatness: the curves.
        stem: path without suffix.
        formats: what to draw.
        statistic: what to show; any but the squared one is part of the files' names.
        note: a sentence to add to the captions.
        again: draw also the files that exist.
    """
    from matplotlib.figure import Figure

    from landscape.plots import theme
    from landscape.plots.flatness import plot_flatness

    written: list[Path] = []
    for path, scope in _figures(flatness, stem, formats, statistic):
        if again or not path.is_file():
            figure = plot_flatness(flatness, scope, statistic=statistic, figure=Figure(), note=note)
            about = {"title": "Flatness along random directions", **flatness.about.get("provenance", {})}
            form: Any = path.suffix[1:]
            written += theme.save(figure, path.with_suffix(""), formats=[form], about=about)
    return written


def find_or_make(
    stem: Path, key: str, load: Callable[[Path], Result], compute: Callable[[Path], Result]
) -> tuple[Result, list[Path]]:
    """The stored result of these inputs, else the computed one, which is stored; and the files written.

    Args:
        stem: path without suffix.
        key: hash of all inputs.
        load: reads a result.
        compute: makes it, with a journal at the given path.
    """
    path, journal = (stem.with_name(f"{stem.name}{suffix}") for suffix in (".nc", ".journal.jsonl"))
    if path.is_file():
        try:
            stored = load(path)
            if stored.about.get("key") == key:
                return stored, []
        except InputError:  # damaged or of an older version: measured again
            pass
    made: Any = compute(journal)
    result: Result = replace(made, about={**made.about, "key": key})
    result.save(path)
    journal.unlink(missing_ok=True)
    return result, [path]


def file_name(kind: str, opened: "Opened", key: str) -> str:
    """``flatness-sixstyles-sketch-0123abcd``."""
    words = [opened.task.images.name, opened.task.target, key[:8]]
    return "-".join([kind, *(re.sub(r"[^a-z0-9]+", "-", word.lower()) for word in words)])


def _figures(
    flatness: Flatness, stem: Path, formats: Sequence[str], statistic: Statistic | None
) -> list[tuple[Path, Scope]]:
    """Every figure's file and scope; without a statistic those of all statistics."""
    statistics = ["squared", "signed", "absolute"] if statistic is None else [statistic]
    return [
        (stem.with_name("-".join([stem.name, *parts]) + f".{form}"), scope)
        for form in formats
        for scope in flatness.scopes
        for each in statistics
        for parts in [[*(["classifier"] if scope == "classifier" else []), *([each] if each != "squared" else [])]]
    ]
