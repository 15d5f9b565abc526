"""Toy domains in the plane, and a classifier trained on them without mixup, with interpolation, with extrapolation.

What FGMix's Figure 1 draws, computed. One world has three source domains and a target domain of two classes:

- a source's centre is normal around the origin; the target's centre lies in a uniformly random direction, beyond
  the hull of the sources' centres in that direction;
- the two class means of a domain lie on opposite sides of its centre, along a common axis that turns by a random
  angle from domain to domain, the target included; codes are normal around their class mean.

Nothing in this favours a method: the target may lie where its classes continue those of the sources, or where they
collide with them. The same Dirichlet weights serve interpolation (Eq. 1) and, through Eq. 5, extrapolation.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.spatial import ConvexHull
from torch import Tensor

from landscape.fgmix import dirichlet_weights, extrapolated, mix_codes, sample_groups, scale_and_shift
from landscape.seeding import numpy_generator, torch_generator

WAYS = ("no mixup", "interpolation", "extrapolation")
SOURCES, CLASSES = 3, 2


@dataclass(frozen=True)
class Setting:
    """How the worlds are made and the classifiers trained. Lengths are in the plane's own unit."""

    worlds: int = 200
    per_class: int = 16
    """Source codes of each domain and class."""
    target_per_class: int = 200
    spread: float = 1.0
    """Standard deviation of the source centres, per axis."""
    separation: float = 1.5
    """Distance of a class mean from its domain's centre."""
    turn: float = 20.0
    """Standard deviation of the class axis' angle between domains, in degrees."""
    noise: float = 0.35
    """Standard deviation of the codes around their class mean, per axis."""
    beyond: tuple[float, float] = (0.5, 2.5)
    """The target's centre lies this far outside the hull of the source centres (uniform)."""
    codes: int = 96
    """Mixup codes of a world, M."""
    concentration: float = 1.0
    """Of the Dirichlet weights."""
    scale: float = 3.0
    """lambda of Eq. 5."""
    hidden: int = 16
    """Hidden units of the classifier, a two-layer ReLU network."""
    steps: int = 200
    lr: float = 0.03


@dataclass(frozen=True)
class World:
    """One draw: source, target and mixup codes in the plane, and the three classifiers' decisions."""

    index: int
    sources: np.ndarray
    """(3, N, 2) source codes."""
    source_labels: np.ndarray
    """(3, N)"""
    target: np.ndarray
    """(T, 2)"""
    target_labels: np.ndarray
    """(T,)"""
    mixed: tuple[np.ndarray, np.ndarray]
    """Mixup codes (M, 2) of interpolation and of extrapolation."""
    mixed_labels: np.ndarray
    """(M,)"""
    x: np.ndarray
    y: np.ndarray
    decisions: np.ndarray
    """(3, len(y), len(x)) probability of the second class, for each of :data:`WAYS`."""
    accuracy: np.ndarray
    """(3,) on the target."""


@dataclass(frozen=True)
class Outcome:
    """Target accuracy of every world under each way of training."""

    setting: Setting
    accuracy: np.ndarray
    """(R, 3), columns as :data:`WAYS`; classes are even, so it is balanced accuracy as well."""
    source_accuracy: np.ndarray
    """(R, 3) on the training codes."""
    angle: np.ndarray
    """(R,) between the target's direction and the class axis, 0 to 90 degrees."""
    outside: np.ndarray
    """(R,) share of the target's codes outside the hull of the source codes of their class."""
    extrapolated: float
    """Share of the codes of extrapolation with a negative weight."""
    shown: tuple[World, ...]
    """The first world, that of the largest gain of extrapolation over interpolation, that of the largest loss."""

    @property
    def gain(self) -> np.ndarray:
        """(R, 2) target accuracy of extrapolation less that of training without mixup, and of interpolation."""
        return self.accuracy[:, 2:] - self.accuracy[:, :2]


