"""A surface as a quick run gives it, from closed forms: two overlapping bowls and paths that leave the plane."""

import numpy as np
import pytest

from landscape.surface.grid import Grid
from landscape.surface.panels import METRICS
from landscape.surface.recipe import Where
from landscape.surface.surface import Mark, Surface, empty_values
from landscape.surface.trajectory import Trajectory

DOMAINS = ("photo", "clipart", "cartoon", "sketch")
N = np.array([[381, 95], [408, 102], [286, 71], [278, 69]])


def train_loss(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    r = ((x - 1.75) / 0.9) ** 2 + ((y - 0.15) / 0.6) ** 2
    return 0.35 + 0.5 * r + 0.06 * r**2 + 0.2 * np.maximum(x - 2.0, 0) ** 4


def mixup_loss(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 0.7 * train_loss(x - 0.1, 0.8 * y - 0.1) + 0.2


def target_accuracy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    r = ((x - 1.6) / 1.6) ** 2 + ((y - 0.5) / 1.1) ** 2
    return 0.1 + 0.5 * np.exp(-r)


def path(label: str, kind: str, end: tuple[float, float], bend: float) -> Trajectory:
    t = np.linspace(0, 1, 9)
    wiggle = 0.0 if kind == "swa" else 0.05
    x = end[0] * t**0.8 + wiggle * np.sin(17 * t) * t
    y = end[1] * t**2 + bend * t * (1 - t) + wiggle * np.cos(13 * t) * t
    residual = (0.9 if kind == "raw" else 0.3) * t * (1.0 if kind == "raw" else 1 - t)
    return Trajectory(label, kind, (20 * np.arange(9)).astype(np.int64), x, y, residual, 0.83)


def build(*, mixup: bool = True, count: int = 7, ends: tuple = ((1.9, 0.0), (1.55, 0.8))) -> Surface:
    paths = [
        path("ERM", "raw", (ends[0][0] + 0.15, ends[0][1] - 0.1), -0.25),
        path("ERM", "swa", ends[0], -0.15),
        path("FGMix", "raw", (ends[1][0] + 0.2, ends[1][1] + 0.1), -0.2),
        path("FGMix", "swa", ends[1], -0.12),
    ]
    anchors = [(0.0, 0.0), *ends]
    grid = Grid.around([*anchors, *(xy for p in paths for xy in zip(p.x, p.y, strict=True))], where=Where(points=count))
    panels = ["train_loss", "train_accuracy", "test_loss", "test_accuracy", "test_balanced_accuracy"]
    if mixup:
        panels += ["mixup_loss", "fgmix_train_loss"]
    values = empty_values(grid.x, grid.y, panels=panels, domains=DOMAINS, n=N)
    xx, yy = np.meshgrid(grid.x, grid.y)
    at = {name: function(xx, yy) for name, function in functions().items() if name in panels}
    for name, array in at.items():
        values[name][:] = array
    for index, metric in enumerate(METRICS):
        source = train_loss(xx, yy) if metric == "loss" else target_accuracy(xx, yy)
        for d in range(len(DOMAINS)):
            for s in range(2):
                values[metric][d, s] = source * (1 + 0.1 * d + 0.05 * s) / (1 + 0.1 * index)

    def mark(label: str, name: str, role: str, x: float, y: float, residual: float) -> Mark:
        inside = {key: float(f(np.array(x), np.array(y))) for key, f in functions().items() if key in panels}
        true = {key: value * (1 - 0.2 * residual) for key, value in inside.items()}
        return Mark(label, name, role, x, y, residual, true, inside)

    names = ("initialisation", "ERM + SWA, step 160", "FGMix + SWA, step 160")
    marks = [mark(f"w{i + 1}", names[i], "anchor", *anchors[i], 0.0) for i in range(3)]
    marks += [
        mark(p.label, f"{p.label}, step 160", "end", float(p.x[-1]), float(p.y[-1]), float(p.residual[-1]))
        for p in paths
        if p.kind == "raw"
    ]
    about = {
        "data": "sixstyles",
        "target": "sketch",
        "sources": ["photo", "clipart", "cartoon"],
        "model": "efficientnet_lite0",
        "image_size": 64,
        "seeds": [0],
        "precision": "fp32",
        "n": {"train": 1075, "mixup": 1041 if mixup else 0, "mixup_skipped": 34, "test": 347, "images": 1690},
        "angle": float(np.degrees(np.arctan2(ends[1][1], ends[1][0]))),
        "notes": [],
        "provenance": {"command": "python -m landscape.surface A B C", "versions": {}, "inputs": {}},
    }
    return Surface(values, tuple(marks), tuple(paths), about)


def functions() -> dict:
    return {
        "train_loss": train_loss,
        "train_accuracy": lambda x, y: np.exp(-train_loss(x, y)),
        "mixup_loss": mixup_loss,
        "fgmix_train_loss": lambda x, y: (1075 * train_loss(x, y) + 1041 * mixup_loss(x, y)) / 2116,
        "test_loss": lambda x, y: 1.2 * train_loss(x, y - 0.3),
        "test_accuracy": target_accuracy,
        "test_balanced_accuracy": lambda x, y: 0.9 * target_accuracy(x, y),
    }


@pytest.fixture
def surface() -> Surface:
    return build()


@pytest.fixture
def surface_without_mixup() -> Surface:
    return build(mixup=False)
