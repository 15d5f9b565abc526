"""Where the images of an evaluation live: on the device if they fit, else they are gathered batch by batch."""

import numpy as np
import torch
from torch import Tensor


class ResidentPixels:
    """Selected images as bytes, handed out in order in batches on the device.

    On a CPU a batch is gathered from the (memory-mapped) array when it is needed, so that data larger than the
    memory works. On an accelerator the selected images are moved once, if they take at most half of its free
    memory.

    Args:
        pixels: (N, S, S, 3) uint8.
        rows: (n,) int64 images to hand out.
        device: where to.
    """

    def __init__(self, pixels: np.ndarray, rows: np.ndarray, device: torch.device) -> None:
        self.pixels, self.rows, self.device = pixels, rows, device
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
        """(stop - start, S, S, 3) uint8 on the device."""
        if self._resident is not None:
            return self._resident[start:stop]
        return self._gather(start, stop).to(self.device)

    def _gather(self, start: int, stop: int) -> Tensor:
        # Indexing by an array copies: torch may not write to a read-only map, and says so.
        return torch.from_numpy(self.pixels[self.rows[start:stop]])
