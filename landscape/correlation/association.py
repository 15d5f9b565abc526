"""Learned scores against the cosine of the gradients: the result, its file and its tables.

No torch in here: a stored result opens and redraws without it.

    association = Association.measure("RUN")
    association.plot()
    association.save("correlation.nc")
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np

from landscape.compute import DEFAULT, Compute
from landscape.correlation.identifiability import Place, Untrained
from landscape.correlation.rank import numbers_of
from landscape.correlation.recipe import PLAIN, Recipe
from landscape.correlation.samples import DomainPair, GroupScores
from landscape.errors import InputError
from landscape.intervals import Interval
from landscape.result_file import ResultFile
from landscape.seeding import numpy_generator

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from torch import nn

    from landscape.data import Task
    from landscape.opened import Reference
    from landscape.overrides import Changes

FORMAT = 1
_FILE = ResultFile("an association", "association", FORMAT, "python -m landscape.correlation")
Statistic = Literal["rho", "partial", "mean", "within"]


@dataclass(frozen=True)
class Association:
    """How far a learned compatibility score goes with the cosine of the gradients (FGMix paper, Appendix B).

    The plain rho is no property of the weights (see :mod:`landscape.correlation.identifiability`), so it comes with
    companions: the partial one given both gradient norms, the one within groups, and all of them for scores that
    were never trained.

    Attributes:
        pairs: one per ordered pair of source domains.
        groups: scores within groups; None for plain arrays.
        untrained: the statistics of random initialisations of S_phi; None for plain arrays.
        start: those of the run's own initialisation, one row.
        about: what was measured: data, target, model, seed, policy steps, counts, notes, provenance.
    """

    pairs: tuple[DomainPair, ...]
    groups: GroupScores | None = None
    untrained: Untrained | None = None
    start: Untrained | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def measure(
        cls,
        reference: "Reference",
        data: "Task | str | None" = None,
        *,
        network: "nn.Module | str | None" = None,
        recipe: Recipe = PLAIN,
        compute: Compute = DEFAULT,
        journal: Path | str | None = None,
        progress: bool = True,
        **changes: "Unpack[Changes]",
    ) -> "Association":
        """Compare the score of a checkpoint of FGMix (or of variant E) with the cosine of its gradients.

        For your own scores and cosines use :meth:`of`.

        Args:
            reference: a checkpoint file, ``RUN[@STEP|@swa]``, or a :class:`~landscape.checkpoint.Checkpoint`; for
                averaged weights the raw iterate beside them is taken.
            data: a :class:`~landscape.data.Task`, or the name of the data; by default the checkpoint's.
            network: a module, or a model's name.
            recipe: pairs, groups, untrained scores, which images, bootstrap samples.
            compute: device, precision, batch size of the network's forward pass; scores and cosines are in float64.
            journal: a file that keeps what has been computed; an interrupted call continues.
            progress: show a bar with the time left.
            changes: ``root``, ``target`` and so on; see :meth:`landscape.opened.Opened.open`.

        Raises:
            InputError: the score was never trained on gradients, or the data cannot be used.
        """
        from landscape.correlation.measure import measure
        from landscape.correlation.plan import Plan
        from landscape.correlation.setting import Setting

        setting = Setting.at(reference, data, network=network, progress=progress, **changes)
        return measure(Plan.of(setting, recipe), compute, journal=journal, progress=progress)

    @classmethod
    def of(
        cls,
        score: "np.ndarray | Sequence[float]",
        cosine: "np.ndarray | Sequence[float]",
        *,
        norms: "np.ndarray | None" = None,
        labels: "np.ndarray | None" = None,
        domains: tuple[str, str] = ("first", "second"),
        resamples: int = 2000,
        seed: int = 0,
    ) -> "Association":
        """The association of scores and cosines of your own, without the companions that need a network.

        Args:
            score: (n,) any score of n independent pairs of gradients.
            cosine: (n,) their cosines.
            norms: (n, 2) norms of the two gradients, for the partial correlation.
            labels: (n,) classes.
            domains: what the two sides are called.
            resamples: bootstrap samples.
            seed: of the bootstrap.

        Raises:
            InputError: arrays that do not belong together, or values that are not finite.
        """
        score, cosine = np.asarray(score, dtype=np.float64), np.asarray(cosine, dtype=np.float64)
        n = len(score) if score.ndim == 1 else -1
        expected: dict[str, tuple[np.ndarray, tuple[int, ...]]] = {"cosine": (cosine, (n,))}
        if norms is not None:
            expected["norms"] = (np.asarray(norms, dtype=np.float64), (n, 2))
        if n < 0:
            raise InputError(f"score has shape {score.shape}; expected one number for each pair, (n,).")
        if labels is not None:
            expected["labels"] = (np.asarray(labels, dtype=np.int64), (n,))
        for name, (array, shape) in {"score": (score, (n,)), **expected}.items():
            if array.shape != shape:
                raise InputError(f"{name} has shape {array.shape}; expected {shape}, as there are {n} scores.")
            if not np.isfinite(array).all():
                raise InputError(f"{name} holds values that are not finite; leave those pairs out.")
        pair = DomainPair.correlated(
            *domains,
            score=score,
            cosine=cosine,
            norms=np.full((n, 2), np.nan) if norms is None else expected["norms"][0],
            labels=np.full(n, -1) if labels is None else expected["labels"][0],
            rows=np.full((n, 2), -1),
            resamples=resamples,
            generator=numpy_generator(seed, "evaluation", "correlation", "bootstrap", *domains),
        )
        return cls((pair,), about={"notes": [], "resamples": resamples})

    @property
    def mean(self) -> float:
        """Mean of rho over the ordered pairs of domains."""
        return float(np.mean([pair.rho.value for pair in self.pairs]))

    def observed(self, statistic: Statistic) -> np.ndarray:
        """The statistic of the trained score: (P,) for ``rho`` and ``partial``, (1,) for ``mean`` and ``within``."""
        if statistic == "mean":
            return np.array([self.mean])
        if statistic == "within":
            return np.array([self.groups.within.value if self.groups else np.nan])
        return np.array([getattr(pair, statistic).value for pair in self.pairs])

    def of_untrained(self, statistic: Statistic, *, start: bool = False) -> np.ndarray:
        """The statistic of each untrained score: (K, P) or (K, 1).

        Args:
            statistic: which one.
            start: of the run's own initialisation (one row) instead.
        """
        source = self.start if start else self.untrained
        if source is None:
            return np.empty((0, len(self.observed(statistic))))
        if statistic == "within":
            return source.within[:, None]
        return source.rho.mean(1, keepdims=True) if statistic == "mean" else getattr(source, statistic)

    def places(self, statistic: Statistic = "rho") -> list[Place]:
        """Where the trained score's statistic lies among the untrained ones'; one place per value."""
        columns = self.of_untrained(statistic).T
        return [Place.of(float(seen), column) for seen, column in zip(self.observed(statistic), columns, strict=True)]

    def to_dataframe(self) -> "pd.DataFrame":
        """One row per pair of images: domains, rows, class, score, cosine and both norms."""
        import pandas as pd

        classes = self.about.get("classes")
        frames = []
        for pair in self.pairs:
            names = pair.labels if classes is None else np.array([*classes, ""], dtype=object)[pair.labels]
            frames.append(
                pd.DataFrame(
                    {
                        "first": pair.first,
                        "second": pair.second,
                        "row_first": pair.rows[:, 0],
                        "row_second": pair.rows[:, 1],
                        "class": names,
                        "score": pair.score,
                        "cosine": pair.cosine,
                        "norm_first": pair.norms[:, 0],
                        "norm_second": pair.norms[:, 1],
                    }
                )
            )
        return pd.concat(frames, ignore_index=True)

    def summary(self) -> "pd.DataFrame":
        """One row per statistic: value, 95 % interval, p, n, and its place among the untrained scores."""
        import pandas as pd

        rows = []
        for kind in ("rho", "partial"):
            estimates = [getattr(pair, kind) for pair in self.pairs]
            rows += [
                _summary_row(kind, pair.name, one, place)
                for pair, one, place in zip(self.pairs, estimates, self.places(kind), strict=True)
            ]
        if self.untrained is not None:
            only = Interval(self.mean, n=sum(map(len, self.pairs)))
            rows.append(
                _summary_row("mean of rho", f"{len(self.pairs)} pairs of domains", only, self.places("mean")[0])
            )
        if self.groups is not None:
            place = self.places("within")[0]
            rows.append(_summary_row("within groups", f"{len(self.groups)} groups", self.groups.within, place))
        return pd.DataFrame(rows)

    def plot(self) -> "Figure":
        """FGMix's figure 8: score against cosine in a panel per ordered pair of domains, and the companions."""
        from landscape.plots.correlation import plot_fig8

        return plot_fig8(self)

    def _repr_html_(self) -> str:
        from landscape.correlation.report import headline

        table = self.summary().to_html(index=False, float_format=lambda value: f"{value:.3g}", na_rep="", border=0)
        notes = "".join(f"<p>note: {html.escape(note)}</p>" for note in self.about.get("notes", ()))
        return f"<p>{html.escape(headline(self))}</p>{table}{notes}"

    def save(self, path: Path | str) -> Path:
        """Write everything to one netCDF file, atomically."""
        from landscape.correlation.archive import to_dataset

        return _FILE.write(path, to_dataset(self), {"about": dict(self.about)})

    @classmethod
    def load(cls, path: Path | str) -> "Association":
        """Read what :meth:`save` wrote.

        Raises:
            InputError: no such file, or not an association.
        """
        from landscape.correlation.archive import from_dataset

        with _FILE.reading(path) as (stored, about):
            return from_dataset(stored, about["about"])


def _summary_row(statistic: str, where: str, one: Interval, place: Place) -> dict[str, Any]:
    return {
        "statistic": statistic,
        "where": where,
        **numbers_of(one),
        "untrained_low": place.low,
        "untrained_high": place.high,
        "p_greater": place.p_greater,
        "p_two_sided": place.p_two_sided,
    }
