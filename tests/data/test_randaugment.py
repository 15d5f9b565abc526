"""RandAugment against torchvision's class, operation by operation, and its draws."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from landscape.data.augmentation import augment, augmented_pixels
from landscape.data.images import load_images
from landscape.data.randaugment import OPERATIONS, RandAugment, apply_operations, randaugment


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    generator = np.random.default_rng(0)
    smooth = np.linspace(0, 255, 24)[:, None, None] * generator.random((1, 24, 3))
    return (smooth[None] * 0.7 + generator.integers(0, 80, (6, 24, 24, 3))).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("magnitude", [0, 9, 30])
def test_every_operation_is_torchvisions(pixels: np.ndarray, magnitude: int, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = v2.RandAugment(num_ops=1, magnitude=magnitude)
    for number, name in enumerate(OPERATIONS):
        for sign in (1.0, -1.0):
            space = theirs._AUGMENTATION_SPACE
            monkeypatch.setattr(theirs, "_AUGMENTATION_SPACE", {name: space[name]})
            # A signed operation draws its sign: torch.rand(()) <= 0.5 turns it round.
            monkeypatch.setattr(torch, "rand", lambda *_, sign=sign, **__: torch.tensor(1.0 if sign > 0 else 0.0))
            expected = np.stack([np.asarray(theirs(Image.fromarray(image))) for image in pixels])
            monkeypatch.undo()
            shape = (len(pixels), 1)
            ours = apply_operations(pixels, np.full(shape, number), np.full(shape, sign), magnitude)
            np.testing.assert_array_equal(ours, expected, err_msg=f"{name} {sign}")


def test_operations_follow_each_other(pixels: np.ndarray) -> None:
    chosen = np.tile([1, 9], (len(pixels), 1))
    signs = np.ones_like(chosen, dtype=float)
    both = apply_operations(pixels, chosen, signs, 9)
    first = apply_operations(pixels, chosen[:, :1], signs[:, :1], 9)
    np.testing.assert_array_equal(both, apply_operations(first, chosen[:, 1:], signs[:, 1:], 9))


def test_draws_are_uniform_and_depend_on_the_generator_alone() -> None:
    tiny = np.zeros((1400, 4, 4, 3), np.uint8)
    state = torch.get_rng_state()
    first = randaugment(tiny[:5], RandAugment(3), np.random.default_rng(1))
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(first, randaugment(tiny[:5], RandAugment(3), np.random.default_rng(1)))
    # Solarize at full strength turns black into white, AutoContrast and the rest leave it black.
    white = randaugment(tiny, RandAugment(1, 30), np.random.default_rng(2))[:, 0, 0, 0] == 255
    assert abs(white.mean() - 1 / 14) < 4 * (13 / 14 / 14 / 1400) ** 0.5


def test_it_is_an_augmentation_as_the_others_are(pixels: np.ndarray) -> None:
    images = augment(pixels, np.random.default_rng(3), augmentation=RandAugment())
    assert images.dtype == torch.uint8
    assert images.shape == pixels.shape
    assert not np.array_equal(images.numpy(), pixels)


def test_validation_copies_depend_on_the_row_alone() -> None:
    images = load_images("sixstyles", size=16, progress=False)
    one = augmented_pixels(images, np.array([3, 40, 7]), seed=0, augmentation=RandAugment())
    other = augmented_pixels(images, np.array([40]), seed=0, augmentation=RandAugment())
    np.testing.assert_array_equal(one[1], other[0])
    assert not np.array_equal(one, images.pixels[[3, 40, 7]])
