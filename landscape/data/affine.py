"""The affine form of the jitter: one grid sample for a batch and one colour matrix an image.

Takes the draws of :mod:`landscape.data.jitter` and differs from torchvision's functions in four ways, none of
which matters to a network: samples at the crop's border may see the pixels just outside it, reductions are not
antialiased (crops are always enlarged, so there are none), values are rounded and clipped once at the end
instead of after every change, and the hue turns about the gray axis of RGB instead of around HSV's hexagon (the same
for thirds of a turn).
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from landscape.data.jitter import CONTRAST, HUE, SATURATION, Jitter

# ITU-R 601 luma, the gray of Pillow and torchvision.
LUMA = np.array([0.299, 0.587, 0.114])
# A batch is worked through in pieces of about this many values, which stay in the processor's cache.
_PIECE = 1_200_000


def affine_jitter(pixels: Tensor, jitter: Jitter) -> Tensor:
    """The jitter as affine maps of positions and colours.

    Args:
        pixels: (B, S, S, 3) uint8 on any device.
        jitter: B draws.

    Returns:
        (B, S, S, 3) float32 from 0 to 255 on the same device.
    """
    size = pixels.shape[1]
    maps = [torch.from_numpy(a.astype(np.float32)) for a in (position_map(jitter, size), *colour_map(jitter))]
    theta, linear, of_mean = (a.to(pixels.device) for a in maps)
    result = torch.empty(pixels.shape, dtype=torch.float32, device=pixels.device)
    piece = max(1, _PIECE // (3 * size * size)) if pixels.device.type == "cpu" else len(pixels)
    for start in range(0, len(pixels), piece):
        part = slice(start, start + piece)
        planes = pixels[part].permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
        grid = functional.affine_grid(theta[part], list(planes.shape), align_corners=False)
        cropped = functional.grid_sample(planes, grid, padding_mode="border", align_corners=False).flatten(2)
        offset = of_mean[part] @ cropped.mean(dim=2, keepdim=True)
        coloured = torch.baddbmm(offset, linear[part], cropped).clamp_(0, 255)
        result[part] = coloured.unflatten(2, (size, size)).permute(0, 2, 3, 1)
    return result


def position_map(jitter: Jitter, size: int) -> np.ndarray:
    """(B, 2, 3): output position to input position, both from -1 to 1 across the image (``affine_grid``'s theta)."""
    theta = np.zeros((len(jitter), 2, 3))
    theta[:, 0, 0] = jitter.width / size * np.where(jitter.flip, -1, 1)
    theta[:, 0, 2] = (2 * jitter.left + jitter.width) / size - 1
    theta[:, 1, 1] = jitter.height / size
    theta[:, 1, 2] = (2 * jitter.top + jitter.height) / size - 1
    return theta


def colour_map(jitter: Jitter) -> tuple[np.ndarray, np.ndarray]:
    r"""All colour changes as one map of a pixel x and the image's mean colour m: ``x -> A x + B m``.

    ==========  =====================================================================
    brightness  f x
    contrast    f x + (1 - f) g(m), g the luma; m is the mean at this point of the order
    saturation  f x + (1 - f) g(x)
    hue         x rotated by 2 pi f about the gray axis (1, 1, 1)
    grayscale   g(x)
    ==========  =====================================================================

    Returns:
        A and B, (B, 3, 3) each.
    """
    count = len(jitter)
    linear, of_mean = np.tile(np.eye(3), (count, 1, 1)), np.zeros((count, 3, 3))
    gray = np.tile(LUMA, (3, 1))
    for kinds in jitter.order.T:
        factor = np.take_along_axis(jitter.colours, kinds[:, None], axis=1)[:, :, None]
        is_contrast, is_saturation, is_hue = ((kinds == kind)[:, None, None] for kind in (CONTRAST, SATURATION, HUE))
        change = factor * np.eye(3) + np.where(is_saturation, (1 - factor) * gray, 0.0)
        change = np.where(is_hue, _hue_rotation(factor), change)
        # The mean of x -> A x + B m over the image is (A + B) m.
        about_mean = np.where(is_contrast, (1 - factor) * (gray @ (linear + of_mean)), 0.0)
        linear, of_mean = change @ linear, change @ of_mean + about_mean
    final = np.where(jitter.gray[:, None, None], gray, np.eye(3))
    return final @ linear, final @ of_mean


def _hue_rotation(turns: np.ndarray) -> np.ndarray:
    # Rodrigues' formula about (1, 1, 1) / sqrt(3): a third of a turn takes red to green to blue.
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    cos, sin = np.cos(2 * math.pi * turns), np.sin(2 * math.pi * turns)
    return cos * np.eye(3) + (1 - cos) / 3 + sin * cross
