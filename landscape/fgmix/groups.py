"""Which instances are mixed: one of the same class from every source domain (paper, section 3.1).

The paper does not say how the class is drawn. The default here is anchor-proportional, so that the mixup codes
have the class frequencies of the batch; uniform over the common classes is the option.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from landscape.errors import InputError

GroupRule = Literal["anchor", "uniform"]


@dataclass(frozen=True)
class Groups:
    """M' groups of n' instances; the members of a group share a class and come from different sources."""

    rows: Tensor
    """(M', n') int64 indices into the pooled batch, domain by domain: instance b of source d is row d B + b."""
    labels: Tensor
    """(M',) int64 class of each group."""
    domains: Tensor
    """(M', n') int64 source of each member, ascending within a group."""
    requested: int
    """Groups that were asked for; M' is smaller where no class is shared."""

    def __len__(self) -> int:
        return self.rows.shape[0]

    @property
    def size(self) -> int:
        """Members of a group, n'."""
        return self.rows.shape[1]


def sample_groups(
    labels: Tensor,
    *,
    count: int,
    generator: np.random.Generator,
    rule: GroupRule = "anchor",
    domains_per_mixup: int = 0,
) -> Groups:
    """Draw groups of same-class instances, one instance from each source domain.

    - ``anchor``: draw an original sample uniformly from the pooled batch. Its class decides, and it is itself the
      member from its own source; the partners are drawn uniformly among the samples of that class in each of the
      other sources. A class therefore appears as often as in the batch, and every sample is as likely to be used
      as any other.
    - ``uniform``: draw a class uniformly among those that enough sources have, then one sample of it from each.

    Only classes that n' sources have in this batch take part. Where there is none, n' falls to the largest number
    of sources (at least 2) that share a class, for all groups alike; where no two sources share a class, M' = 0.
    Draws are independent: a sample may serve in several groups.

    >>> labels = torch.tensor([[0, 1, 1], [1, 0, 2]])
    >>> groups = sample_groups(labels, count=4, generator=np.random.default_rng(0))
    >>> bool((labels.flatten()[groups.rows] == groups.labels[:, None]).all()), groups.domains[0].tolist()
    (True, [0, 1])

    Args:
        labels: (n, B) class indices of the minibatches of the n sources.
        count: number of groups M.
        generator: source of randomness.
        rule: how the class of a group is drawn.
        domains_per_mixup: number of sources per group, drawn anew for each; 0 means all n (section 3.4).

    Returns:
        The groups, on the device of `labels`.

    Raises:
        InputError: `domains_per_mixup` is 1 or exceeds the number of sources.
    """
    sources, batch = labels.shape
    if domains_per_mixup == 1 or domains_per_mixup > sources:
        raise InputError(
            f"domains_per_mixup is {domains_per_mixup} with {sources} source domains; "
            f"expected 0 (all of them) or a number from 2 to {sources}."
        )
    pool = _Pool(labels.cpu().numpy().reshape(-1), np.repeat(np.arange(sources), batch), sources)
    size = min(domains_per_mixup or sources, pool.widest)
    if size < 2:
        return _groups(np.empty((0, max(size, 2)), np.int64), pool, count, labels.device)

    eligible = pool.sharing >= size
    if rule == "anchor":
        anchors = generator.choice(np.flatnonzero(eligible[pool.labels]), count)
        classes = pool.labels[anchors]
    else:
        anchors = None
        classes = generator.choice(np.flatnonzero(eligible), count)

    # The sources of each group: those with the smallest random keys among the sources that have the class.
    keys = generator.random((count, sources))
    keys[pool.counts[:, classes].T == 0] = np.inf
    if anchors is not None:
        keys[np.arange(count), pool.domains[anchors]] = -1.0
    chosen = np.sort(np.argsort(keys, axis=1)[:, :size], axis=1)
    return _groups(pool.draw(chosen, classes, anchors, generator), pool, count, labels.device)


def anchored_groups(labels: Tensor, domains: Tensor, *, generator: np.random.Generator) -> Groups:
    """One group per sample: the sample itself and a random same-class partner from every other source.

    For evaluating the mixup distribution over whole data sets, where every sample serves as the anchor once.
    Samples whose class is missing in a source are left out (``requested - len(groups)`` counts them).

    >>> labels, domains = torch.tensor([0, 1, 1, 2]), torch.tensor([0, 0, 1, 1])
    >>> groups = anchored_groups(labels, domains, generator=np.random.default_rng(0))
    >>> groups.rows, groups.requested
    (tensor([[1, 2],
            [1, 2]]), 4)

    Args:
        labels: (N,) class indices.
        domains: (N,) source of each sample, 0 to n - 1.
        generator: source of randomness.

    Returns:
        Groups whose rows index `labels`, in the order of the samples.
    """
    source = domains.cpu().numpy()
    sources = int(source.max()) + 1 if len(source) else 0
    pool = _Pool(labels.cpu().numpy(), source, sources)
    if pool.widest < max(sources, 2):
        return _groups(np.empty((0, max(sources, 2)), np.int64), pool, len(source), labels.device)
    anchors = np.flatnonzero((pool.sharing == sources)[pool.labels])
    chosen = np.broadcast_to(np.arange(sources), (len(anchors), sources))
    rows = pool.draw(chosen, pool.labels[anchors], anchors, generator)
    return _groups(rows, pool, len(source), labels.device)


class _Pool:
    """Samples sorted by (source, class), so that a random member of either is one look-up."""

    def __init__(self, labels: np.ndarray, domains: np.ndarray, sources: int):
        classes = int(labels.max()) + 1 if len(labels) else 0
        cell = domains * classes + labels
        self.labels, self.domains = labels, domains
        self.order = np.argsort(cell, kind="stable")
        self.counts = np.bincount(cell, minlength=sources * classes).reshape(sources, classes)
        self.start = (np.cumsum(self.counts) - self.counts.reshape(-1)).reshape(sources, classes)
        self.sharing = (self.counts > 0).sum(0)
        self.widest = int(self.sharing.max()) if classes else 0

    def draw(
        self, chosen: np.ndarray, classes: np.ndarray, anchors: np.ndarray | None, generator: np.random.Generator
    ) -> np.ndarray:
        """Rows (M, n'): of each chosen source a random sample of the group's class, or the anchor itself."""
        cells = chosen, classes[:, None]
        rows = self.order[self.start[cells] + generator.integers(0, self.counts[cells])]
        if anchors is not None:
            rows = np.where(chosen == self.domains[anchors][:, None], anchors[:, None], rows)
        return rows


def _groups(rows: np.ndarray, pool: _Pool, requested: int, device: torch.device) -> Groups:
    return Groups(
        rows=torch.from_numpy(rows).to(device),
        labels=torch.from_numpy(pool.labels[rows[:, 0]]).to(device),
        domains=torch.from_numpy(pool.domains[rows]).to(device),
        requested=requested,
    )
