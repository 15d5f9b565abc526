"""The losses of a checkpoint: the paper's, which differ between methods, and the same for every method."""

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from landscape.checkpoint import Checkpoint
from landscape.compute import DEFAULT, Compute
from landscape.errors import InputError
from landscape.fgmix import mix_codes
from landscape.flatness.directions import Direction
from landscape.flatness.probe import HeadProbe, Point
from landscape.flatness.setting import Setting
from landscape.mixture import Mixture
from landscape.opened import same_file
from landscape.weights import norm

# Names of the losses, in the order of the results.
ORIGINAL, OWN, SHARED = "original", "own", "shared"


class Losses:
    """Evaluates the training losses of the checkpoints of a setting, all of them from one forward pass.

    - ``original``: the mean cross entropy of the training images.
    - ``own``: what the paper's Figure 5 takes: for ERM the same, for a method with mixup the mean over the images and
      its own mixup codes, pooled as in Eq. 2. Two methods' curves are then of two different losses.
    - ``shared``: images and one fixed set of groups, whose weights were frozen at one checkpoint (`setting.groups`).

    Mixup codes are made anew at every point from that point's own latent codes; groups and weights stay.
    Without any mixup policy there is only ``original``.

    Args:
        setting: checkpoints, policies and images.
        compute: device, precision, batch size; the precision is resolved.
    """

    def __init__(self, setting: Setting, compute: Compute = DEFAULT) -> None:
        self.setting = setting
        self.evaluator = setting.evaluator(compute, setting.images)
        self._notes: list[str] = []
        self.shared: Mixture | None = None
        if setting.groups is not None:
            try:
                self.shared = self._frozen(setting.groups)
            except InputError as error:
                self._notes.append(f"losses with mixup codes are left out: {error}")
        self.names: tuple[str, ...] = (ORIGINAL,) if self.shared is None else (ORIGINAL, OWN, SHARED)

    @property
    def notes(self) -> list[str]:
        """What was not done as asked, in sentences; those on memory come while points are evaluated."""
        return [*self.evaluator.notes, *self._notes]

    def own(self, index: int) -> Mixture | None:
        """The groups and weights of a method's own mixup; None for ERM, or where there are no mixup codes at all."""
        policy = self.setting.policies[index]
        if self.shared is None or policy is None:
            return None
        return self.shared if same_file(policy, self.setting.groups) else self._frozen(policy)

    def _frozen(self, policy: Checkpoint) -> Mixture:
        network, evaluator = self.setting.network, self.evaluator
        evaluator.classifier  # noqa: B018 (asks whether there are latent codes at all)
        predictions = evaluator.at(policy.weights(network), policy.buffers(network), codes=True)
        assert predictions.codes is not None
        return Mixture.frozen(self.setting.task, predictions.rows, predictions.codes, evaluator.classifier, policy)


class FullProbe:
    """One checkpoint in the space of all its parameters (see :class:`~landscape.flatness.probe.Probe`).

    Args:
        losses: the losses.
        index: which checkpoint of their setting.
        seed: of the directions.
    """

    def __init__(self, losses: Losses, index: int, *, seed: int = 0) -> None:
        self._losses, self._seed = losses, seed
        network, checkpoint = losses.setting.network, losses.setting.checkpoints[index]
        device = losses.evaluator.device
        theta = checkpoint.weights(network)
        self.norm = norm(theta)
        self._theta = {name: tensor.to(device) for name, tensor in theta.items()}
        self._buffers = checkpoint.buffers(network)
        self._index = index
        self.losses: tuple[str, ...] = losses.names
        self.size = sum(tensor.numel() for tensor in theta.values())
        self._dtype = torch.float64 if losses.evaluator.precision == "fp64" else torch.float32

    @cached_property
    def own(self) -> Mixture | None:
        """The method's own mixup, made when it is first needed."""
        return self._losses.own(self._index)

    def base(self) -> np.ndarray:
        """(L,) losses at theta."""
        return self._at(self._theta)

    def at(
        self, directions: Sequence[int], gammas: Sequence[float], done: Collection[Point] = ()
    ) -> Iterator[tuple[Point, np.ndarray]]:
        """See :class:`~landscape.flatness.probe.Probe`; one direction is held at a time."""
        for k in directions:
            left = [g for g in range(len(gammas)) if (k, g) not in done]
            if left:
                direction = Direction.draw(self._theta, k, seed=self._seed)
            for g in left:
                yield (k, g), self._at(direction.step(self._theta, gammas[g], self._dtype))

    def _at(self, weights: dict[str, Tensor]) -> np.ndarray:
        evaluator, shared = self._losses.evaluator, self._losses.shared
        own = self.own  # before the evaluator holds this point's weights
        predictions = evaluator.at(weights, self._buffers, codes=shared is not None)
        total, n = float(predictions.loss.sum()), len(predictions)
        codes = predictions.codes
        if shared is None or codes is None:
            return np.array([total / n])

        def pooled(mixture: Mixture | None) -> float:
            if mixture is None:
                return total / n
            mixed = mixture.loss(codes, evaluator.classifier)
            # Eq. 2 with n originals and M codes: the mean over both together.
            return (total + float(mixed.sum())) / (n + len(mixed))

        common = pooled(shared)
        return np.array([total / n, common if own is shared else pooled(own), common])


def head_probe(losses: Losses, index: int, own: Mixture | None, *, seed: int = 0) -> HeadProbe:
    """One checkpoint in the space of its classifier's parameters, over its latent codes.

    Args:
        losses: the losses.
        index: which checkpoint of their setting.
        own: the method's own mixup.
        seed: of the directions.

    Raises:
        InputError: the network has no classifier of its own.
    """
    evaluator, network = losses.evaluator, losses.setting.network
    checkpoint = losses.setting.checkpoints[index]
    classifier: nn.Module = evaluator.classifier
    predictions = evaluator.at(checkpoint.weights(network), checkpoint.buffers(network), codes=True)
    assert predictions.codes is not None
    # Apple's GPUs have no float64.
    home = torch.device("cpu") if evaluator.device.type == "mps" else evaluator.device
    codes = predictions.codes.to(home, torch.float64)
    images = slice(0, len(codes))
    everything, labels = [codes], [evaluator.labels.to(home)]
    members: dict[str, list[slice]] = {name: [images] for name in losses.names}
    start = len(codes)
    for name, mixture in ((OWN, own), (SHARED, losses.shared)):
        if name in members and mixture is not None:
            everything.append(mix_codes(codes, mixture.rows.to(home), mixture.weights.to(home).double()))
            labels.append(mixture.labels.to(home))
            members[name].append(slice(start, start + len(mixture)))
            start += len(mixture)
    return HeadProbe(classifier, torch.cat(everything), torch.cat(labels), members, seed=seed)


def about_mixture(mixture: Mixture | None, policy: Checkpoint | None) -> dict[str, Any] | None:
    """What a caption says of a mixture."""
    if mixture is None or policy is None or policy.config is None:
        return None
    return {
        "policy": policy.label,
        "algorithm": policy.config.algorithm,
        "codes": len(mixture),
        "skipped": mixture.skipped,
        "extrapolated": mixture.extrapolated,
    }
