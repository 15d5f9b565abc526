"""The affine form: exact cases, and torchvision's functions where the two agree."""

import dataclasses

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional

from landscape.data import affine
from landscape.data.affine import affine_jitter, colour_map
from landscape.data.jitter import BRIGHTNESS, CONTRAST, HUE, SATURATION, Jitter, draw_jitter, jitter_images

SIZE = 24


def still(count: int, size: int = SIZE) -> Jitter:
    """Draws that change nothing."""
    zeros, full = np.zeros(count, dtype=np.int64), np.full(count, size)
    return Jitter(
        top=zeros,
        left=zeros,
        height=full,
        width=full,
        flip=zeros.astype(bool),
        order=np.tile(np.arange(4), (count, 1)),
        colours=np.tile([1.0, 1.0, 1.0, 0.0], (count, 1)),
        gray=zeros.astype(bool),
    )


@pytest.fixture
def pixels() -> torch.Tensor:
    # Middle tones: no change of the tested strength clips them.
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(90, 150, (12, SIZE, SIZE, 3), dtype=np.uint8))


def test_nothing_drawn_changes_nothing(pixels: torch.Tensor) -> None:
    torch.testing.assert_close(affine_jitter(pixels, still(12)), pixels.float(), atol=2e-3, rtol=0)


def test_flip(pixels: torch.Tensor) -> None:
    jitter = dataclasses.replace(still(12), flip=np.arange(12) % 2 == 0)
    result = affine_jitter(pixels, jitter)
    torch.testing.assert_close(result[::2], pixels[::2].flip(2).float(), atol=2e-3, rtol=0)
    torch.testing.assert_close(result[1::2], pixels[1::2].float(), atol=2e-3, rtol=0)


def test_crops_equal_torchvisions_away_from_the_border(pixels: torch.Tensor) -> None:
    drawn = draw_jitter(12, SIZE, np.random.default_rng(1))
    jitter = dataclasses.replace(drawn, colours=still(12).colours, gray=still(12).gray)
    result = affine_jitter(pixels, jitter).permute(0, 3, 1, 2)
    planes = pixels.permute(0, 3, 1, 2).float()
    for i in range(12):
        box = [int(getattr(jitter, name)[i]) for name in ("top", "left", "height", "width")]
        wanted = functional.resized_crop(planes[i], *box, size=[SIZE, SIZE], antialias=False)
        wanted = wanted.flip(2) if jitter.flip[i] else wanted
        torch.testing.assert_close(result[i, :, 1:-1, 1:-1], wanted[:, 1:-1, 1:-1], atol=5e-3, rtol=0)


@pytest.mark.parametrize("kind", [BRIGHTNESS, CONTRAST, SATURATION])
def test_one_colour_change_equals_torchvisions(kind: int, pixels: torch.Tensor) -> None:
    colours = still(12).colours
    colours[:, kind] = np.linspace(0.7, 1.3, 12)
    result = affine_jitter(pixels, dataclasses.replace(still(12), colours=colours)).permute(0, 3, 1, 2)
    change = [functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation][kind]
    for i in range(12):
        wanted = change(pixels[i].permute(2, 0, 1) / 255, colours[i, kind]) * 255
        # torchvision's luma weights add up to 0.9999.
        torch.testing.assert_close(result[i], wanted, atol=0.02, rtol=0)


def test_changes_in_any_order_equal_torchvisions(pixels: torch.Tensor) -> None:
    rng = np.random.default_rng(2)
    colours = np.column_stack([rng.uniform(0.85, 1.15, (12, 3)), np.zeros(12)])
    order = rng.permuted(np.tile(np.arange(4), (12, 1)), axis=1)
    gray = np.arange(12) % 3 == 0
    jitter = dataclasses.replace(still(12), colours=colours, order=order, gray=gray)
    result = affine_jitter(pixels, jitter).permute(0, 3, 1, 2)
    changes = {
        BRIGHTNESS: functional.adjust_brightness,
        CONTRAST: functional.adjust_contrast,
        SATURATION: functional.adjust_saturation,
        HUE: functional.adjust_hue,
    }
    for i in range(12):
        wanted = pixels[i].permute(2, 0, 1) / 255
        for kind in order[i].tolist():
            wanted = changes[kind](wanted, colours[i, kind])
        if gray[i]:
            wanted = functional.rgb_to_grayscale(wanted, num_output_channels=3)
        torch.testing.assert_close(result[i], wanted * 255, atol=0.05, rtol=0)


@pytest.mark.parametrize("thirds", [-1, 1])
def test_a_third_of_a_hue_turn_is_hsvs(thirds: int, pixels: torch.Tensor) -> None:
    colours = still(12).colours
    colours[:, HUE] = thirds / 3
    result = affine_jitter(pixels, dataclasses.replace(still(12), colours=colours))
    torch.testing.assert_close(result, pixels.float().roll(thirds, dims=3), atol=2e-3, rtol=0)
    wanted = functional.adjust_hue(pixels[0].permute(2, 0, 1) / 255, thirds / 3) * 255
    torch.testing.assert_close(result[0].permute(2, 0, 1), wanted, atol=2e-2, rtol=0)


def test_hue_keeps_gray_gray_and_turns_add_up() -> None:
    turns = np.array([0.1, 0.25, 0.35, -0.35])
    colours = still(4).colours
    colours[:, HUE] = turns
    linear, of_mean = colour_map(dataclasses.replace(still(4), colours=colours))
    np.testing.assert_allclose(linear.sum(axis=2), 1, atol=1e-12)
    np.testing.assert_allclose(linear[0] @ linear[1], linear[2], atol=1e-12)
    np.testing.assert_allclose(linear[2] @ linear[3], np.eye(3), atol=1e-12)
    assert not of_mean.any()


def test_results_are_clipped_and_batches_may_be_worked_through_in_pieces(monkeypatch) -> None:
    rng = np.random.default_rng(4)
    pixels = torch.from_numpy(rng.integers(0, 256, (12, SIZE, SIZE, 3), dtype=np.uint8))
    jitter = draw_jitter(12, SIZE, rng)
    whole = affine_jitter(pixels, jitter)
    assert whole.min() >= 0
    assert whole.max() <= 255
    monkeypatch.setattr(affine, "_PIECE", 5 * SIZE * SIZE * 3)
    torch.testing.assert_close(affine_jitter(pixels, jitter), whole, atol=1e-3, rtol=0)


def test_it_stays_near_domainbeds_form() -> None:
    rng = np.random.default_rng(5)
    coarse = torch.from_numpy(rng.integers(40, 200, (64, 3, 4, 4)).astype(np.float32))
    smooth = functional.resize(coarse, [SIZE, SIZE], antialias=False).permute(0, 2, 3, 1).to(torch.uint8)
    jitter = draw_jitter(64, SIZE, rng)
    difference = affine_jitter(smooth, jitter).numpy() - jitter_images(smooth.contiguous().numpy(), jitter)
    # Hue is the part that differs: without it the two agree to about a level.
    assert np.abs(difference).mean() < 12
    jitter.colours[:, HUE] = 0
    difference = affine_jitter(smooth, jitter).numpy() - jitter_images(smooth.contiguous().numpy(), jitter)
    assert np.abs(difference).mean() < 1.5
