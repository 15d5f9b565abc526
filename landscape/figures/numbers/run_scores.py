"""What the finished runs of a study say: accuracies by target and seed, and the time of a step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from landscape.algorithms.catalogue import label_of
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.interval import Mean
from landscape.training import Run, evaluations, select

Selection = Literal["last", "validation"]
METRICS = ("accuracy", "balanced_accuracy")


@dataclass(frozen=True)
class Scores:
    """Scores of the finished runs of some algorithms, one row each for raw and averaged weights and two selections.

    Attributes:
        table: algorithm, target, seed, swa, selection, step, validation, accuracy, balanced_accuracy, n; and accuracy
            and number of target images with a concept that a source has (seen, n_seen) and of the others (unseen,
            n_unseen), NaN where the data name no concepts.
        algorithms: those with a finished run, in the order asked for.
        missing: the others.
    """

    table: pd.DataFrame
    algorithms: tuple[str, ...]
    missing: tuple[str, ...]

    @classmethod
    def of(cls, study: Study, algorithms: Sequence[str]) -> "Scores":
        """Read the evaluations that training recorded; no model is opened.

        Raises:
            InputError: no run of these algorithms is finished.
        """
        rows = []
        for algorithm in algorithms:
            for target in study.targets:
                for seed in study.seeds:
                    run = study.run(algorithm, target, seed)
                    if run is not None:
                        about = {"algorithm": algorithm, "target": target, "seed": seed}
                        rows += [about | row for row in _of_run(run)]
        if not rows:
            raise study.lacks(list(algorithms), study.targets, study.seeds)
        found = {row["algorithm"] for row in rows}
        return cls(
            pd.DataFrame(rows),
            tuple(name for name in algorithms if name in found),
            tuple(name for name in algorithms if name not in found),
        )

    def only(self, algorithms: Sequence[str]) -> "Scores":
        """Those of some algorithms."""
        table = self.table[self.table["algorithm"].isin(list(algorithms))]
        found = tuple(name for name in self.algorithms if name in algorithms)
        return Scores(table, found, tuple(name for name in algorithms if name not in found))

    def cells(self, algorithm: str) -> set[tuple[str, int]]:
        """Targets and seeds for which an algorithm has a finished run."""
        own = self.table[self.table["algorithm"] == algorithm]
        return set(zip(own["target"], own["seed"].astype(int), strict=True))

    @property
    def runs(self) -> int:
        """How many finished runs there are."""
        return sum(len(self.cells(name)) for name in self.algorithms)

    def value(
        self,
        algorithm: str,
        target: str,
        seed: int,
        *,
        swa: bool,
        selection: Selection = "last",
        metric: str = "accuracy",
    ) -> float:
        """One number, a share; NaN where there is no such run."""
        table = self.table
        chosen = table[
            (table["algorithm"] == algorithm)
            & (table["target"] == target)
            & (table["seed"] == seed)
            & (table["swa"] == swa)
            & (table["selection"] == selection)
        ]
        return float(chosen[metric].iloc[0]) if len(chosen) else np.nan


@dataclass(frozen=True)
class Block:
    """A full rectangle of runs: every algorithm for every target and seed (common random numbers).

    Attributes:
        scores: of the study.
        algorithms: the methods compared.
        targets: the targets that all of them have.
        seeds: the seeds that all of them have on all these targets.
        notes: what was left out.
    """

    scores: Scores
    algorithms: tuple[str, ...]
    targets: tuple[str, ...]
    seeds: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, scores: Scores, study: Study) -> "Block":
        """The largest comparison that is fair: targets of the first seed that has any, then the seeds that have all.

        An algorithm without any run in common with the others is left out, the one with the fewest first.
        """
        names = list(scores.algorithms)
        while True:
            common = set.intersection(*(scores.cells(name) for name in names))
            if common:
                break
            names.remove(min(names, key=lambda name: len(scores.cells(name))))
        first = next(seed for seed in study.seeds if any(s == seed for _, s in common))
        targets = tuple(t for t in study.targets if (t, first) in common)
        seeds = tuple(s for s in study.seeds if all((t, s) in common for t in targets))
        notes = []
        if dropped := [*scores.missing, *(name for name in scores.algorithms if name not in names)]:
            notes.append(f"Left out for lack of runs: {', '.join(label_of(name) for name in dropped)}.")
        if other := [target for target in study.targets if target not in targets]:
            notes.append(f"Targets that not all of these methods have: {', '.join(other)}.")
        if other_seeds := [str(seed) for seed in study.seeds if seed not in seeds]:
            notes.append(f"Seeds that not all of these methods have on every target: {', '.join(other_seeds)}.")
        return cls(scores, tuple(names), targets, seeds, tuple(notes))

    def values(
        self, algorithm: str, *, swa: bool, selection: Selection = "last", metric: str = "accuracy"
    ) -> np.ndarray:
        """(targets, seeds) of one method, in percent."""
        options = {"swa": swa, "selection": selection, "metric": metric}
        return np.array(
            [
                [100 * self.scores.value(algorithm, target, seed, **options) for seed in self.seeds]  # type: ignore[arg-type]
                for target in self.targets
            ]
        )

    def average(self, algorithm: str, *, swa: bool, selection: Selection = "last", metric: str = "accuracy") -> Mean:
        """Mean over targets, then over seeds, with the seeds' spread."""
        return Mean.of(self.values(algorithm, swa=swa, selection=selection, metric=metric).mean(axis=0))

    def of_targets(self, first: str, second: str, *, swa: bool, selection: Selection = "last") -> np.ndarray:
        """(targets,) accuracy of the first minus that of the second, averaged over seeds; percentage points."""
        values = [self.values(name, swa=swa, selection=selection) for name in (first, second)]
        difference: np.ndarray = (values[0] - values[1]).mean(axis=1)
        return difference