def simulate(setting: Setting, *, seed: int) -> Outcome:
    """Draw the worlds, train the classifiers, evaluate them on the targets.

    All worlds train at once, full batch, with Adam on Eq. 2. The three classifiers of a world start alike.

    Args:
        setting: sizes.
        seed: trial seed. World i is the same whatever the number of worlds.
    """
    draws = [_draw(setting, numpy_generator(seed, "evaluation", "plane", index)) for index in range(setting.worlds)]
    codes, labels, target, target_labels, angle, outside = (
        torch.from_numpy(np.stack(parts)) for parts in zip(*draws, strict=True)
    )
    mixing = [
        _mix(setting, codes[index], labels[index], numpy_generator(seed, "policy", "plane", index))
        for index in range(setting.worlds)
    ]
    inner, outer, mixed_labels, beyond = (torch.stack(parts) for parts in zip(*mixing, strict=True))
    start = _initial(setting, seed)
    pooled, marks = codes.flatten(1, 2), labels.flatten(1, 2)
    trained = [
        _train(setting, start, pooled, marks),
        _train(setting, start, torch.cat([pooled, inner], 1), torch.cat([marks, mixed_labels], 1)),
        _train(setting, start, torch.cat([pooled, outer], 1), torch.cat([marks, mixed_labels], 1)),
    ]
    accuracy = np.stack([_accuracy(each, target, target_labels) for each in trained], 1)
    gain = accuracy[:, 2] - accuracy[:, 1]

    def world(index: int) -> World:
        x, y, grid = _grid(torch.cat([pooled[index], target[index], outer[index]]))
        return World(
            index=index,
            sources=codes[index].numpy(),
            source_labels=labels[index].numpy(),
            target=target[index].numpy(),
            target_labels=target_labels[index].numpy(),
            mixed=(inner[index].numpy(), outer[index].numpy()),
            mixed_labels=mixed_labels[index].numpy(),
            x=x.numpy(),
            y=y.numpy(),
            decisions=np.stack(
                [
                    _logits([tensor[index : index + 1] for tensor in each], grid[None])[0]
                    .softmax(-1)[:, 1]
                    .reshape(len(y), len(x))
                    .numpy()
                    for each in trained
                ]
            ),
            accuracy=accuracy[index],
        )

    return Outcome(
        setting=setting,
        accuracy=accuracy,
        source_accuracy=np.stack([_accuracy(each, pooled, marks) for each in trained], 1),
        angle=angle.numpy(),
        outside=outside.numpy(),
        extrapolated=float(beyond.double().mean()),
        shown=tuple(world(index) for index in (0, int(gain.argmax()), int(gain.argmin()))),
    )


def _draw(setting: Setting, generator: np.random.Generator) -> tuple[np.ndarray | np.float64, ...]:
    """Source codes (3, 2 n, 2) and labels, target codes and labels, the target's angle, its share outside the hulls."""
    turns = np.radians(generator.normal(0, setting.turn, SOURCES + 1))
    centres = generator.normal(0, setting.spread, (SOURCES, 2))
    sources = [
        _domain(setting, centre, turn, setting.per_class, generator)
        for centre, turn in zip(centres, turns[:-1], strict=True)
    ]
    codes, labels = (np.stack(parts) for parts in zip(*sources, strict=True))
    bearing = generator.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(bearing), np.sin(bearing)])
    distance = _reach(centres, direction) + generator.uniform(*setting.beyond)
    target = _domain(setting, centres.mean(0) + distance * direction, turns[-1], setting.target_per_class, generator)
    inside = [_inside(codes[labels == each], target[0][target[1] == each]) for each in range(CLASSES)]
    # The class axis is the plane's first one, up to the turns.
    angle = np.degrees(np.arccos(abs(direction[0])))
    return codes, labels, *target, np.float64(angle), np.float64(1 - np.concatenate(inside).mean())


def _reach(points: np.ndarray, direction: np.ndarray) -> float:
    """How far the hull of the points reaches from their mean in a direction."""
    # Facets are normal . z + offset <= 0: the ray leaves the hull at the first facet that it meets.
    facets = ConvexHull(points).equations
    speed, room = facets[:, :2] @ direction, -(facets[:, :2] @ points.mean(0) + facets[:, 2])
    return float((room[speed > 0] / speed[speed > 0]).min())


