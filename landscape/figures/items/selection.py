"""Does source validation find good checkpoints, with and without SWA, and what does SWA gain, method by method?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from landscape.algorithms.catalogue import label_of
from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.interval import Mean, over_cells
from landscape.figures.numbers.run_scores import Block, Scores
from landscape.figures.numbers.seeds import NONE, in_words
from landscape.plots.selection import Row, plot_selection
from landscape.training import Run, evaluations

# Fewer checkpoints have no rank correlation worth the name.
FEWEST = 4


@dataclass(frozen=True)
class Points:
    """The checkpoints of one run at which raw and averaged weights were both evaluated.

    Attributes:
        steps: (P,) of the checkpoints.
        validation: (2, P) source validation accuracy, raw and SWA.
        target: (2, P) target accuracy.
        balanced: (2, P) balanced target accuracy.
    """

    steps: np.ndarray
    validation: np.ndarray
    target: np.ndarray
    balanced: np.ndarray

    @classmethod
    def of(cls, run: Run) -> "Points":
        """Read from the run's journal; the start is left out."""
        raw, swa = ({row["step"]: row for row in evaluations(run, kind)} for kind in ("raw", "swa"))
        steps = [step for step in raw if step > 0 and step in swa]

        def column(part: str, metric: str) -> np.ndarray:
            values = [[rows[step][part][metric] for step in steps] for rows in (raw, swa)]
            return np.array(values, dtype=np.float64)

        return cls(
            np.array(steps),
            column("validation", "accuracy"),
            column("target", "accuracy"),
            column("target", "balanced_accuracy"),
        )

    def rho(self) -> np.ndarray:
        """(2,) Spearman's rho of validation and target accuracy, raw and SWA; NaN for few points or a constant."""
        from landscape.correlation.rank import spearman

        if len(self.steps) < FEWEST:
            return np.full(2, np.nan)
        return spearman(self.validation, self.target)


@dataclass(frozen=True)
class Agreement:
    """Rank correlation and the gain from SWA of every method, over targets and seeds.

    Attributes:
        block: the runs.
        points: (algorithm, target, seed) -> its checkpoints.
        rho: algorithm -> (targets, seeds, 2), raw and SWA.
        gain: algorithm -> (targets, seeds) accuracy of SWA minus raw after the last step, percentage points.
    """

    block: Block
    points: dict[tuple[str, str, int], Points]
    rho: dict[str, np.ndarray]
    gain: dict[str, np.ndarray]

    def rho_change(self, algorithm: str) -> Mean:
        """Rho of SWA minus rho of the raw weights."""
        change = self.rho[algorithm][..., 1] - self.rho[algorithm][..., 0]
        return over_cells(change) if not np.isnan(change).any() else Mean.of([])

    def gain_over(self, algorithm: str, reference: str = "erm") -> Mean:
        """Gain from SWA minus the reference's gain, on the same targets and seeds: a difference of differences."""
        return over_cells(self.gain[algorithm] - self.gain[reference])


def measure(study: Study) -> Agreement:
    """Of the scale's methods, on the targets and seeds that they share.

    Raises:
        InputError: no run is finished.
    """
    block = Block.of(Scores.of(study, study.scale.methods), study)
    points = {}
    for name in block.algorithms:
        for target in block.targets:
            for seed in block.seeds:
                run = study.run(name, target, seed)
                assert run is not None  # the block is full
                points[name, target, seed] = Points.of(run)
    rho = {
        name: np.array([[points[name, t, s].rho() for s in block.seeds] for t in block.targets])
        for name in block.algorithms
    }
    gain = {name: block.values(name, swa=True) - block.values(name, swa=False) for name in block.algorithms}
    return Agreement(block, points, rho, gain)


