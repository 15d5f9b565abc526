"""Does FGMix's policy weigh invariant instances more? On causal synthetic data, where they are known.

The paper assigns larger weights to instances that carry more invariant information (section 3.2). Here FGMix is trained
on :mod:`landscape.toy.causal_domains` with its real objects and a small MLP, and the weights of its policy are compared
with what the instances carry, beside cosine weights, random weights, and the same policy before its first step.
"""

import json
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from landscape.config import MixupConfig, RunConfig
from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.interval import Mean
from landscape.figures.numbers.seeds import in_words
from landscape.plots.invariance import plot_invariance
from landscape.seeding import numpy_generator, torch_seed
from landscape.storage import atomic_write, digest
from landscape.toy.causal_domains import CausalDomains

if TYPE_CHECKING:
    from landscape.algorithms.loops.fgmix import FGMix
    from landscape.data import Minibatch

FORMAT = 1
KINDS = {
    "learned": "FGMix's policy",
    "cosine": "cosine of the gradients (C)",
    "random": "random (A)",
    "untrained": "FGMix's policy before training",
}
MEASURES = {"within": "within groups", "domain": "within domains"}


@dataclass(frozen=True)
class Setting:
    """What the measurement depends on.

    Attributes:
        seeds: trial seeds: data, network, policy, batches.
        steps: updates.
        start: T0.
        batch: instances of each domain in a step, and in a step's worth of held-out groups.
        groups: held-out groups that are weighed.
        lr: Adam's.
        hidden: width of the featurizer's hidden layer.
        codes: D.
        domains: the data.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    steps: int = 400
    start: int = 200
    batch: int = 32
    groups: int = 2000
    lr: float = 1e-3
    hidden: int = 64
    codes: int = 32
    domains: CausalDomains = field(default_factory=CausalDomains)

    @property
    def config(self) -> RunConfig:
        """FGMix's settings: the preset's but for schedule and learning rate."""
        mixup = MixupConfig(start=self.start, codes=self.batch)
        return RunConfig(algorithm="fgmix", lr=self.lr, steps=self.steps, precision="fp32", mixup=mixup)


def measure(study: Study, setting: Setting | None = None) -> pd.DataFrame:
    """ROC-AUC of a weight for "the instance is invariant"; one row for each seed and kind of weights.

    Columns ``within``: over pairs of an invariant and a specific instance of the same group, the share in which the
    invariant one weighs more. ``domain``: the same over pairs from the same domain, whatever their group, averaged over
    domains. ``lambda``: the trained policy's.
    """
    setting = setting or Setting()
    key = digest(str(FORMAT), json.dumps([asdict(setting), asdict(setting.config.mixup)], sort_keys=True))
    path = study.results / f"weights-vs-invariance-{key[:8]}.json"
    if path.is_file():
        return pd.DataFrame(json.loads(path.read_text()))
    rows = [row for seed in setting.seeds for row in _of_seed(setting, seed)]
    atomic_write(path, json.dumps(rows, indent=1) + "\n")
    return pd.DataFrame(rows)


def make(study: Study) -> Product:
    """Weights against known invariance on causal synthetic data (beyond both papers)."""
    setting = Setting()
    table = measure(study, setting)
    means = {
        (measure_, kind): Mean.of(table[table["weights"] == kind][measure_].to_numpy())
        for measure_ in MEASURES
        for kind in KINDS
    }
    rows = [
        {"weights": words} | {f"AUC {MEASURES[m]}": in_words(means[m, kind], ".3f") for m in MEASURES}
        for kind, words in KINDS.items()
    ]
    n = len(setting.seeds)
    shares = ", ".join(f"{share:g}" for share in setting.domains.shares)
    return Product(
        caption=f"Causal synthetic data, {len(setting.domains.shares)} source domains with {shares} invariant "
        f"instances, {setting.domains.classes} classes; an MLP, {setting.steps} steps (T0 {setting.start}). ROC-AUC of "
        f"the mixing weight for 'this instance is invariant' in {setting.groups} held-out groups; 0.5 is chance. "
        f"Points: {n} trial seeds; lines: mean and 95 % t-interval over them.",
        finding=_finding(means),
        figures={"": plot_invariance(table, means, KINDS, MEASURES)},
        tables={"": pd.DataFrame(rows), "values": table},
        facts={"seeds": list(setting.seeds), "n": n},
        notes=(
            "A group has one instance from each domain, so pairs within a group come from different domains; pairs "
            "within a domain show whether the weight knows more than the domain.",
            "This is one synthetic family. It says whether the mechanism can work, and nothing of images.",
        ),
    )


def _of_seed(setting: Setting, seed: int) -> list[dict[str, float | str]]:
    import torch

    from landscape.fgmix import classifier_gradients, cosine_weights, dirichlet_weights, sample_groups

    domains = replace(setting.domains, seed=seed)
    algorithm, untrained = _train(setting, domains, seed)
    sample = domains.sample(16 * setting.batch, "held out")
    labels = torch.from_numpy(sample.labels)
    algorithm.network.eval()
    with torch.no_grad():
        codes = algorithm.network.featurizer(torch.from_numpy(sample.x).flatten(0, 1))
    gradients = classifier_gradients(algorithm.network.classifier, codes, labels.flatten())
    groups = sample_groups(labels, count=setting.groups, generator=numpy_generator(seed, "evaluation", "groups"))
    generator = numpy_generator(seed, "evaluation", "weights")
    with torch.no_grad():
        learned = algorithm.policy(codes, gradients, groups)
        algorithm.policy.load_state_dict(untrained)
        weights = {
            "learned": learned.scaled,
            "cosine": cosine_weights(gradients, groups.rows),
            "random": dirichlet_weights(len(groups), groups.size, 1.0, generator),
            "untrained": algorithm.policy(codes, gradients, groups).scaled,
        }
    invariant = sample.invariant.reshape(-1)[groups.rows.numpy()]
    member = groups.domains.numpy()
    return [
        {
            "seed": seed,
            "weights": kind,
            "within": auc_within(values.double().numpy(), invariant),
            "domain": auc_by_domain(values.double().numpy(), invariant, member),
            "lambda": float(learned.scale),
        }
        for kind, values in weights.items()
    ]


def _train(setting: Setting, domains: CausalDomains, seed: int) -> "tuple[FGMix, dict]":
    """FGMix after its last step, and its policy's state before the first."""
    from torch import nn

    from landscape.algorithms import Facts, Setup
    from landscape.algorithms.loops.fgmix import FGMix
    from landscape.models import Network

    with torch_seed(seed, "model"):
        width = 2 * domains.features
        featurizer = nn.Sequential(
            nn.Linear(width, setting.hidden), nn.ReLU(), nn.Linear(setting.hidden, setting.codes), nn.ReLU()
        )
        network = Network(
            featurizer,
            nn.Linear(setting.codes, domains.classes),
            feature_dim=setting.codes,
            num_classes=domains.classes,
            batch_norm="train",
            name="an MLP",
        )
    with torch_seed(seed, "policy"):
        domain_names = tuple(f"domain {share:g}" for share in domains.shares)
        class_names = tuple(str(k) for k in range(domains.classes))
        facts = Facts(domain_names, class_names, (setting.batch,) * len(domain_names))
        algorithm = FGMix(Setup(network, setting.config.replace(seed=seed), facts))
    untrained = {name: tensor.clone() for name, tensor in algorithm.policy.state_dict().items()}
    network.train()
    for step in range(1, setting.steps + 1):
        algorithm.update(_batch(domains, setting.batch, step), step)
    return algorithm, untrained


