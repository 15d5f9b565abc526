"""Where the images of an evaluation live: on the device if they fit, else they are gathered batch by batch."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class ResidentImages:
    """Selected images as bytes, handed out in order in normalised batches on the device.

    On a CPU a batch is gathered from the (memory-mapped) array when it is needed, so that data larger than the
    memory works. On an accelerator the selected images are moved once, if they take at most half of its free
    memory, and normalised there.

    Args:
        pixels: (N, S, S, 3) uint8.
        rows: (n,) int64 images to hand out.
        device: where to.
        mean: input normalisation per colour, in units of pixel / 255.
        std: likewise.
    """

    def __init__(
        self, pixels: np.ndarray, rows: np.ndarray, device: torch.device, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        self.pixels, self.rows, self.device = pixels, rows, device
        self._side = pixels.shape[2]
        # On the device once: a constant that is made for every batch makes the host wait for the device.
        scale = [1 / (255 * s) for s in std] * self._side
        shift = [m / s for m, s in zip(mean, std, strict=True)] * self._side
        self._scale = torch.tensor(scale, dtype=torch.float32, device=device)
        self._shift = torch.tensor(shift, dtype=torch.float32, device=device)
        self._resident: Tensor | None = None
        if device.type == "cuda":
            size = len(rows) * int(np.prod(pixels.shape[1:]))
            if size <= torch.cuda.mem_get_info(device)[0] // 2:
                self._resident = torch.empty((len(rows), *pixels.shape[1:]), dtype=torch.uint8, device=device)
                for start in range(0, len(rows), 4096):
                    self._resident[start : start + 4096] = self._gather(start, start + 4096)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, start: int, stop: int) -> Tensor:
        """(stop - start, 3, S, S) float32 on the device, as :func:`landscape.data.normalise` makes them."""
        held = self._resident
        pixels = held[start:stop] if held is not None else self._gather(start, stop).to(self.device)
        scaled = pixels.flatten(2).float().mul_(self._scale).sub_(self._shift)
        return scaled.unflatten(2, (self._side, 3)).permute(0, 3, 1, 2)

    def _gather(self, start: int, stop: int) -> Tensor:
        # Indexing by an array copies: torch may not write to a read-only map, and says so.
        return torch.from_numpy(self.pixels[self.rows[start:stop]])
