"""Small folders of images, images made up in memory, and SixStyles decoded once."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from landscape.data import DomainImages, load_images

Tree = Mapping[str, Mapping[str, int]]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANDSCAPE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def sixstyles(cache: Path) -> DomainImages:
    everything = ("photo", "clipart", "render3d", "cartoon", "flat", "sketch")
    return load_images("sixstyles", size=32, domains=everything, cache=cache, progress=False)


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[[Tree, str], Path]:
    """Writes ``root/domain/class/i.png`` for ``{domain: {class: count}}``; every picture has its own colour."""

    def make(tree: Tree, name: str = "pictures") -> Path:
        root = tmp_path / name
        colour = 0
        for domain, classes in tree.items():
            for label, count in classes.items():
                folder = root / domain / label
                folder.mkdir(parents=True)
                for i in range(count):
                    colour += 7
                    Image.new("RGB", (12, 9), (colour % 256, colour // 256, i)).save(folder / f"{i}.png")
        return root

    return make


@pytest.fixture(scope="session")
def made_up() -> Callable[..., DomainImages]:
    """Random images without files: ``counts[domain][class]`` images each, with or without concepts."""

    def make(counts: list[list[int]], *, size: int = 8, concepts: int = 0, names: str = "abcdef") -> DomainImages:
        table = np.array(counts)
        domain = np.repeat(np.arange(len(table)), table.sum(axis=1))
        labels = np.concatenate([np.repeat(np.arange(table.shape[1]), row) for row in table])
        rng = np.random.default_rng(int(table.sum()))
        pixels = rng.integers(0, 256, (len(labels), size, size, 3), dtype=np.uint8)
        pixels.flags.writeable = False
        return DomainImages(
            name="made-up",
            domains=tuple(names[: len(table)]),
            classes=tuple(f"class{k}" for k in range(table.shape[1])),
            pixels=pixels,
            labels=labels,
            domain=domain,
            files=tuple(f"{i}.png" for i in range(len(labels))),
            concepts=tuple(f"c{i}" for i in rng.integers(0, concepts, len(labels))) if concepts else None,
            unreadable=(),
            digest="0" * 16,
        )

    return make
