"""Bytes to the network's input."""

import numpy as np
import pytest
import torch

from landscape.data import normalise

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize("kind", ["array", "read-only", "bytes", "floats"])
def test_against_the_formula_in_float64(kind: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 9, 9, 3), dtype=np.uint8)
    expected = ((pixels / 255 - np.array(MEAN)) / np.array(STD)).transpose(0, 3, 1, 2)
    given = pixels if kind in ("array", "read-only") else torch.from_numpy(pixels.copy())
    if kind == "read-only":
        pixels.flags.writeable = False
    if kind == "floats":
        given = given.float()
    before = given.copy() if isinstance(given, np.ndarray) else given.clone()
    result = normalise(given, MEAN, STD)
    np.testing.assert_allclose(result.numpy(), expected, atol=2e-6)
    assert result.dtype == torch.float32
    assert result.shape == (4, 3, 9, 9)
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert (given == before).all()


def test_lite0s_units() -> None:
    pixels = np.full((1, 2, 2, 3), 200, dtype=np.uint8)
    result = normalise(pixels, (127 / 255,) * 3, (128 / 255,) * 3)
    np.testing.assert_allclose(result.numpy(), (200 - 127) / 128, rtol=1e-6)
