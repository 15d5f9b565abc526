"""Latent codes computed once, for points that differ in the classifier only."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from landscape.errors import InputError
from landscape.evaluation.evaluator import Evaluator
from landscape.evaluation.predictions import Predictions
from landscape.evaluation.span import Point

_PREFIX = "classifier."
# Logits held at a time.
_BUDGET = 2**24


class FrozenFeatures:
    """Evaluates points of a span whose directions move nothing but the classifier, exactly.

    The latent codes are the origin's. Of a linear classifier ``W z + b`` many points at a time are one matrix
    product; any other one is run at each point.

    Args:
        evaluator: of the images; it is left at the span's origin.
        origin: ``theta_1``, all parameters by name.
        directions: ``e_1`` and, on a plane, ``e_2``.
        buffers: of the origin.

    Raises:
        InputError: a direction moves another parameter, or the network has no latent codes.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        origin: Mapping[str, Tensor],
        directions: Sequence[Mapping[str, Tensor]],
        buffers: Mapping[str, Tensor] | None = None,
    ) -> None:
        moved = next((name for name in origin if _moves(directions, name) and not name.startswith(_PREFIX)), None)
        if moved is not None:
            raise InputError(f"{moved!r} changes between the points; only the classifier may when features are kept.")
        first = evaluator.at(origin, buffers, codes=True)
        assert first.codes is not None
        self.rows, self.codes, self._evaluator = first.rows, first.codes, evaluator
        self._labels = evaluator.labels
        self.classifier = evaluator.classifier
        self._dtype = next((p.dtype for p in self.classifier.parameters()), self.codes.dtype)
        self._base, *self._moves = [_classifier_part(each) for each in (origin, *directions)]
        self._queue: dict[tuple[float, float], int] = {}
        self._done: dict[tuple[float, float], tuple[np.ndarray, np.ndarray]] = {}

    @staticmethod
    def fits(directions: Sequence[Mapping[str, Tensor]]) -> bool:
        """Whether the directions move nothing but the classifier."""
        return all(name.startswith(_PREFIX) or not _moves(directions, name) for name in directions[0])

    def at(
        self,
        weights: Mapping[str, Tensor] | Point | None = None,
        buffers: Mapping[str, Tensor] | None = None,
        *,
        codes: bool = False,
    ) -> Predictions:
        """Loss and correctness of every image at a point, as :meth:`Evaluator.at` gives them.

        Weights that are no point of a span are evaluated the ordinary way.
        """
        if not isinstance(weights, Point):
            return self._evaluator.at(weights, buffers, codes=codes)
        key = (weights.x, weights.y)
        if key not in self._done:
            self._compute(key)
        self._load(*key)
        loss, correct = self._done[key]
        return Predictions(self.rows, loss, correct, self.codes if codes else None)

    def expect(self, points: Sequence[tuple[float, float]]) -> None:
        """Say which points will be asked for, in order: those that follow one are computed along with it."""
        self._queue = {point: place for place, point in enumerate(points)}

    @torch.no_grad()
    def _compute(self, key: tuple[float, float]) -> None:
        linear = isinstance(self.classifier, nn.Linear) and type(self.classifier) is nn.Linear
        outputs = self.classifier.out_features if isinstance(self.classifier, nn.Linear) else 1
        size = max(1, _BUDGET // max(len(self.rows) * outputs, 1)) if linear else 1
        place = self._queue.get(key)
        # Blocks begin where they would without an interruption: a product of another shape may round otherwise.
        first = 0 if place is None else place - place % size
        block = [key] if place is None else list(self._queue)[first : first + size]
        self._done = {}
        for point, logits in zip(block, self._logits(block, linear), strict=True):
            loss = F.cross_entropy(logits.double(), self._labels, reduction="none")
            correct = (logits.argmax(1) == self._labels) & ~loss.isnan()
            self._done[point] = loss.cpu().numpy(), correct.cpu().numpy()

    def _logits(self, points: list[tuple[float, float]], linear: bool) -> Tensor:
        """(P, n, K)."""
        codes = self.codes.to(self._dtype)
        if not linear:
            self._load(*points[0])
            return torch.as_tensor(self.classifier(codes))[None]
        stacked = [self._weights(*point) for point in points]
        weight = torch.stack([each["weight"] for each in stacked]).to(codes)
        logits = codes @ weight.flatten(0, 1).T
        logits = logits.unflatten(1, weight.shape[:2]).movedim(1, 0)
        if "bias" in stacked[0]:
            logits = logits + torch.stack([each["bias"] for each in stacked]).to(codes)[:, None]
        return logits

    def _weights(self, x: float, y: float) -> dict[str, Tensor]:
        return {
            name: sum((c * move[name] for c, move in zip((x, y), self._moves, strict=False)), start=base)
            for name, base in self._base.items()
        }

    @torch.no_grad()
    def _load(self, x: float, y: float) -> None:
        weights = self._weights(x, y)
        for name, parameter in self.classifier.named_parameters():
            parameter.copy_(weights[name])


def _moves(directions: Sequence[Mapping[str, Tensor]], name: str) -> bool:
    return any(bool(direction[name].any()) for direction in directions)


def _classifier_part(vector: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(_PREFIX): tensor.detach().double()
        for name, tensor in vector.items()
        if name.startswith(_PREFIX)
    }