def _batch(domains: CausalDomains, count: int, step: int) -> "Minibatch":
    import torch

    from landscape.data import Minibatch

    sample = domains.sample(count, step)
    rows = np.arange(sample.labels.size).reshape(sample.labels.shape)
    return Minibatch(torch.from_numpy(sample.x), torch.from_numpy(sample.labels), rows)


def auc_within(weights: np.ndarray, positive: np.ndarray) -> float:
    """Share of pairs within a group, one positive and one not, in which the positive weighs more; ties count half.

    Args:
        weights: (M, n).
        positive: (M, n) bool.
    """
    won = count = 0.0
    for i, j in combinations(range(weights.shape[1]), 2):
        mixed = positive[:, i] != positive[:, j]
        gap = np.where(positive[:, i], 1, -1) * (weights[:, i] - weights[:, j])
        won += float(((gap > 0) + 0.5 * (gap == 0))[mixed].sum())
        count += float(mixed.sum())
    return won / count if count else np.nan


def auc_by_domain(weights: np.ndarray, positive: np.ndarray, domains: np.ndarray) -> float:
    """ROC-AUC among the instances of one domain, averaged over the domains that have both kinds.

    Args:
        weights: (M, n).
        positive: (M, n) bool.
        domains: (M, n) of each member.
    """
    from sklearn.metrics import roc_auc_score

    found = []
    for domain in np.unique(domains):
        own = domains == domain
        if 0 < positive[own].sum() < own.sum():
            found.append(roc_auc_score(positive[own], weights[own]))
    return float(np.mean(found)) if found else np.nan


def _finding(means: dict[tuple[str, str], Mean]) -> str:
    """What the learned and the cosine weights know, by the intervals over seeds."""
    parts = []
    for kind in ("learned", "cosine"):
        words = []
        for name, where in MEASURES.items():
            mean = means[name, kind]
            decided = mean.known and not mean.low <= 0.5 <= mean.high
            side = ("more" if mean.value > 0.5 else "less") if decided else "undecided"
            words.append(f"{in_words(mean, '.3f')} {where} ({side})")
        parts.append(f"{KINDS[kind]}: {' and '.join(words)}")
    return f"AUC of the weight for invariant instances, {'; '.join(parts)}; 'more' means that they weigh more."
