"""How each claim of the papers is tested on a study's runs: claim id -> a function that returns its evidence.

Every function takes its numbers from what the other items measure (found again by the hash of their inputs) and raises
InputError where runs are missing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from landscape.algorithms.catalogue import METHODS, label_of
from landscape.errors import InputError
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.cells import Key
from landscape.figures.numbers.evidence import Evidence, over_keys
from landscape.figures.numbers.interval import Mean, over_cells
from landscape.figures.numbers.run_scores import Block, Scores, step_time
from landscape.intervals import variance_ratio

if TYPE_CHECKING:
    from landscape.correlation import Association
    from landscape.embedding import Embedding
    from landscape.flatness import Flatness
    from landscape.surface import Surface

# How far above its lowest value a loss still belongs to the minimum, in nats.
_BASIN = 0.1


@dataclass(frozen=True)
class Source:
    """A study with what several tests read, measured once."""

    study: Study

    @cached_property
    def scores(self) -> Scores:
        """Of every algorithm with a finished run."""
        return Scores.of(self.study, tuple(METHODS))

    def block(self, *algorithms: str) -> Block:
        """The targets and seeds that all of some algorithms have.

        Raises:
            InputError: there are none.
        """
        self.study.complete(algorithms)
        return Block.of(self.scores.only(algorithms), self.study)

    @cached_property
    def mixed(self) -> "dict[Key, Embedding]":
        """FGMix's codes and mixup codes (figure 4)."""
        from landscape.figures.numbers.study_codes import mixed_codes_of

        return {key: mixed_codes_of(self.study, *key) for key in self.study.complete(("fgmix",))}

    @cached_property
    def flatness(self) -> "dict[Key, Flatness]":
        """Flatness of the scale's methods (figure 5)."""
        from landscape.figures.numbers.study_flatness import flatness_of, gammas_of

        keys = self.study.complete(("erm", "fgmix"))
        gammas = gammas_of(self.study)
        return {key: flatness_of(self.study, *key, gammas) for key in keys}

    @cached_property
    def surfaces(self) -> "dict[Key, Surface]":
        """The planes of figure 6."""
        from landscape.figures.numbers.study_surfaces import surfaces_of

        return surfaces_of(self.study)

    @cached_property
    def associations(self) -> "dict[Key, Association]":
        """Learned scores against cosines (figure 8)."""
        from landscape.figures.numbers.study_codes import association_of

        return {key: association_of(self.study, *key) for key in self.study.complete(("fgmix",))}


Test = Callable[[Source], Evidence]


def difference(first: str, second: str, *, swa: bool = False) -> Test:
    """Accuracy of one algorithm minus that of another, percentage points."""

    def test(source: Source) -> Evidence:
        block = source.block(first, second)
        return _of_cells(block, block.values(first, swa=swa) - block.values(second, swa=swa))

    return test


def swa_gain(algorithm: str, reference: str | None = None) -> Test:
    """Accuracy with SWA minus without, and minus the same of a reference."""

    def test(source: Source) -> Evidence:
        block = source.block(*(name for name in (algorithm, reference) if name))
        gains = [block.values(n, swa=True) - block.values(n, swa=False) for n in (algorithm, reference) if n]
        return _of_cells(block, gains[0] if reference is None else gains[0] - gains[1])

    return test


def above_best(*, swa: bool) -> Test:
    """Accuracy of FGMix minus that of the best other method, percentage points.

    The others are those, CORAL among them, with a run wherever FGMix and CORAL have one; none is a variant of FGMix.
    With SWA they count with and without it. The best is chosen by its mean on the same runs, to FGMix's disadvantage.
    """

    def test(source: Source) -> Evidence:
        shared = set(source.study.complete(("coral", "fgmix")))
        own = METHODS["fgmix"].module
        others = [n for n in source.scores.algorithms if METHODS[n].module != own and source.scores.cells(n) >= shared]
        block = source.block("fgmix", *others)
        found = {
            label_of(name, averaged): block.values(name, swa=averaged)
            for name in others
            for averaged in ((False, True) if swa else (False,))
        }
        best = max(found, key=lambda label: np.nan_to_num(found[label].mean(), nan=-np.inf))
        evidence = _of_cells(block, block.values("fgmix", swa=swa) - found[best])
        return replace(evidence, remark=f"The best of {len(others)} other methods is {best}.")

    return test


def _selection(source: Source) -> Evidence:
    from landscape.figures.items.selection import Points

    runs = {key: source.study.run("fgmix", *key) for key in source.study.complete(("fgmix",))}
    return over_keys(source.study, {key: float(np.diff(Points.of(run).rho())[0]) for key, run in runs.items() if run})


