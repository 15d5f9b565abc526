"""A small folder of images and a configuration that trains on it in about a second."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from landscape.config import MixupConfig, RunConfig

DOMAINS, CLASSES = ("clay", "ink", "neon"), ("bar", "disc", "ring")


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shapes")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    shapes = {"bar": abs(x) < 0.3, "disc": x**2 + y**2 < 0.4, "ring": abs(x**2 + y**2 - 0.5) < 0.2}
    for d, domain in enumerate(DOMAINS):
        for name in CLASSES:
            folder = root / domain / name
            folder.mkdir(parents=True)
            for i in range(12):
                noise = rng.integers(0, 90, (32, 32, 3))
                image = np.where(shapes[name][..., None], 200 - 60 * d, 20 + 60 * d) + noise // 2
                Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"{i:02d}.png")
    return root


@pytest.fixture
def tiny(image_folder: Path) -> RunConfig:
    return RunConfig(
        algorithm="fgmix",
        data=str(image_folder),
        target="neon",
        model="small_cnn",
        weights="none",
        image_size=28,
        augmentation="affine",
        batch_size=6,
        steps=8,
        lr=1e-3,
        dropout=0.1,
        swa_start=3,
        record_every=2,
        save_every=3,
        device="cpu",
        precision="fp32",
        mixup=MixupConfig(start=5, codes=6, directions=8, hidden=8),
    )