def _inside(points: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Which codes lie in the hull of the points."""
    facets = ConvexHull(points.astype(np.float64)).equations
    return (codes @ facets[:, :2].T + facets[:, 2] <= 0).all(1)


def _domain(
    setting: Setting, centre: np.ndarray, turn: float, per_class: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat(np.arange(CLASSES), per_class)
    axis = setting.separation * np.array([np.cos(turn), np.sin(turn)])
    means = centre + np.where(labels[:, None] == 0, -axis, axis)
    return (means + generator.normal(0, setting.noise, means.shape)).astype(np.float32), labels


def _mix(
    setting: Setting, codes: Tensor, labels: Tensor, generator: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mixup codes of interpolation and of extrapolation, of the same groups and weights (Eqs. 1 and 5)."""
    groups = sample_groups(labels, count=setting.codes, generator=generator)
    weights = dirichlet_weights(len(groups), groups.size, setting.concentration, generator)
    scaled = scale_and_shift(weights, setting.scale)
    pooled = codes.flatten(0, 1)
    inner, outer = (mix_codes(pooled, groups.rows, each) for each in (weights, scaled))
    return inner, outer, groups.labels, extrapolated(scaled)


def _initial(setting: Setting, seed: int) -> list[Tensor]:
    """Weights of all worlds' classifiers, drawn like those of ``nn.Linear``."""
    layers = []
    for index in range(setting.worlds):
        generator = torch_generator(seed, "model", "plane", index)
        bounds = (2**-0.5, 2**-0.5, setting.hidden**-0.5, setting.hidden**-0.5)
        shapes = ((2, setting.hidden), (1, setting.hidden), (setting.hidden, CLASSES), (1, CLASSES))
        layers.append(
            [
                bound * (2 * torch.rand(shape, generator=generator) - 1)
                for bound, shape in zip(bounds, shapes, strict=True)
            ]
        )
    return [torch.stack(parts) for parts in zip(*layers, strict=True)]


def _logits(parameters: list[Tensor], codes: Tensor) -> Tensor:
    """(R, N, 2) codes -> (R, N, 2) logits, each world by its own classifier."""
    first, bias, second, shift = parameters
    return torch.baddbmm(shift, torch.baddbmm(bias, codes, first).relu(), second)


def _accuracy(parameters: list[Tensor], codes: Tensor, labels: Tensor) -> np.ndarray:
    right: np.ndarray = (_logits(parameters, codes).argmax(-1) == labels).double().mean(1).numpy()
    return right


def _train(setting: Setting, start: list[Tensor], inputs: Tensor, classes: Tensor) -> list[Tensor]:
    parameters = [tensor.clone().requires_grad_() for tensor in start]
    optimizer = torch.optim.Adam(parameters, lr=setting.lr)
    for _ in range(setting.steps):
        logits = _logits(parameters, inputs)
        each = F.cross_entropy(logits.flatten(0, 1), classes.flatten(), reduction="none")
        optimizer.zero_grad()
        # Mean over a world's codes, sum over worlds: every classifier has the gradient of its own loss.
        (each.sum() / inputs.shape[1]).backward()
        optimizer.step()
    return [tensor.detach() for tensor in parameters]


def _grid(
    shown: Tensor, *, count: int = 161, ratio: float = 0.75, margin: float = 0.3
) -> tuple[Tensor, Tensor, Tensor]:
    """Axes of the decision regions and their points (len(y) len(x), 2), in a window of one shape around the codes."""
    low, high = shown.min(0).values - margin, shown.max(0).values + margin
    width = float(torch.maximum(high[0] - low[0], (high[1] - low[1]) / ratio))
    middle = (low + high) / 2
    x = middle[0] + torch.linspace(-0.5, 0.5, count) * width
    y = middle[1] + torch.linspace(-0.5, 0.5, round(ratio * count)) * ratio * width
    yy, xx = torch.meshgrid(y, x, indexing="ij")
    return x, y, torch.stack([xx.flatten(), yy.flatten()], -1)
