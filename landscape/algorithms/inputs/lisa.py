"""LISA: images of one class and two domains are mixed, or of one domain and two classes."""

from typing import cast

import numpy as np
import torch
from torch import Tensor

from landscape.algorithms.algorithm import Setup
from landscape.algorithms.composed import Composed, Metrics
from landscape.algorithms.inputs.cutmix import drawn_box, pasted
from landscape.algorithms.inputs.mixup import mixed_batch
from landscape.algorithms.inputs.versions import beside
from landscape.algorithms.rows.inputs import LISAOptions
from landscape.data import Minibatch
from landscape.seeding import numpy_generator, torch_generator


def build(setup: Setup) -> "LISA":
    """LISA (Yao et al. 2022, "Improving Out-of-Distribution Robustness via Selective Augmentation", section 3)."""
    return LISA(setup)


class LISA(Composed):
    """ERM on mixtures of each image with a partner, in both orders: twice the images, so twice the cost.

    An image without a partner stays as it is; ``unpaired`` is the share of them. Published code draws partners of the
    same class from any domain; here they are from another one, as in the paper.
    """

    def update(self, batch: Minibatch, step: int) -> Metrics:
        """One update; `step` counts from 1."""
        options, classes = cast(LISAOptions, self.config.options), self.network.num_classes
        generator = numpy_generator(self.config.seed, "algorithm", step, "lisa")
        domains, size = batch.labels.shape
        same_class = bool(generator.random() < options.same_class)
        scores = torch.rand(domains * size, domains * size, generator=self._pairs(step)).to(self.device)
        partner = partners(batch.labels, scores, same_class=same_class)
        both = beside(batch, _taken(batch, partner))
        other = np.flip(np.arange(2 * domains * size).reshape(domains, 2, size), 1).flatten()
        if options.mix == "cutmix":
            where = drawn_box(both, options.alpha, generator)
            mixed = pasted(both, torch.from_numpy(other).to(self.device), where, classes)
        else:
            own = generator.beta(options.alpha, options.alpha, (domains, 1, size))
            mixed = mixed_batch(both, np.repeat(own, 2, 1).flatten(), other, classes)
        alone = partner == torch.arange(domains * size, device=self.device)
        return {**super().update(mixed, step), "unpaired": alone.float().mean()}

    def _pairs(self, step: int) -> torch.Generator:
        return torch_generator(self.config.seed, "algorithm", step, "pairs")


def partners(labels: Tensor, scores: Tensor, *, same_class: bool) -> Tensor:
    """Of the images that an image may be paired with, the one with the highest score; else the image itself.

    Args:
        labels: (n, B) int64.
        scores: (n B, n B) in [0, 1), for each image and partner.
        same_class: partners of the same class and another domain; else of the same domain and another class.
    """
    flat = labels.flatten()
    domain = torch.arange(len(labels), device=labels.device).repeat_interleave(labels.shape[1])
    alike, close = flat[:, None] == flat, domain[:, None] == domain
    allowed = alike & ~close if same_class else close & ~alike
    best, partner = scores.masked_fill(~allowed, -1.0).max(1)
    return torch.where(best >= 0, partner, torch.arange(len(flat), device=labels.device))


def _taken(batch: Minibatch, index: Tensor) -> Minibatch:
    shape = batch.labels.shape
    images = batch.images.flatten(0, 1)[index].unflatten(0, shape)
    # Which rows these are would be a wait for the device; nothing after an update's inputs reads them.
    return Minibatch(images, batch.labels.flatten()[index].unflatten(0, shape), batch.rows)
