"""A small folder of images and a configuration that trains on it in about a second."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from landscape.config import RunConfig

DOMAINS = ("clay", "ink", "neon")


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory, write_shapes: Callable[..., Path]) -> Path:
    return write_shapes(tmp_path_factory.mktemp("shapes"), DOMAINS, step=60)


@pytest.fixture
def tiny(image_folder: Path, small_run: dict[str, Any]) -> RunConfig:
    fields = {**small_run, "save_every": 3, "dropout": 0.1}
    return RunConfig(algorithm="fgmix", data=str(image_folder), target="neon", **fields)
