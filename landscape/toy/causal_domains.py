"""Causal synthetic data: vectors of which it is known whether they carry what is invariant between domains.

The label Y is drawn first. An *invariant* instance shows Y in features whose meaning is the same everywhere; a
*specific* one shows it in features whose meaning each domain draws for itself, so that nothing learned from it holds
elsewhere:

    invariant:  x = (mu_y + sigma e, sigma e')
    specific:   x = (sigma e, nu_{d,y} + sigma e')

with standard normal e, e', class means mu_y that all domains share and nu_{d,y} that belong to domain d. An instance of
domain d is invariant with probability p_d. The p_d differ, so that a weight that only knows the domain is found out by
comparing within domains.
"""

from dataclasses import dataclass

import numpy as np

from landscape.seeding import numpy_generator


@dataclass(frozen=True)
class CausalSample:
    """Vectors of n domains.

    Attributes:
        x: (n, B, 2 q) float32.
        labels: (n, B) int64.
        invariant: (n, B) bool: whether the instance shows its label in the shared features.
    """

    x: np.ndarray
    labels: np.ndarray
    invariant: np.ndarray


@dataclass(frozen=True)
class CausalDomains:
    """A family of domains, drawn from a trial seed.

    Attributes:
        shares: p_d, one for each domain.
        classes: K.
        features: q, shared features, and as many domain-specific ones.
        noise: sigma; the class means have unit variance in every feature.
        seed: trial seed.
    """

    shares: tuple[float, ...] = (0.7, 0.5, 0.3)
    classes: int = 4
    features: int = 8
    noise: float = 0.5
    seed: int = 0

    def sample(self, count: int, *parts: int | str) -> CausalSample:
        """Draw `count` instances of every domain; `parts` (a step, a name) tell draws apart."""
        shared, own = self._means()
        generator = numpy_generator(self.seed, "data", "causal", *parts)
        shape = (len(self.shares), count)
        labels = generator.integers(0, self.classes, shape)
        invariant = generator.random(shape) < np.array(self.shares)[:, None]
        x = self.noise * generator.standard_normal((*shape, 2, self.features))
        x[:, :, 0] += np.where(invariant[..., None], shared[labels], 0.0)
        domain = np.arange(len(self.shares))[:, None]
        x[:, :, 1] += np.where(invariant[..., None], 0.0, own[domain, labels])
        return CausalSample(x.reshape(*shape, -1).astype(np.float32), labels, invariant)

    def _means(self) -> tuple[np.ndarray, np.ndarray]:
        """Class means: shared ones mu (K, q), and each domain's own nu (n, K, q)."""
        generator = numpy_generator(self.seed, "data", "causal means")
        shared = generator.standard_normal((self.classes, self.features))
        return shared, generator.standard_normal((len(self.shares), self.classes, self.features))