def _time(source: Source) -> Evidence:
    ratios = {}
    for key in source.study.complete(("erm", "fgmix")):
        erm, fgmix = (source.study.run(name, *key) for name in ("erm", "fgmix"))
        assert erm is not None  # the study says so
        assert fgmix is not None
        ratios[key] = step_time(fgmix).schedule / step_time(erm).schedule
    return over_keys(source.study, ratios)


def _prior_variance(source: Source) -> Evidence:
    block = source.block("e", "fgmix")
    if len(block.seeds) < 2:
        raise InputError("a variance over seeds needs at least two of them; add --seeds 3.")
    # Within a target, as in the paper's mean of per-target standard deviations; T (n - 1) degrees of freedom in both,
    # as if targets and variants were independent.
    own, other = (block.values(name, swa=False).var(axis=1, ddof=1).mean() for name in ("fgmix", "e"))
    ratio = float(own / other) if other > 0 else np.nan
    n = len(block.seeds)
    freedom = len(block.targets) * (n - 1)
    low, high = variance_ratio(ratio, freedom, freedom)
    return Evidence(Mean(ratio, low, high, n, "seeds"), len(block.targets) * n, block.seeds)


def _extrapolated(source: Source) -> Evidence:
    return over_keys(source.study, {key: each.extrapolated("FGMix") for key, each in source.mixed.items()})


def _inside(source: Source) -> Evidence:
    shares = [each.extrapolated("A") for each in source.mixed.values()]
    worst, seeds = max(shares), tuple(dict.fromkeys(seed for _, seed in source.mixed))
    return Evidence(Mean(worst, worst, worst, len(shares), "runs", 0.0), len(shares), seeds)


def _coverage(source: Source) -> Evidence:
    """FGMix minus control: a gain over A would show only that something was extrapolated."""
    from landscape.embedding.coverage import GAP, TARGET
    from landscape.figures.items.fig4 import gains_table

    table = gains_table(source.mixed)
    table = table[table["measure"] == "distance"]

    def of(query: str) -> Evidence:
        chosen = table[table["query"] == query]
        return over_keys(source.study, _by_key(chosen))

    if not table["difference"].notna().any():
        raise InputError("no mixup code of FGMix extrapolates, so there is no control to compare with.")
    found = of(TARGET)
    try:
        remark = f"{GAP[0].upper()}{GAP[1:]}: {of(GAP).mean.value:+.3g}."
    except InputError:
        remark = "There are no held-out source codes to compare with."
    return replace(found, remark=remark)


def _by_key(table: pd.DataFrame) -> dict[Key, float]:
    return {(row["target"], row["seed"]): float(row["difference"]) for _, row in table.iterrows()}


def flatter(*methods: str) -> Test:
    """Log10 of the squared change of the loss at the largest distance, the paper's loss of each, minus ERM's."""

    def test(source: Source) -> Evidence:
        found = {}
        for key, flatness in source.flatness.items():
            ends = {curve.method: float(curve.mean("squared", "own")[-1]) for curve in flatness.of("full")}
            if all(name in ends for name in ("ERM", *methods)):
                found[key] = float(np.mean([np.log10(ends[name] / ends["ERM"]) for name in methods]))
        if not found:
            raise InputError(f"no target has a flatness curve of {', '.join(methods)} and ERM.")
        return over_keys(source.study, found)

    return test


def _shift(source: Source) -> Evidence:
    from landscape.surface.shift import shift_of

    found = {key: shift_of(surface) for key, surface in source.surfaces.items()}
    return over_keys(source.study, {key: each.to_accuracy - each.error for key, each in found.items()})


def _broader(source: Source) -> Evidence:
    found = {}
    for key, surface in source.surfaces.items():
        if {"train_loss", "fgmix_train_loss"} <= set(surface.panels):
            losses = (np.asarray(surface.panel(name).values) for name in ("fgmix_train_loss", "train_loss"))
            mixed, plain = (float(np.mean(loss <= np.nanmin(loss) + _BASIN)) for loss in losses)
            found[key] = mixed - plain
    if not found:
        raise InputError("no surface has the train loss with mixup codes.")
    return over_keys(source.study, found)


def _closer(source: Source) -> Evidence:
    from landscape.surface.shift import shift_of

    found = {}
    for key, surface in source.surfaces.items():
        shift, marks = shift_of(surface), {mark.label: mark for mark in surface.marks}
        far = {name: np.hypot(marks[name].x - shift.best[0], marks[name].y - shift.best[1]) for name in ("w2", "w3")}
        found[key] = float(far["w3"] - far["w2"]) / shift.unit
    return over_keys(source.study, found)