def make(study: Study) -> Product:
    """Source validation against target accuracy over checkpoints, and the gain from SWA (beyond both papers).

    Raises:
        InputError: no run is finished.
    """
    found = measure(study)
    block = found.block
    rows = []
    for name in block.algorithms:
        gain, change = over_cells(found.gain[name]), found.rho_change(name)
        row = {"method": label_of(name)}
        for index, kind in enumerate(("raw", "SWA")):
            rho = over_cells(found.rho[name][..., index]).value
            row[f"rho, {kind}"] = NONE if np.isnan(rho) else f"{rho:+.2f}"
        row["rho, SWA minus raw"] = in_words(change, "+.2f")
        row["gain from SWA, points"] = in_words(gain, "+.1f")
        own = name != "erm" and "erm" in block.algorithms
        row["gain minus ERM's, points"] = in_words(found.gain_over(name), "+.1f") if own else NONE
        rows.append(row | {"interval over": f"{gain.n} {gain.unit}" if gain.known else NONE})
    each = pd.DataFrame(
        {
            "method": label_of(name),
            "target": target,
            "seed": seed,
            "checkpoints": len(found.points[name, target, seed].steps),
            "rho raw": found.rho[name][t, s, 0],
            "rho SWA": found.rho[name][t, s, 1],
            "gain from SWA, points": found.gain[name][t, s],
        }
        for name in block.algorithms
        for t, target in enumerate(block.targets)
        for s, seed in enumerate(block.seeds)
    )
    count = int(each["checkpoints"].min())
    main = study.main if study.main in block.targets else block.targets[0]
    shown = {label_of(n): found.points[n, main, block.seeds[0]] for n in ("erm", "fgmix") if n in block.algorithms}
    against = "erm" in block.algorithms and len(block.algorithms) > 1
    gains = {n: g - found.gain["erm"] for n, g in found.gain.items() if n != "erm"} if against else found.gain
    figure = plot_selection(
        {name: (points.validation, points.target) for name, points in shown.items()},
        (_rows(found.rho, 0), _rows(found.rho, 1)),
        {name: _row(cells) for name, cells in gains.items()},
        block.targets,
        gain_words="SWA's gain minus ERM's (points)" if against else "SWA's gain (points)",
    )
    return Product(
        caption=f"{study.about(block.targets, block.seeds)} Left: checkpoints of single runs, target {main}, seed "
        f"{block.seeds[0]}. Middle: Spearman's rho of source validation and target accuracy over the {count} "
        "checkpoints of a run that both kinds of weights have. Right: gain in target accuracy from SWA after the last "
        "step, minus ERM's on the same target and seed. A point is a target (seeds averaged), a line the 95 % "
        f"t-interval {_unit(block)}.",
        finding=_finding(found),
        figures={"": figure},
        tables={"": pd.DataFrame(rows), "values": each},
        facts={"seeds": list(block.seeds), "targets": list(block.targets), "n": len(found.points)},
        notes=(
            *block.notes,
            f"{count} checkpoints of one run are neither many nor independent: rho within a run mostly says whether "
            "both accuracies still rise.",
            "The paper says that the gain from SWA is largest for FGMix (+2.2 points against +1.8 for SelfReg and "
            "CORAL); its own table gives ERM +2.3.",
        ),
    )


def _rows(values: dict[str, np.ndarray], kind: int) -> "dict[str, Row]":
    return {name: _row(cells[..., kind]) for name, cells in values.items()}


def _row(cells: np.ndarray) -> "Row":
    """A method's (targets, seeds) numbers as the plot takes them."""
    mean = over_cells(cells) if not np.isnan(cells).any() else Mean.of([])
    return Row(cells.mean(axis=1), mean.value, mean.low, mean.high)


def _unit(block: Block) -> str:
    if len(block.seeds) > 1:
        return f"over {len(block.seeds)} seeds, targets averaged first"
    return f"over {len(block.targets)} targets, one seed" if len(block.targets) > 1 else "(none: one target, one seed)"


def _finding(found: Agreement) -> str:
    """SWA's effect on FGMix's rho, and on its accuracy next to ERM's."""
    names = [name for name in ("fgmix", "erm") if name in found.block.algorithms]
    if not names:
        return "Neither FGMix nor ERM has finished runs on the targets that the methods share."
    parts = []
    for name in names:
        change = found.rho_change(name)
        parts.append(f"{label_of(name)} {in_words(change, '+.2f')}" + _open(change, found.block))
    words = f"SWA changes rho of source validation and target accuracy by {'; '.join(parts)}"
    if len(names) == 2:
        gap = found.gain_over("fgmix")
        words += f". FGMix gains {in_words(gap, '+.1f')} points more from SWA than ERM" + _open(gap, found.block)
    return f"{words}."


def _open(mean: Mean, block: Block) -> str:
    if np.isnan(mean.value):
        return " (too few checkpoints, or constant)"
    if not mean.known:
        return " (one target and seed, undecided)"
    if len(block.seeds) == 1:
        return f" ({mean.n} {mean.unit}, one seed, undecided)"
    return f" ({mean.n} {mean.unit}" + (")" if mean.decided else ", undecided)")
