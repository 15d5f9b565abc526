r"""How much a loss rises around a minimum: the result for one method, its table and its picture.

No torch in here: a stored curve opens and redraws without it.

    curve = FlatnessCurve.measure(model, torch.nn.functional.cross_entropy, loader)
    curve.plot()
    curve.save("flatness.nc")
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from landscape.errors import InputError, unknown_choice
from landscape.flatness.recipe import PLAIN, Recipe, Scope, Statistic
from landscape.intervals import bootstrap_rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from torch import nn

    from landscape.flatness.comparison import Opening
    from landscape.opened import Reference

STATISTICS: dict[str, tuple[str, str]] = {
    "squared": ("E[(L(theta + gamma u) - L(theta))^2]", "nat^2"),
    "signed": ("E[L(theta + gamma u) - L(theta)]", "nat"),
    "absolute": ("E|L(theta + gamma u) - L(theta)|", "nat"),
}


@dataclass(frozen=True, eq=False)
class FlatnessCurve:
    r"""Change of the loss at a distance gamma from the weights, direction by direction.

    .. math:: E_u\big[(L(\theta + \gamma u) - L(\theta))^2\big],\qquad u \sim \mathrm{Unif}(S^{P-1}),

    over the space of parameters, without buffers (FGMix paper, Figure 5; ``signed`` is SWAD's measure).

    Attributes:
        method: what was measured.
        gamma: (G,) distances in weight space, ascending; the first is 0.
        losses: names of the L losses.
        samples: (L, G, J) change of each loss along each of J directions, in nats, with its sign; infinite where the
            loss overflowed. Exactly 0 at gamma = 0.
        base: (L,) losses at theta, in nats.
        scope: ``full``: all parameters are moved; ``classifier``: the classifier's only.
        about: data, seeds, norm of the weights, notes, provenance.
    """

    method: str
    gamma: np.ndarray
    losses: tuple[str, ...]
    samples: np.ndarray
    base: np.ndarray
    scope: Scope = "full"
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def measure(
        cls,
        subject: "nn.Module | Reference",
        loss: Callable[..., Any] | None = None,
        loader: Iterable[Any] | None = None,
        recipe: Recipe = PLAIN,
        *,
        scope: Scope = "full",
        method: str | None = None,
        progress: bool = True,
        **opening: "Unpack[Opening]",
    ) -> "FlatnessCurve":
        """Measure the curve of a module of your own, or of a checkpoint.

        A module is borrowed: it comes back with its weights, buffers and modes, also after an error. The loss is
        evaluated in evaluation mode, without gradients.

        Args:
            subject: a module; or a checkpoint, a file, ``RUN[@STEP|@swa]``, for which neither loss nor loader is
                given: network, data and losses are then those of the checkpoint.
            loss: with a loader, a function of (outputs, targets) that returns the batch's mean or a loss per example;
                without, a function of the module that returns a number, or a mapping from names to numbers.
            loader: pairs (inputs, targets), in the same order at every pass.
            recipe: gammas (without, a pilot chooses them, see :func:`~landscape.flatness.walk.choose_gammas`),
                directions, which are the same for every subject of one architecture; its scopes are not looked at.
            scope: move all parameters, or only those of ``.classifier``.
            method: what to call a module.
            progress: show a bar with the time left.
            opening: for a checkpoint, ``data``, ``network``, ``compute``, ``root`` and so on; see
                :meth:`Flatness.measure`.

        Raises:
            InputError: a loss that is random or returns no number, a checkpoint that cannot be opened, or gammas
                that make no sense.
        """
        from torch import nn

        recipe = replace(recipe, scope=(scope,))
        if isinstance(subject, nn.Module):
            if loss is None:
                raise InputError(
                    "got a module without a loss; expected measure(model, loss_function, loader), or measure(model, "
                    "loss) with a function of the model."
                )
            if opening:
                raise InputError(f"{next(iter(opening))!r} belongs to checkpoints; a module takes a loss and a loader.")
            from landscape.flatness.measure import measure_module

            return measure_module(subject, loss, loader, recipe, method=method, progress=progress)
        if loss is not None or loader is not None:
            raise InputError("a checkpoint brings its own loss and data; give a module to measure a loss of your own.")
        from landscape.flatness.comparison import Flatness

        return Flatness.measure(subject, recipe=recipe, progress=progress, **opening).curves[0]

    @property
    def directions(self) -> int:
        """Number of directions J."""
        return int(self.samples.shape[2])

    @property
    def overflowed(self) -> int:
        """Samples whose loss is not finite."""
        return int((~np.isfinite(self.samples)).sum())

    def values(self, statistic: Statistic = "squared", loss: str | None = None) -> np.ndarray:
        """(G, J) each direction's contribution to a statistic of one loss, by default the first loss.

        Raises:
            InputError: no such statistic or loss.
        """
        if statistic not in STATISTICS:
            raise unknown_choice("statistic", statistic, STATISTICS)
        if loss is not None and loss not in self.losses:
            raise unknown_choice("loss", loss, self.losses)
        changes: np.ndarray = self.samples[0 if loss is None else self.losses.index(loss)]
        if statistic == "signed":
            return changes
        return np.abs(changes) if statistic == "absolute" else changes**2

    def mean(self, statistic: Statistic = "squared", loss: str | None = None) -> np.ndarray:
        """(G,) mean over directions: the curve."""
        return np.asarray(self.values(statistic, loss).mean(1))

    def interval(self, statistic: Statistic = "squared", loss: str | None = None) -> np.ndarray:
        """(G, 2) 95 % percentile bootstrap interval of :meth:`mean` over directions (9,999 resamples).

        It describes these weights and other directions, and says nothing of other training seeds. NaN where a loss
        overflowed.
        """
        key = statistic, loss or self.losses[0]
        if key not in self._intervals:
            self._intervals[key] = bootstrap_rows(self.values(statistic, loss))
        return self._intervals[key]

    @cached_property
    def _intervals(self) -> dict[tuple[str, str], np.ndarray]:
        return {}

    def to_dataframe(self) -> "pd.DataFrame":
        """One row per loss, gamma and direction: method, scope, loss, gamma, direction, change."""
        import pandas as pd

        shape = self.samples.shape
        loss, gamma, k = np.meshgrid(np.arange(shape[0]), np.arange(shape[1]), np.arange(shape[2]), indexing="ij")
        return pd.DataFrame(
            {
                "method": self.method,
                "scope": self.scope,
                "loss": np.array(self.losses, dtype=object)[loss.ravel()],
                "gamma": self.gamma[gamma.ravel()],
                "direction": k.ravel(),
                "change": self.samples.ravel(),
            }
        )

    def summary(self, statistic: Statistic = "squared") -> "pd.DataFrame":
        """One row per loss and gamma: mean over directions, and the ends of its 95 % interval."""
        import pandas as pd

        rows = []
        for loss in self.losses:
            mean, interval = self.mean(statistic, loss), self.interval(statistic, loss)
            for g, gamma in enumerate(self.gamma):
                rows.append((self.method, self.scope, loss, gamma, mean[g], *interval[g]))
        return pd.DataFrame(rows, columns=["method", "scope", "loss", "gamma", "mean", "low", "high"])

    def plot(self, ax: "Axes | None" = None, **options: Any) -> "Axes":
        """Every direction faintly, the mean and its interval; see :func:`landscape.plots.flatness.plot_curve`."""
        from landscape.plots.flatness import plot_curve

        return plot_curve(self, ax=ax, **options)

    def save(self, path: Path | str) -> Path:
        """Write the curve to one netCDF file, atomically."""
        from landscape.flatness.comparison import Flatness

        return Flatness((self,), self.about).save(path)

    @classmethod
    def load(cls, path: Path | str) -> "FlatnessCurve":
        """Read what :meth:`save` wrote.

        Raises:
            InputError: no such file, no curve, or several of them.
        """
        from landscape.flatness.comparison import Flatness

        flatness = Flatness.load(path)
        if len(flatness.curves) != 1:
            raise InputError(f"{path} holds {len(flatness.curves)} curves; open it with Flatness.load.")
        return flatness.curves[0]

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        from landscape.flatness.comparison import Flatness

        return Flatness((self,), self.about)._repr_html_()
