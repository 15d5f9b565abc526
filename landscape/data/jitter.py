"""Jitter: the random crop, flip and colours of DomainBed's training images.

``RandomResizedCrop(S, scale=(0.7, 1))``, ``RandomHorizontalFlip``, ``ColorJitter(0.3, 0.3, 0.3, 0.3)`` and
``RandomGrayscale(0.1)``. torchvision's classes draw from torch's global generator, one image at a time; here
the same distributions are drawn for a whole batch from an explicit generator, and the pixels are computed
by the same functions. :mod:`landscape.data.affine` applies the same draws in a faster form.
"""

import math
from dataclasses import dataclass, fields

import numpy as np
from PIL import Image
from torchvision.transforms.v2 import functional

AREA = (0.7, 1.0)
ASPECT = (3 / 4, 4 / 3)
FLIP = 0.5
# Brightness, contrast and saturation factors lie in 1 +- STRENGTH, the hue's shift in +- STRENGTH turns.
STRENGTH = 0.3
GRAYSCALE = 0.1
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
_ATTEMPTS = 10


@dataclass(frozen=True, eq=False)
class Jitter:
    """What was drawn for each of B images."""

    top: np.ndarray
    """(B,) int64: the crop's first row."""
    left: np.ndarray
    """(B,) int64: the crop's first column."""
    height: np.ndarray
    """(B,) int64 rows."""
    width: np.ndarray
    """(B,) int64 columns."""
    flip: np.ndarray
    """(B,) bool."""
    order: np.ndarray
    """(B, 4) int64: the order of the colour changes, numbered as below."""
    colours: np.ndarray
    """(B, 4) float64: brightness, contrast and saturation factor, hue shift in turns."""
    gray: np.ndarray
    """(B,) bool."""

    def __len__(self) -> int:
        return len(self.top)

    def take(self, which: np.ndarray | slice) -> "Jitter":
        """The draws of some of the images."""
        return Jitter(*(getattr(self, item.name)[which] for item in fields(self)))


def draw_jitter(count: int, size: int, generator: np.random.Generator) -> Jitter:
    """Draw for `count` images of side `size`, in the distributions of torchvision's classes."""
    height, width = _crop_sides(count, size, generator)
    return Jitter(
        top=generator.integers(0, size - height + 1),
        left=generator.integers(0, size - width + 1),
        height=height,
        width=width,
        flip=generator.random(count) < FLIP,
        order=generator.permuted(np.tile(np.arange(4), (count, 1)), axis=1),
        colours=generator.uniform(-STRENGTH, STRENGTH, (count, 4)) + np.array([1.0, 1.0, 1.0, 0.0]),
        gray=generator.random(count) < GRAYSCALE,
    )


def _crop_sides(count: int, size: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    # RandomResizedCrop tries ten times to draw a crop that fits, and else takes the whole (square) image.
    area = size * size * generator.uniform(*AREA, (count, _ATTEMPTS))
    aspect = np.exp(generator.uniform(math.log(ASPECT[0]), math.log(ASPECT[1]), (count, _ATTEMPTS)))
    widths = np.rint(np.sqrt(area * aspect)).astype(np.int64)
    heights = np.rint(np.sqrt(area / aspect)).astype(np.int64)
    fits = (widths >= 1) & (widths <= size) & (heights >= 1) & (heights <= size)
    first, rows = fits.argmax(axis=1), np.arange(count)
    found = fits.any(axis=1)
    return np.where(found, heights[rows, first], size), np.where(found, widths[rows, first], size)


def jitter_images(pixels: np.ndarray, jitter: Jitter) -> np.ndarray:
    """DomainBed's augmentation with given draws: (B, S, S, 3) uint8 to (B, S, S, 3) uint8.

    Runs torchvision's functions on Pillow images, one after the other, as DomainBed does (and which is faster here
    than the same functions on tensors).
    """
    size = pixels.shape[1]
    change = {
        BRIGHTNESS: functional.adjust_brightness,
        CONTRAST: functional.adjust_contrast,
        SATURATION: functional.adjust_saturation,
        HUE: functional.adjust_hue,
    }
    boxes = np.stack([jitter.top, jitter.left, jitter.height, jitter.width], axis=1).tolist()
    result = np.empty_like(pixels)
    for i, (box, order, colours) in enumerate(zip(boxes, jitter.order.tolist(), jitter.colours.tolist(), strict=True)):
        image = functional.resized_crop(Image.fromarray(pixels[i]), *box, size=[size, size])
        if jitter.flip[i]:
            image = functional.horizontal_flip(image)
        for kind in order:
            image = change[kind](image, colours[kind])
        if jitter.gray[i]:
            image = functional.rgb_to_grayscale(image, num_output_channels=3)
        result[i] = np.asarray(image)
    return result
