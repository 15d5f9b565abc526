"""RandAugment (Cubuk et al. 2020): a few of fourteen operations, drawn at random, on every image.

torchvision's class draws from torch's global generator, one image at a time; here the same distributions are drawn
for a whole batch from an explicit generator, and the pixels are computed by the same functions.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from torchvision.transforms.v2 import functional

Operation = Callable[[Image.Image, float], Image.Image]

_STRENGTHS = 30  # the largest magnitude


@dataclass(frozen=True)
class RandAugment:
    """The settings: `operations` for an image, one after the other, of strength `magnitude` (0 to 30)."""

    operations: int = 2
    magnitude: int = 9


def randaugment(pixels: np.ndarray, setting: RandAugment, generator: np.random.Generator) -> np.ndarray:
    """Augmented images: (B, S, S, 3) uint8 to (B, S, S, 3) uint8.

    What an operation uncovers is black. Operations are drawn with replacement, signs by fair coins.
    """
    shape = len(pixels), setting.operations
    chosen = generator.integers(0, len(OPERATIONS), shape)
    signs = generator.choice([-1.0, 1.0], shape)
    return apply_operations(pixels, chosen, signs, setting.magnitude)


def apply_operations(pixels: np.ndarray, chosen: np.ndarray, signs: np.ndarray, magnitude: int) -> np.ndarray:
    """The operations `chosen` (B, n), numbered as in :data:`OPERATIONS`, in their order; `signs` (B, n) is 1 or -1."""
    share, size = magnitude / _STRENGTHS, pixels.shape[1]
    operations = list(OPERATIONS.values())
    result = np.empty_like(pixels)
    for i, numbers in enumerate(chosen.tolist()):
        image = Image.fromarray(pixels[i])
        for number, sign in zip(numbers, signs[i].tolist(), strict=True):
            operation, strength = operations[number]
            image = operation(image, strength(share, size, sign))
        result[i] = np.asarray(image)
    return result


def _affine(
    image: Image.Image, *, translate: tuple[int, int] = (0, 0), shear: tuple[float, float] = (0, 0)
) -> Image.Image:
    # Shears are about the upper left corner, as in AutoAugment.
    center = [0, 0] if any(shear) else None
    degrees = [math.degrees(math.atan(each)) for each in shear]
    moved: Image.Image = functional.affine(
        image, angle=0, translate=list(translate), scale=1, shear=degrees, center=center
    )
    return moved


def _signed(largest: float) -> Callable[[float, int, float], float]:
    return lambda share, size, sign: sign * share * largest


def _translation(share: float, size: int, sign: float) -> float:
    # AutoAugment's 150 pixels of an image of 331.
    return sign * share * 150 / 331 * size


def _none(share: float, size: int, sign: float) -> float:
    return 0.0


# Each with what it makes of a share of the largest strength, the image's side and a sign.
OPERATIONS: dict[str, tuple[Operation, Callable[[float, int, float], float]]] = {
    "Identity": (lambda image, _: image, _none),
    "ShearX": (lambda image, level: _affine(image, shear=(level, 0)), _signed(0.3)),
    "ShearY": (lambda image, level: _affine(image, shear=(0, level)), _signed(0.3)),
    "TranslateX": (lambda image, level: _affine(image, translate=(int(level), 0)), _translation),
    "TranslateY": (lambda image, level: _affine(image, translate=(0, int(level))), _translation),
    "Rotate": (lambda image, level: functional.rotate(image, level), _signed(30)),
    "Brightness": (lambda image, level: functional.adjust_brightness(image, 1 + level), _signed(0.9)),
    "Color": (lambda image, level: functional.adjust_saturation(image, 1 + level), _signed(0.9)),
    "Contrast": (lambda image, level: functional.adjust_contrast(image, 1 + level), _signed(0.9)),
    "Sharpness": (lambda image, level: functional.adjust_sharpness(image, 1 + level), _signed(0.9)),
    "Posterize": (
        lambda image, bits: functional.posterize(image, int(bits)),
        lambda share, size, sign: 8 - round(4 * share),
    ),
    "Solarize": (lambda image, bound: functional.solarize(image, bound), lambda share, size, sign: 255 * (1 - share)),
    "AutoContrast": (lambda image, _: functional.autocontrast(image), _none),
    "Equalize": (lambda image, _: functional.equalize(image), _none),
}