def _ends_higher(source: Source) -> Evidence:
    block = source.block("erm", "fgmix")
    higher = block.values("fgmix", swa=True) > block.values("erm", swa=True)
    return Evidence(Mean.of(higher.mean(axis=0)), higher.size, block.seeds)


def _rho(source: Source) -> Evidence:
    return over_keys(
        source.study,
        {key: float(np.mean([pair.rho.value for pair in each.pairs])) for key, each in source.associations.items()},
    )


def _mixed(source: Source) -> Evidence:
    from landscape.figures.items.fig9 import differences_table
    from landscape.figures.numbers.study_codes import codes_of_models

    study = source.study
    table = differences_table({key: codes_of_models(study, *key) for key in study.complete(("erm", "fgmix"))})
    chosen = table[(table["measure"] == "domain entropy") & (table["scope"] == "sources")]
    return over_keys(study, _by_key(chosen))


def grid(rows: Sequence[int], plus: Sequence[int], minus: Sequence[int] | None = None) -> Test:
    """A contrast in the grid of Table C.3, averaged over the cells named, percentage points.

    Args:
        rows: indices of lambda's start.
        plus: indices of eta.
        minus: those to subtract; None: the second of two rows is subtracted from the first.
    """

    def test(source: Source) -> Evidence:
        from landscape.figures.items.tablec3 import measure

        values = measure(source.study)
        if minus is None:
            each = (values[rows[0]] - values[rows[1]])[list(plus)].mean(axis=0)
        else:
            chosen = values[list(rows)]
            each = (chosen[:, list(plus)].mean(axis=1) - chosen[:, list(minus)].mean(axis=1)).mean(axis=0)
        if np.isnan(each).all():
            raise InputError("the grid of Table C.3 is not trained; make it with the item tableC3 and --train.")
        seeds = tuple(seed for seed, value in zip(source.study.seeds, each, strict=True) if np.isfinite(value))
        return Evidence(Mean.of(each), len(seeds), seeds)

    return test


def _distinctive(source: Source) -> Evidence:
    from landscape.toy.three_losses import three_losses

    onset = three_losses().onset
    return _exact(float(onset[0] - onset[1]), 2)


def _invariance(source: Source) -> Evidence:
    from landscape.figures.items.weights_vs_invariance import measure

    table = measure(source.study)
    own = table[table["weights"] == "learned"]
    seeds = tuple(int(seed) for seed in own["seed"])
    return Evidence(Mean.of(own["within"].to_numpy() - 0.5), len(own), seeds, "causal synthetic vectors")


def _toy_digits(source: Source) -> Evidence:
    from landscape.toy import appendix_a, compare

    lines = compare(appendix_a())
    return _exact(float(np.mean([line.same for line in lines])), len(lines))


def _toy_direction(source: Source) -> Evidence:
    from landscape.toy import appendix_a

    toy = appendix_a()
    return _exact(toy.cosine("fgmix", "and_mask") - toy.cosine("erm", "and_mask"), 4)


def _exact(value: float, n: int) -> Evidence:
    return Evidence(Mean(value, value, value, n, "numbers", 0.0), n, ())


def _of_cells(block: Block, cells: np.ndarray) -> Evidence:
    return Evidence(over_cells(cells), cells.size, block.seeds)


TESTS: dict[str, Test] = {
    "gain": difference("fgmix", "erm"),
    "best": above_best(swa=False),
    "swa-gain": swa_gain("fgmix"),
    "swa-best": difference("fgmix", "erm", swa=True),
    "swa-best-all": above_best(swa=True),
    "swa-largest": swa_gain("fgmix", "erm"),
    "swa-selection": _selection,
    "time": _time,
    "similarity": difference("b", "a"),
    "gradients": difference("c", "b"),
    "extrapolation": difference("d", "c"),
    "flatness": difference("e", "d"),
    "prior-mean": difference("fgmix", "e"),
    "prior-variance": _prior_variance,
    "features": difference("fgmix", "f"),
    "extrapolated": _extrapolated,
    "inside": _inside,
    "coverage": _coverage,
    "sharper": flatter("A", "C"),
    "flatter": flatter("FGMix"),
    "broader": _broader,
    "shift": _shift,
    "closer": _closer,
    "ends-higher": _ends_higher,
    "rho": _rho,
    "mixed": _mixed,
    "eta-small": grid((0,), (0, 1), (2, 3)),
    "eta-middle": grid((1,), (2, 3), (0, 1)),
    "eta-large": grid((1, 2, 3), (2, 3), (0, 1)),
    "lambda-large": grid((3, 1), (0, 1, 2, 3)),
    "distinctive": _distinctive,
    "invariance": _invariance,
    "toy-digits": _toy_digits,
    "toy-direction": _toy_direction,
}
