"""Augmented batches and augmented copies for validation."""

import numpy as np
import pytest
import torch

from landscape.data import augmented_pixels
from landscape.data.affine import affine_jitter
from landscape.data.augmentation import augment
from landscape.data.jitter import draw_jitter, jitter_images


@pytest.fixture(scope="module")
def images(made_up):
    return made_up([[40, 30], [20, 10]], size=16)


def test_augment_is_draw_then_apply(images) -> None:
    pixels = images.pixels[:10].copy()
    jitter = draw_jitter(10, 16, np.random.default_rng(7))
    for kind, expected in [
        ("none", torch.from_numpy(pixels)),
        ("domainbed", torch.from_numpy(jitter_images(pixels, jitter))),
        ("affine", affine_jitter(torch.from_numpy(pixels), jitter)),
    ]:
        result = augment(pixels, np.random.default_rng(7), augmentation=kind)
        assert result.dtype == expected.dtype
        assert torch.equal(result, expected)


@pytest.mark.parametrize("kind", ["domainbed", "affine", "none"])
def test_copies_depend_on_seed_and_row_only(images, kind: str) -> None:
    rows = np.array([3, 50, 99, 4, 3])
    copies = augmented_pixels(images, rows, seed=1, augmentation=kind)
    assert copies.shape == (5, 16, 16, 3)
    assert copies.dtype == np.uint8
    everything = augmented_pixels(images, np.arange(100), seed=1, augmentation=kind)
    np.testing.assert_array_equal(copies, everything[rows])
    if kind == "none":
        np.testing.assert_array_equal(copies, images.pixels[rows])
    else:
        assert (augmented_pixels(images, rows, seed=2, augmentation=kind) != copies).any(axis=(1, 2, 3)).all()
        assert (copies != images.pixels[rows]).any(axis=(1, 2, 3)).all()


def test_many_rows_are_worked_through_in_pieces(made_up) -> None:
    images = made_up([[200, 100], [100, 120]], size=8)
    copies = augmented_pixels(images, np.arange(520), seed=0, augmentation="affine")
    late = augmented_pixels(images, np.arange(500, 520), seed=0, augmentation="affine")
    assert np.abs(copies[500:].astype(int) - late).max() <= 1
