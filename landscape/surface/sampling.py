"""A stratified sample of the images, and what it says about all of them, with an interval."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from landscape.data import Task
from landscape.data.strata import draw_strata
from landscape.seeding import numpy_generator

Weighting = Literal["images", "classes"]
_Z = float(stats.norm.ppf(0.975))


@dataclass(frozen=True, eq=False)
class Sample:
    r"""Images drawn without replacement from every stratum: domain, split and class.

    A mean over all images is estimated as :math:`\sum_h a_h \bar v_h` with the strata's true shares
    :math:`a_h`; its variance is :math:`\sum_h a_h^2 (1 - n_h / N_h) s_h^2 / n_h` (Cochran, Sampling Techniques,
    section 5.4). A stratum with one image drawn of several says nothing about its spread: at least two are drawn.

    Attributes:
        rows: (n,) indices of the images that were drawn, rising.
        stratum: (n,) stratum of each.
        size: (H,) images of each stratum in the data, :math:`N_h`.
        domain: (H,) domain index of each stratum.
        held_out: (H,) whether it is of the "out" split.
        label: (H,) class index.
    """

    rows: np.ndarray
    stratum: np.ndarray
    size: np.ndarray
    domain: np.ndarray
    held_out: np.ndarray
    label: np.ndarray

    @classmethod
    def of(cls, task: Task, count: int, *, seed: int = 0) -> "Sample":
        """Draw about `count` images, in proportion to the strata, at least two of each.

        Raises:
            InputError: `count` is not positive.
        """
        images = task.images
        keys = np.stack([images.domain, task.split.held_out.astype(np.int64), images.labels], axis=1)
        strata, stratum, size = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        stratum = stratum.reshape(-1)
        generator = numpy_generator(seed, "evaluation", "subset")
        rows = draw_strata(stratum, count, lambda members, n, _: generator.permutation(members)[:n], least=2)
        return cls(rows, stratum[rows], size, strata[:, 0], strata[:, 1].astype(bool), strata[:, 2])

    def __len__(self) -> int:
        return len(self.rows)

    def estimate(self, values: np.ndarray, strata: np.ndarray, weighting: Weighting = "images") -> tuple[float, float]:
        """Mean over all images of some strata, and half of its 95 % interval.

        Args:
            values: (n,) one value for each image that was drawn.
            strata: (H,) bool: the strata to pool.
            weighting: ``images`` counts every image alike, ``classes`` every class.

        Returns:
            Estimate and half-width; NaN over no image.
        """
        share = np.where(strata, self.size, 0).astype(np.float64)
        if not share.any():
            return math.nan, math.nan
        if weighting == "classes":
            per_class = np.bincount(self.label, weights=share)
            share = share / np.where(per_class > 0, per_class, 1)[self.label]
        share /= share.sum()
        count = len(self.size)
        n = np.bincount(self.stratum, minlength=count)
        with np.errstate(invalid="ignore"):  # an infinite loss makes an infinite mean and no interval
            mean = np.bincount(self.stratum, weights=values, minlength=count) / np.maximum(n, 1)
            square = np.bincount(self.stratum, weights=(values - mean[self.stratum]) ** 2, minlength=count)
            variance = square / np.maximum(n - 1, 1) * (1 - n / self.size) / np.maximum(n, 1)
            used = share > 0
            total = float((share[used] * mean[used]).sum())
            return total, _Z * math.sqrt(float((share[used] ** 2 * variance[used]).sum()))


def stratum_masks(sample: Sample, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """(H,) bool: the strata of the train and of the test images."""
    images, rows = task.images, np.zeros((2, len(task.images)), dtype=bool)
    rows[0, task.source_rows("in")] = True
    rows[1, task.target_rows()] = True
    masks = []
    for chosen in rows:
        keys = {*zip(images.domain[chosen], task.split.held_out[chosen], images.labels[chosen], strict=True)}
        strata = zip(sample.domain, sample.held_out, sample.label, strict=True)
        masks.append(np.array([key in keys for key in strata]))
    return masks[0], masks[1]
