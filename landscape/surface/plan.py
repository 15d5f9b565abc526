"""Which points of weight space a surface needs: the plane, the paths on it, the grid around them."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from landscape.checkpoint import Checkpoint
from landscape.data.strata import stratified
from landscape.errors import InputError
from landscape.evaluation.batches import batches_of
from landscape.hardware import resolve_device
from landscape.opened import same_file
from landscape.storage import digest
from landscape.surface.directions import Load, hessian_plane, pca_plane, random_plane
from landscape.surface.grid import Grid
from landscape.surface.plane import Plane
from landscape.surface.recipe import EVERYWHERE, PLAIN, Recipe, Where
from landscape.surface.setting import RecordedPath, Setting
from landscape.surface.surface import FORMAT
from landscape.surface.trajectory import Trajectory
from landscape.weights import Weights

LABELS = ("w1", "w2", "w3")


@dataclass(frozen=True)
class End:
    """The last point of a path that is no anchor.

    Attributes:
        trajectory: its path.
        checkpoint: where its weights are.
    """

    trajectory: Trajectory
    checkpoint: Checkpoint


@dataclass(frozen=True)
class Plan:
    """What is going to be evaluated.

    Attributes:
        setting: network, data and checkpoints.
        plane: through the three anchors.
        trajectories: the paths, projected.
        ends: their last points, as far as they are no anchors.
        grid: contains paths and anchors.
        recipe: what else the values depend on.
    """

    setting: Setting
    plane: Plane
    trajectories: tuple[Trajectory, ...]
    ends: tuple[End, ...]
    grid: Grid
    recipe: Recipe = PLAIN

    @classmethod
    def of(
        cls,
        setting: Setting,
        where: Where = EVERYWHERE,
        recipe: Recipe = PLAIN,
        *,
        device: str = "auto",
        keep: Path | None = None,
        progress: bool = True,
    ) -> "Plan":
        """Span the plane, project the paths, lay the grid around them.

        Args:
            setting: three checkpoints, or one for a plane of directions around it.
            where: points along each axis, and their range.
            recipe: what spans the plane, and what else the values depend on.
            device: where to differentiate, for the Hessian.
            keep: a file that keeps the Hessian's eigenvectors, so that the next call with the same inputs finds them.
            progress: show a bar.

        Raises:
            InputError: the checkpoints do not fit the network, or span no plane.
        """
        plane = _plane(setting, recipe, device, keep)
        anchors = {checkpoint.path.resolve() for checkpoint in setting.checkpoints if checkpoint.path}
        trajectories, ends = [], []
        total = sum(len(path.points) for path in setting.paths)
        with tqdm(total=total, desc="paths", unit="point", disable=not (progress and total)) as bar:
            for path in setting.paths:
                trajectory = Trajectory.of(plane, _points(path, setting, bar), label=path.label, kind=path.kind)
                trajectories.append(trajectory)
                if (last := path.points[-1][1]).resolve() not in anchors:
                    ends.append(End(trajectory, Checkpoint.load(last)))
        on_plane = [xy for path in trajectories for xy in zip(path.x.tolist(), path.y.tolist(), strict=True)]
        corners = [(-plane.reach, -plane.reach), (plane.reach, plane.reach)] if plane.reach else []
        if corners:  # paths are nearly orthogonal to these directions, and the reach is what was asked for
            on_plane, where = [], where.within(0.0)
        grid = Grid.around([*plane.anchors, *on_plane, *corners], where)
        return cls(setting, plane, tuple(trajectories), tuple(ends), grid, recipe)

    @property
    def evaluations(self) -> int:
        """Passes over the data: grid points, anchors, and path ends with their projections; at most, if adaptive."""
        extra = 1 if self.weighs_apart else 0
        return len(self.grid) + len(self.setting.checkpoints) + 2 * len(self.ends) + extra

    @property
    def outside(self) -> tuple[str, ...]:
        """Anchors and paths that the grid does not contain; only a range that was given leaves one out."""
        named = zip(LABELS, self.plane.anchors, strict=False)
        anchors = [label for label, xy in named if not self.grid.contains(*xy)]
        paths = [
            f"part of the path of {path.name}"
            for path in self.trajectories
            if not all(self.grid.contains(x, y) for x, y in zip(path.x, path.y, strict=True))
        ]
        return (*anchors, *paths)

    @property
    def weighs_apart(self) -> bool:
        """Whether the checkpoint whose policy weighs the mixup is neither an anchor nor the end of a path."""
        policy = self.setting.policy
        if policy is None:
            return False
        known = [*self.setting.checkpoints, *(end.checkpoint for end in self.ends)]
        return not any(same_file(policy, other) for other in known)

    def digest(self) -> str:
        """A hash of all inputs of the values, the grid included."""
        grid: tuple[bytes, ...] = (self.grid.x.tobytes(), self.grid.y.tobytes())
        kind = () if self.plane.kind == "through" else (self.plane.kind, *_images_of(self.plane))
        # The same inputs give eigenvectors to rounding only.
        axes = (self.plane.e1, self.plane.e2) if self.plane.kind == "hessian" else ()
        grid += tuple(tensor.numpy().tobytes() for axis in axes for tensor in axis.values())
        return digest(str(FORMAT), self.setting.digest(), *grid, *kind, *self.recipe.words())


class Buffers:
    """Buffers, such as running statistics of batch norm, at the points of a plane.

    Frozen ones are the same everywhere. Those of networks that were trained without freezing differ between
    the anchors: they are interpolated like the weights, and clamped to the range of the anchors' values (a
    variance must not fall below zero), so that every anchor keeps its own.
    """

    def __init__(self, plane: Plane, anchors: tuple[Mapping[str, Tensor], ...]) -> None:
        self._plane = plane
        self._anchors = [
            {name: tensor for name, tensor in buffers.items() if tensor.is_floating_point()} for buffers in anchors
        ]
        first, *others = self._anchors
        self.vary = any(
            other.keys() != first.keys() or any(not torch.equal(first[name], other[name]) for name in first)
            for other in others
        )

    def at(self, x: float, y: float) -> dict[str, Tensor]:
        """The buffers at a point."""
        first, *_ = self._anchors
        if not self.vary:
            return first
        shares = self._plane.barycentric(x, y)
        result = {}
        for name in first:
            values = torch.stack([buffers[name].double() for buffers in self._anchors])
            mixed = torch.tensordot(torch.tensor(shares, dtype=torch.float64), values, dims=1)
            result[name] = mixed.clamp(values.min(0).values, values.max(0).values)
        return result


def _plane(setting: Setting, recipe: Recipe, device: str, keep: Path | None) -> Plane:
    network, checkpoints = setting.network, setting.checkpoints
    expected = {"through": 3, "line": 2}.get(recipe.plane, 1)
    if recipe.plane == "line" or len(checkpoints) != expected:
        raise InputError(
            f"got {len(checkpoints)} checkpoints for --plane {recipe.plane}; a plane goes through three of them, or, "
            "with pca, random or hessian, around one."
        )
    if recipe.plane == "through":
        weights = [checkpoint.weights(network) for checkpoint in checkpoints]
        a, b, c = (checkpoint.label for checkpoint in checkpoints)
        return Plane.through(*weights, labels=(a, b, c))
    (only,), seed = checkpoints, (*setting.seeds, 0)[0]
    if recipe.plane == "random":
        return random_plane(only.weights(network), seed=seed, label=only.label)
    if recipe.plane == "hessian":
        rows = setting.task.source_rows("in")
        if recipe.hessian_images < len(rows):
            rows = stratified(setting.task, rows, recipe.hessian_images, seed=seed, flag="--hessian-images")
        own = copy.deepcopy(network).to(resolve_device(device)).eval()
        only.load_into(own)
        batches = batches_of(setting.task, rows, own, resolve_device(device))
        inputs = digest("eigenvectors", setting.digest(), rows.tobytes(), str(seed))
        return hessian_plane(own, batches, seed=seed, label=only.label, keep=keep, inputs=inputs)
    path = next((each for each in setting.paths if each.kind == only.kind), None)
    if path is None:
        raise InputError(f"{only.label} lies in no run's folder, so there is no path to take components of.")
    points: list[Load] = [_loading(file, network) for _, file in path.points]
    return pca_plane(points, label=only.label)


def _images_of(plane: Plane) -> tuple[str, ...]:
    return (str(plane.about["images"]),) if "images" in plane.about else ()


def _loading(file: Path, network: nn.Module) -> Load:
    return lambda: Checkpoint.load(file).weights(network)


def _points(path: RecordedPath, setting: Setting, bar: tqdm) -> Iterator[tuple[int, Weights]]:
    for step, file in path.points:
        yield step, Checkpoint.load(file).weights(setting.network)
        bar.update()
