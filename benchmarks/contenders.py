"""Who computes a loss surface in ``benchmarks/surface.py``: each contender gets the same plane, images and network.

A contender is a function ``evaluate() -> (losses, correct)``, both (points,) arrays, row after row; `correct` is the
share of images classified correctly, or None where a peer gives the loss only.
"""

import contextlib
import io
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from landscape.config import RunConfig
from landscape.data import normalise, open_task
from landscape.evaluation import Evaluator
from landscape.evaluation.timing import choose
from landscape.models import build_network

Values = tuple[np.ndarray, np.ndarray | None]
Evaluate = Callable[[], Values]
How = dict[str, Any]
"""What this package's timing chose: ``batch_size``, ``compiled``, ``channels_last``."""
K, BATCH = 7, 64
# Share of the norm of all weights that the plane reaches. Twice as far Lite0 is so ill-conditioned that any two ways of
# computing it in float32 differ by 1e-3.
DISTANCE = 0.25


class Block(nn.Module):
    """Two 3 x 3 convolutions and a shortcut without parameters, as in He et al. (2016), section 4.2."""

    def __init__(self, wide: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(wide, width, 3, width // wide, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.grow = width - wide

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, S, S) to (B, width, S', S')."""
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        short = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.grow // 2, self.grow // 2)) if self.grow else x
        return F.relu(y + short)


class ResNet20(nn.Module):
    """The ResNet of 20 layers for small images (He et al. 2016)."""

    def __init__(self) -> None:
        super().__init__()
        widths = [16] * 4 + [32] * 3 + [64] * 3
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.blocks = nn.Sequential(*(Block(a, b) for a, b in itertools.pairwise(widths)))
        self.head = nn.Linear(64, K)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, 7)."""
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


@dataclass(frozen=True)
class Workload:
    """A network, images and a plane.

    Attributes:
        network: in evaluation mode.
        pixels: (n, S, S, 3) uint8.
        labels: (n,).
        files: image files of the same pixels, in the same order.
        from_files: whether the peers read the files, too.
        e1: first direction; each tensor of it has the norm that landscaper would give it.
        e2: second direction.
        axis: coordinates along either direction.
    """

    network: nn.Module
    pixels: np.ndarray
    labels: np.ndarray
    files: list[Path]
    from_files: bool
    e1: dict[str, Tensor]
    e2: dict[str, Tensor]
    axis: list[float]

    @property
    def colour(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of the network's input."""
        return getattr(self.network, "mean", (0.5,) * 3), getattr(self.network, "std", (0.25,) * 3)

    def points(self) -> Iterator[tuple[float, float]]:
        """All points, row after row."""
        return ((x, y) for y in self.axis for x in self.axis)


def workload(name: str, points: int, folder: Path, *, quick: bool = False) -> Workload:
    """Build a workload; the same bits in every process.

    Args:
        name: ``resnet20``, ``resnet18`` or ``lite0``.
        points: along each axis, an odd number.
        folder: where the image files are, or will be written.
        quick: an eighth of the images.
    """
    side, count = {"resnet20": (32, 512), "resnet18": (64, 128), "lite0": (64, 0)}[name]
    task = open_task(RunConfig(image_size=side), progress=False)
    rows = task.source_rows("in")
    rows = rows[np.linspace(0, len(rows) - 1, min(count or len(rows), len(rows))).astype(int)]
    rows = rows[:: 8 if quick else 1]
    torch.manual_seed(0)
    if name == "lite0":
        network: nn.Module = build_network("efficientnet_lite0", num_classes=K, weights="imagenet", batch_norm="frozen")
    else:
        from torchvision.models import resnet18

        network = ResNet20() if name == "resnet20" else resnet18(num_classes=K)
        for key, buffer in network.named_buffers():
            if key.endswith(("running_var", "running_mean")):
                buffer.add_(0.1 * torch.rand_like(buffer))
    network.eval()
    whole = float(torch.sqrt(sum((p.detach().double() ** 2).sum() for p in network.parameters())))  # type: ignore[arg-type]
    axes = []
    for _ in range(2):
        axis = {key: torch.randn_like(p).detach() for key, p in network.named_parameters()}
        for tensor in axis.values():
            tensor.mul_(tensor.numel() ** 0.5 / tensor.norm())
        length = sum(tensor.numel() for tensor in axis.values()) ** 0.5
        # One step of landscaper's grid is this long.
        axes.append({key: tensor * (whole * DISTANCE / (points / 2) / length) for key, tensor in axis.items()})
    files = [folder / f"{side}-{row}.png" for row in rows]
    for file, row in zip(files, rows, strict=True):
        if not file.exists():
            Image.fromarray(task.images.pixels[row]).save(file)
    middle = points // 2
    return Workload(
        network,
        np.ascontiguousarray(task.images.pixels[rows]),
        task.images.labels[rows],
        files,
        name == "lite0",
        *axes,
        [float(i - middle) for i in range(points)],
    )


class Files(Dataset):
    """Image files, decoded each time they are asked for."""

    def __init__(self, work: Workload) -> None:
        self.work = work

    def __len__(self) -> int:
        return len(self.work.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with Image.open(self.work.files[index]) as image:
            pixels = np.asarray(image.convert("RGB"))
        mean, std = self.work.colour
        tensor = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
        return (tensor - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None], int(
            self.work.labels[index]
        )


def batches(work: Workload, *, channels_last: bool = False, size: int = BATCH) -> list[tuple[Tensor, Tensor]]:
    """Normalised batches in memory."""
    mean, std = work.colour
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return [
        (
            normalise(work.pixels[i : i + size], mean, std).contiguous(memory_format=layout),
            torch.from_numpy(work.labels[i : i + size]),
        )
        for i in range(0, len(work.labels), size)
    ]


def data_of(work: Workload) -> object:
    """What a peer is given to iterate over."""
    return DataLoader(Files(work), BATCH) if work.from_files else batches(work)


def share_correct(logits: Tensor, labels: Tensor) -> float:
    """Accuracy of a batch."""
    return (logits.argmax(1) == labels).float().mean().item()


def builder(work: Workload) -> Callable[..., Evaluator]:
    """Makes evaluators of a workload."""
    mean, std = work.colour

    def build(**options: Any) -> Evaluator:
        return Evaluator(work.network, work.pixels, work.labels, mean=mean, std=std, **options)

    return build


def choice(work: Workload) -> dict[str, Any]:
    """How this package's timing would evaluate a long grid: layout, batch size, compiled or not; and its reasons."""
    made = choose(builder(work), count=len(work.labels), passes=10**6)
    return {name: getattr(made, name) for name in ("batch_size", "compiled", "channels_last", "reasons")}


def landscape(work: Workload, how: How, **options: Any) -> Evaluate:
    """This package: one evaluator, points of a span."""
    evaluator = builder(work)(**{**how, **options})
    span = evaluator.span(dict(work.network.named_parameters()), work.e1, work.e2)

    def evaluate() -> Values:
        found = [evaluator.at(span.point(x, y)) for x, y in work.points()]
        return np.array([each.loss.mean() for each in found]), np.array([each.correct.mean() for each in found])

    return evaluate


def bare(work: Workload, how: How) -> Evaluate:
    """The folded network over batches in memory, at one point of weight space: what a surface cannot beat.

    In the layout and with the batch size that this package has, compiled if it is.
    """
    network = builder(work)(channels_last=how["channels_last"]).network
    run = torch.compile(network, dynamic=False) if how["compiled"] else network
    data = batches(work, channels_last=how["channels_last"], size=how["batch_size"])
    points = len(work.axis) ** 2

    def evaluate() -> Values:
        with torch.inference_mode():
            for _ in range(points):
                for images, _ in data:
                    run(images)
        return np.full(points, np.nan), None

    return evaluate


def plain_loop(work: Workload, how: How) -> Evaluate:
    """What users write: a DataLoader over image files, and ``load_state_dict`` at every point."""
    loader = DataLoader(Files(work), BATCH)
    origin = {key: tensor.clone() for key, tensor in work.network.state_dict().items()}

    def evaluate() -> Values:
        losses, shares = [], []
        for x, y in work.points():
            moved = {k: t + x * work.e1[k] + y * work.e2[k] if k in work.e1 else t for k, t in origin.items()}
            work.network.load_state_dict(moved)
            loss = right = 0.0
            with torch.no_grad():
                for images, labels in loader:
                    logits = work.network(images)
                    loss += F.cross_entropy(logits, labels, reduction="sum").item()
                    right += (logits.argmax(1) == labels).sum().item()
            losses.append(loss / len(work.labels))
            shares.append(right / len(work.labels))
        return np.array(losses), np.array(shares)

    return evaluate


def loss_landscape_3d(work: Workload, how: How) -> Evaluate:
    """PyPI's loss-landscape-3d."""
    from loss_landscape_3d.calculator import LossLandscapeCalculator

    calculator = LossLandscapeCalculator(work.network, data_of(work), nn.CrossEntropyLoss())
    state = {key: tensor.clone() for key, tensor in work.network.state_dict().items()}

    def evaluate() -> Values:
        # Its first axis is the outer loop.
        losses, shares = calculator.calculate(work.axis, work.axis, work.e2, work.e1, state, metric_fn=share_correct)
        return losses.ravel(), shares.ravel()

    return evaluate


def landscaper(work: Workload, how: How) -> Evaluate:
    """PyPI's landscaper; it adds noise to the largest value, which is not compared therefore."""
    from landscaper.compute import compute_loss_landscape

    data = data_of(work)
    directions = [list(work.e2.values()), list(work.e1.values())]

    def mean_loss(network: nn.Module, data: Iterator[tuple[Tensor, Tensor]]) -> float:
        return sum(F.cross_entropy(network(images), labels, reduction="sum").item() for images, labels in data) / len(
            work.labels
        )

    def evaluate() -> Values:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            losses, _ = compute_loss_landscape(
                work.network,
                data,
                directions,
                mean_loss,
                steps=len(work.axis),
                distance=DISTANCE,
                dim=2,
                device="cpu",
            )
        losses[losses == losses.max()] = np.nan
        return losses.ravel(), None

    return evaluate


CONTENDERS: dict[str, Callable[[Workload, How], Evaluate]] = {
    "landscape": landscape,
    "landscape, not compiled": partial(landscape, compiled=False),
    "landscape, bf16": partial(landscape, precision="bf16"),
    "bare forward": bare,
    "loss-landscape-3d": loss_landscape_3d,
    "landscaper": landscaper,
    "plain loop": plain_loop,
}
INSTALL = {
    "loss-landscape-3d": "pip install --no-deps --target PEERS loss-landscape-3d==0.1.3",
    "landscaper": "pip install --no-deps --target PEERS landscaper==1.3.1 topopy nglpy gudhi treelib coloraide drawsvg",
}


def missing(name: str) -> str:
    """How to install what a contender lacks; empty when it lacks nothing."""
    module = {"loss-landscape-3d": "loss_landscape_3d.calculator", "landscaper": "landscaper.compute"}.get(name)
    if module is None:
        return ""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            __import__(module)
    except ImportError as error:
        return f"{name} is left out ({error}); {INSTALL[name]}, and put PEERS on PYTHONPATH"
    return ""
