"""DomainBed's augmentation: draws in torchvision's distributions, pixels of torchvision's classes."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torchvision import transforms
from torchvision.transforms import v2

from landscape.data.jitter import BRIGHTNESS, CONTRAST, HUE, SATURATION, draw_jitter, jitter_images

SIZE, COUNT = 32, 3000


@pytest.fixture(scope="module")
def drawn():
    return draw_jitter(COUNT, SIZE, np.random.default_rng(0))


@pytest.fixture(scope="module")
def torchvisions_crops() -> np.ndarray:
    image = Image.new("RGB", (SIZE, SIZE))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return np.array(
            [transforms.RandomResizedCrop.get_params(image, [0.7, 1.0], [3 / 4, 4 / 3]) for _ in range(COUNT)]
        )


@pytest.fixture(scope="module")
def torchvisions_colours() -> tuple[np.ndarray, np.ndarray]:
    ranges = ((0.7, 1.3), (0.7, 1.3), (0.7, 1.3), (-0.3, 0.3))
    with torch.random.fork_rng():
        torch.manual_seed(2)
        drawn = [transforms.ColorJitter.get_params(*ranges) for _ in range(COUNT)]
    return np.array([order.numpy() for order, *_ in drawn]), np.array([factors for _, *factors in drawn])


def same_distribution(one: np.ndarray, two: np.ndarray) -> bool:
    return stats.ks_2samp(one, two).pvalue > 0.001


def test_crops_have_torchvisions_distribution(drawn, torchvisions_crops: np.ndarray) -> None:
    top, left, height, width = torchvisions_crops.T
    for ours, theirs in [
        (drawn.top, top),
        (drawn.left, left),
        (drawn.height, height),
        (drawn.width, width),
        (drawn.height * drawn.width, height * width),
        (drawn.top / (SIZE + 1 - drawn.height), top / (SIZE + 1 - height)),
    ]:
        assert same_distribution(ours, theirs)
    assert abs(np.mean((drawn.height == SIZE) & (drawn.width == SIZE)) - np.mean(width * height == SIZE**2)) < 0.01


def test_crops_lie_inside(drawn) -> None:
    for start, side in ((drawn.top, drawn.height), (drawn.left, drawn.width)):
        assert start.min() >= 0
        assert side.min() >= 1
        assert (start + side).max() <= SIZE


def test_colours_have_torchvisions_distribution(drawn, torchvisions_colours: tuple[np.ndarray, np.ndarray]) -> None:
    orders, factors = torchvisions_colours
    for kind in range(4):
        assert same_distribution(drawn.colours[:, kind], factors[:, kind])
        places = [np.bincount(np.argmax(o == kind, axis=1), minlength=4) for o in (drawn.order, orders)]
        assert stats.chi2_contingency(places).pvalue > 0.001
    assert (np.sort(drawn.order, axis=1) == np.arange(4)).all()
    # Independent of one another.
    assert np.abs(np.corrcoef(drawn.colours.T) - np.eye(4)).max() < 0.07


def test_flip_and_gray_shares(drawn) -> None:
    assert abs(drawn.flip.mean() - 0.5) < 4 * np.sqrt(0.25 / COUNT)
    assert abs(drawn.gray.mean() - 0.1) < 4 * np.sqrt(0.09 / COUNT)


def test_a_size_where_hardly_any_crop_fits() -> None:
    drawn = draw_jitter(200, 1, np.random.default_rng(0))
    assert (drawn.height == 1).all()
    assert (drawn.top == 0).all()


def test_pixels_equal_torchvisions_classes_given_the_draws() -> None:
    rng = np.random.default_rng(3)
    smooth = rng.integers(0, 256, (40, 5, 5, 3), dtype=np.uint8)
    pixels = np.stack([np.asarray(Image.fromarray(p).resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for p in smooth])
    jitter = draw_jitter(len(pixels), SIZE, rng)
    result = jitter_images(pixels, jitter)
    crop = v2.RandomResizedCrop(SIZE, scale=(0.7, 1.0))
    flip, gray = v2.RandomHorizontalFlip(), v2.RandomGrayscale()
    colour = v2.ColorJitter(0.3, 0.3, 0.3, 0.3)
    assert jitter.gray.any()
    for i in range(len(pixels)):
        box = {name: int(getattr(jitter, name)[i]) for name in ("top", "left", "height", "width")}
        image = crop.transform(Image.fromarray(pixels[i]), box)
        if jitter.flip[i]:
            image = flip.transform(image, {})
        names = {BRIGHTNESS: "brightness", CONTRAST: "contrast", SATURATION: "saturation", HUE: "hue"}
        factors = {f"{name}_factor": float(jitter.colours[i, kind]) for kind, name in names.items()}
        image = colour.transform(image, {"fn_idx": torch.from_numpy(jitter.order[i])} | factors)
        if jitter.gray[i]:
            image = gray.transform(image, {"num_input_channels": 3})
        np.testing.assert_array_equal(result[i], np.asarray(image))


def test_take_selects_images(drawn) -> None:
    rows = np.array([5, 3, 3])
    taken = drawn.take(rows)
    assert len(taken) == 3
    np.testing.assert_array_equal(taken.order, drawn.order[rows])
    np.testing.assert_array_equal(taken.gray, drawn.gray[rows])
