"""Results of every kind from closed forms, on a small folder of images, and a browser that looks at their page."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from landscape.correlation.association import Association
from landscape.correlation.samples import DomainPair
from landscape.data.images import load_images
from landscape.embedding.embedding import EXTRAPOLATED, INTERPOLATED, ORIGINAL, Embedding
from landscape.explore.page import write_explorer
from landscape.flatness.comparison import Flatness
from landscape.flatness.curve import FlatnessCurve
from landscape.surface.panels import METRICS
from landscape.surface.surface import Mark, Surface, empty_values
from landscape.surface.trajectory import Trajectory

DOMAINS, CLASSES = ("clay", "ink", "mist", "neon"), ("bar", "disc")
PER_CELL = 4
COLOURS = ((220, 30, 30), (30, 160, 30), (30, 30, 220), (230, 200, 20))


def write_images(root: Path) -> Path:
    """Plain squares, a colour per domain, a shade per picture."""
    for domain, colour in zip(DOMAINS, COLOURS, strict=True):
        for label in CLASSES:
            folder = root / domain / label
            folder.mkdir(parents=True)
            for index in range(PER_CELL):
                shade = tuple(max(0, value - 12 * index) for value in colour)
                Image.new("RGB", (32, 32), shade).save(folder / f"{index}.png")
    return root


def about_images(images: Path) -> dict[str, Any]:
    data = load_images(str(images), size=32, progress=False)
    return {
        "data": data.name,
        "data_digest": data.digest,
        "image_size": 32,
        "target": "neon",
        "sources": list(DOMAINS[:3]),
        "model": "small_cnn",
        "seeds": [0],
        "notes": ["a note"],
        "provenance": {"command": "python -m landscape.embedding RUN", "inputs": {}, "versions": {}},
    }


def make_surface(target: str = "neon") -> Surface:
    """Loss x + 2 y on a plane of 5 x 4 points, so that interpolation is exact."""
    x, y = np.linspace(-1, 3, 5), np.linspace(0, 3, 4)
    xx, yy = np.meshgrid(x, y)
    domains = DOMAINS
    panels = ["train_loss", "fgmix_train_loss", "test_accuracy"]
    values = empty_values(x, y, panels=panels, domains=domains, n=np.full((4, 2), 10))
    of = {"train_loss": xx + 2 * yy + 2, "fgmix_train_loss": xx + 2 * yy + 3, "test_accuracy": (xx + yy + 1) / 10}
    for name, array in of.items():
        values[name][:] = array
    for metric in METRICS:
        for d in range(4):
            for s in range(2):
                values[metric][d, s] = of["train_loss" if metric == "loss" else "test_accuracy"] * (
                    1 + 0.1 * d + 0.05 * s
                )
    steps, t = np.arange(0, 50, 10), np.linspace(0, 1, 5)
    paths = (
        Trajectory("ERM", "raw", steps, 2 * t, t, 0.3 * t, 0.8),
        Trajectory("ERM", "swa", steps[3:], 2 * t[3:], 0.5 * t[3:], np.array([0.1, 0.0]), 0.8),
        Trajectory("FGMix", "raw", steps, t, 2 * t, 0.2 * t, 0.9),
    )
    true = {"train_loss": 2.0, "fgmix_train_loss": 3.0, "test_accuracy": 0.1}
    averaged = {"train_loss": 4.9, "fgmix_train_loss": 5.9, "test_accuracy": 0.35}
    ended = {"train_loss": 5.5, "fgmix_train_loss": 6.5, "test_accuracy": 0.41}
    marks = (
        Mark("w1", "initialisation", "anchor", 0.0, 0.0, 0.0, true, true),
        Mark("w2", "ERM + SWA, step 40", "anchor", 2.0, 0.5, 0.0, averaged, averaged),
        Mark("ERM", "ERM, step 40", "end", 2.0, 1.0, 0.3, ended, ended),
    )
    about = {
        "data": "images",
        "target": target,
        "sources": [name for name in DOMAINS if name != target],
        "model": "small_cnn",
        "image_size": 32,
        "seeds": [0],
        "n": {"train": 60, "mixup": 60, "test": 20},
        "angle": 30.0,
        "notes": [],
        "provenance": {"command": "python -m landscape.surface A B C", "inputs": {}, "versions": {}},
    }
    return Surface(values, marks, paths, about)


def make_flatness() -> Flatness:
    gamma, rng = np.array([0.0, 1.0, 2.0]), np.random.default_rng(0)
    curves = []
    for scale, method in enumerate(("ERM + SWA", "FGMix + SWA"), start=1):
        samples = scale * gamma[None, :, None] ** 2 * rng.uniform(0.5, 1.5, (2, 1, 6))
        curves.append(FlatnessCurve(method, gamma, ("original", "shared"), samples, np.ones(2)))
    about = {"target": "neon", "notes": [], "provenance": {"command": "python -m landscape.flatness A B"}}
    return Flatness(tuple(curves), about)


def make_embedding(images: Path) -> Embedding:
    """All images on a lattice, and two mixup codes far from it, whose members and weights are known."""
    data = load_images(str(images), size=32, progress=False)
    count = len(data)
    lattice = np.stack([np.arange(count) % 8, np.arange(count) // 8], axis=1).astype(float)
    points = np.concatenate([lattice, [[3.0, 6.0], [5.0, 6.0]]])
    none = np.full((count, 3), -1)
    first = [int(np.flatnonzero((data.domain == d) & (data.labels == 0))[0]) for d in range(3)]
    return Embedding(
        codes=np.zeros((count + 2, 5), np.float32),
        points=points,
        label=np.concatenate([data.labels, [0, 0]]),
        domain=np.concatenate([data.domain, [-1, -1]]),
        kind=np.concatenate([np.full(count, ORIGINAL), [INTERPOLATED, EXTRAPOLATED]]),
        variant=np.concatenate([np.full(count, -1), [0, 0]]),
        members=np.concatenate([none, [first, first]]),
        weights=np.concatenate([np.full((count, 3), np.nan), [[0.5, 0.3, 0.2], [1.25, 0.5, -0.75]]]).astype(np.float32),
        held_out=np.arange(count) % PER_CELL == 0,
        rows=np.arange(count),
        files=data.files,
        classes=data.classes,
        domains=data.domains,
        variants=("FGMix",),
        scores={},
        coverage=(),
        mixing=(),
        about={**about_images(images), "names": "FGMix + SWA, step 40", "n": {"images": count}},
    )


def make_association(images: Path) -> Association:
    rng = np.random.default_rng(0)
    pairs = []
    for first, second in (("clay", "ink"), ("ink", "clay")):
        cosine = rng.uniform(-1, 1, 20)
        rows = np.stack([np.arange(20) % 8, 8 + np.arange(20) % 8], axis=1)
        pairs.append(
            DomainPair.correlated(
                first,
                second,
                score=cosine**3,
                cosine=cosine,
                norms=np.full((20, 2), np.nan),
                labels=np.zeros(20, np.int64),
                rows=rows,
                resamples=50,
                generator=rng,
            )
        )
    return Association(tuple(pairs), about=about_images(images) | {"name": "FGMix, step 40"})


CLAIM = {
    "id": "flatter",
    "paper": "FGMix",
    "place": "Figure 5",
    "claim": "Minima are flatter.",
    "setting": "toy",
    "statistic": "ratio",
    "estimate": 0.9,
    "low": 0.7,
    "high": 1.2,
    "unit": "",
    "n": 3,
    "seeds": [0, 1, 2],
    "verdict": "undecided",
    "why": "The interval contains 1.",
    "command": "python -m landscape.figures fig5",
}
WAITING = CLAIM | {"id": "swa", "estimate": None, "low": None, "high": None, "n": None, "verdict": "waiting"}


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("explore") / "images")


@pytest.fixture(scope="session")
def results(images: Path) -> Path:
    """A folder with a result of every kind, two surfaces among them."""
    folder = images.parent / "results"
    make_surface().save(folder / "surface-neon.nc")
    make_surface("clay").save(folder / "more" / "surface-clay.nc")
    make_flatness().save(folder / "flatness.nc")
    make_embedding(images).save(folder / "embedding.nc")
    make_association(images).save(folder / "correlation.nc")
    (folder / "claims.json").write_text(json.dumps({"format": 1, "claims": [CLAIM, WAITING]}))
    return folder


@pytest.fixture(scope="session")
def page(results: Path, images: Path) -> Path:
    """The page of all results."""
    path, notes = write_explorer([results], images.parent / "page", data=[str(images)])
    assert notes == []
    return path


def read_data(page: Path, key: str) -> Any:
    """What a script of data hands over."""
    text = (page.parent / "data" / f"{key}.js").read_text(encoding="utf-8").strip().removesuffix(");")
    return json.loads(text.partition("(")[2] if key == "index" else text.partition(", ")[2])


@pytest.fixture(scope="session")
def data_of() -> Any:
    return read_data


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window; the 3-D view is drawn in software."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright; get it with: pip install playwright")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium in the path; get it with: apt-get install chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=found, args=flags)
        yield chromium
        chromium.close()
