"""Something whose loss can be asked at ``theta + gamma u``: a user's module, or a classifier over fixed codes.

A probe answers with absolute losses; what a curve shows is their difference from the loss at theta.
"""

import copy
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap

from landscape.errors import InputError
from landscape.evaluation.own_loss import ModelLoss
from landscape.flatness.directions import Direction
from landscape.weights import Lent, norm, weights_of

Point = tuple[int, int]
"""Number of the direction, position of gamma."""

_BUDGET = 2**26  # numbers held at a time while directions are evaluated together


class Probe(Protocol):
    """Losses at points of weight space around one point theta."""

    losses: tuple[str, ...]
    """Names of the L losses."""
    size: int
    """Number of coordinates that are moved."""
    norm: float
    """Euclidean norm of these coordinates at theta."""

    def base(self) -> np.ndarray:
        """(L,) losses at theta."""

    def at(
        self, directions: Sequence[int], gammas: Sequence[float], done: Collection[Point] = ()
    ) -> Iterator[tuple[Point, np.ndarray]]:
        """(L,) losses at every ``theta + gammas[g] u_k`` that is not done, with (k, g)."""


class ModuleProbe:
    """A user's own module while it is borrowed: its parameters are written in place.

    Args:
        model: any module, on any device.
        lent: what :func:`landscape.weights.borrowed` keeps of it.
        loss: from the module to its loss. It is called in evaluation mode, without gradients.
        seed: of the directions.
        only: beginning of the names of the parameters to move (``classifier``); empty: all.

    Raises:
        InputError: no such parameters, or a loss that is not finite or differs between two calls.
    """

    def __init__(self, model: nn.Module, lent: Lent, loss: ModelLoss, *, seed: int = 0, only: str = "") -> None:
        self._model, self._lent, self._loss, self._seed = model, lent, loss, seed
        moved = {name: p.detach() for name, p in model.named_parameters() if name.startswith(only)}
        if not moved:
            raise InputError(f"{type(model).__name__} has no parameters {only and f'below {only!r} '}to move.")
        self._moved = moved
        self._theta = {name: lent.weights[name] for name in moved}
        self.size = sum(tensor.numel() for tensor in moved.values())
        self.norm = norm(self._theta)
        first, second = self._evaluate(), self._evaluate()
        if wrong := [f"{name} {value}" for name, value in first.items() if not math.isfinite(value)]:
            raise InputError(f"at the module's own weights {', '.join(wrong)}; expected finite losses to compare with.")
        if first != second:
            raise InputError(
                f"the loss is random: two calls at the same weights gave {first} and {second}; expected a fixed order "
                "of fixed data (no augmentation, no shuffling)."
            )
        self.losses = tuple(first)
        self._base = np.array(list(first.values()), dtype=np.float64)

    def base(self) -> np.ndarray:
        """(L,) losses at theta."""
        return self._base

    def at(
        self, directions: Sequence[int], gammas: Sequence[float], done: Collection[Point] = ()
    ) -> Iterator[tuple[Point, np.ndarray]]:
        """See :class:`Probe`; theta is back in place whenever this stops."""
        try:
            for k in directions:
                left = [g for g in range(len(gammas)) if (k, g) not in done]
                if not left:
                    continue
                direction = Direction.draw(self._theta, k, seed=self._seed)
                for g in left:
                    with torch.no_grad():
                        direction.write(self._theta, gammas[g], self._moved)
                    yield (k, g), np.array(list(self._evaluate().values()), dtype=np.float64)
        finally:
            self._lent.put_back()

    def _evaluate(self) -> dict[str, float]:
        self._model.eval()
        # An autocast of the caller's keeps casts of weights, which have changed in place.
        torch.clear_autocast_cache()
        with torch.no_grad():
            value = self._loss(self._model)
        values = value if isinstance(value, Mapping) else {"loss": value}
        try:
            return {str(name): float(number) for name, number in values.items()}
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(
                f"the loss returned {type(value).__name__}; expected a number, or a mapping from names to numbers."
            ) from error


class HeadProbe:
    """The classifier alone, over latent codes that stay what they are.

    The codes are computed once; every direction is then a product of the codes with its own classifier, and many
    directions are one batched product. Exact, in float64.

    Args:
        classifier: from codes to logits; a copy is used.
        codes: (N, D) latent codes, originals and mixup codes in one.
        labels: (N,) their classes.
        losses: which codes each loss is the mean over: name -> slices of the N codes.
        seed: of the directions.
    """

    def __init__(
        self,
        classifier: nn.Module,
        codes: Tensor,
        labels: Tensor,
        losses: Mapping[str, Sequence[slice]],
        *,
        seed: int = 0,
    ) -> None:
        home = torch.device("cpu") if codes.device.type == "mps" else codes.device
        self._classifier = copy.deepcopy(classifier).to(home, torch.float64).eval().requires_grad_(False)
        self._codes, self._labels = codes.to(home, torch.float64), labels.to(home)
        self._members, self._seed = dict(losses), seed
        self._theta = {name: p.detach() for name, p in self._classifier.named_parameters()}
        self.losses = tuple(losses)
        self.size = sum(tensor.numel() for tensor in self._theta.values())
        self.norm = norm(weights_of(self._classifier))

    def base(self) -> np.ndarray:
        """(L,) losses at theta."""
        stacked = {name: tensor[None] for name, tensor in self._theta.items()}
        result: np.ndarray = self._losses(stacked)[0]
        return result

    def at(
        self, directions: Sequence[int], gammas: Sequence[float], done: Collection[Point] = ()
    ) -> Iterator[tuple[Point, np.ndarray]]:
        """See :class:`Probe`."""
        left = [k for k in directions if any((k, g) not in done for g in range(len(gammas)))]
        chunk = max(1, _BUDGET // max(self._codes.numel(), self.size))
        for start in range(0, len(left), chunk):
            some = left[start : start + chunk]
            drawn = [Direction.draw(self._theta, k, seed=self._seed) for k in some]
            for g, gamma in enumerate(gammas):
                moved = [direction.step(self._theta, gamma, torch.float64) for direction in drawn]
                values = self._losses({name: torch.stack([point[name] for point in moved]) for name in self._theta})
                for k, value in zip(some, values, strict=True):
                    if (k, g) not in done:
                        yield (k, g), value

    @torch.no_grad()
    def _losses(self, stacked: Mapping[str, Tensor]) -> np.ndarray:
        """(J, L) losses of J classifiers."""

        def each(parameters: dict[str, Tensor]) -> Tensor:
            logits = functional_call(self._classifier, parameters, (self._codes,))
            return F.cross_entropy(logits, self._labels, reduction="none")

        values = vmap(each)(dict(stacked)).cpu().numpy()
        result = np.empty((len(values), len(self.losses)))
        for i, parts in enumerate(self._members.values()):
            count = sum(values[:, part].shape[1] for part in parts)
            result[:, i] = sum(values[:, part].sum(1) for part in parts) / count
        return result