def percent(run: Run | None, *, swa: bool = False, metric: str = "accuracy") -> float:
    """A score on the target after a run's last step, in percent; NaN where there is no run or no average."""
    points = evaluations(run, "swa" if swa else "raw") if run is not None else []
    return 100 * float(points[-1]["target"][metric]) if points else np.nan


@dataclass(frozen=True)
class StepTime:
    """Milliseconds a step of one run.

    Attributes:
        before: median over the steps before T0.
        active: median over the steps from T0 on.
        schedule: their mean over the whole run, as the paper reports it.
    """

    before: float
    active: float
    schedule: float


def step_time(run: Run) -> StepTime:
    """How long a step took: update, weight averaging and, before T0, the trunk's steps. Recording is not in it."""
    steps = {row["step"]: 1000 * row["seconds"] for row in run.metrics() if row["event"] == "step"}
    start = run.config.mixup.start
    early = [ms for step, ms in steps.items() if step < start]
    late = [ms for step, ms in steps.items() if step >= start]
    before, active = (float(np.median(part)) if part else np.nan for part in (early, late))
    parts = [(value, len(part)) for value, part in ((before, early), (active, late)) if part]
    return StepTime(before, active, sum(value * n for value, n in parts) / sum(n for _, n in parts))


def _of_run(run: Run) -> list[dict[str, object]]:
    rows = []
    for swa in (False, True):
        kind: Literal["raw", "swa"] = "swa" if swa else "raw"
        points = evaluations(run, kind)
        if not points:
            continue
        chosen: dict[Selection, dict] = {"last": points[-1], "validation": select(run, kind)}
        for selection, point in chosen.items():
            rows.append(
                {
                    "swa": swa,
                    "selection": selection,
                    "step": point["step"],
                    "validation": point["validation"]["accuracy"],
                    **{metric: point["target"][metric] for metric in METRICS},
                    "n": point["target"]["n"],
                    **_concepts(point),
                }
            )
    return rows


def _concepts(point: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in ("seen", "unseen"):
        each = point.get(f"target_{part}", {})
        n = each.get("n", np.nan)
        found |= {part: each["accuracy"] if n > 0 else np.nan, f"n_{part}": n}
    return found
