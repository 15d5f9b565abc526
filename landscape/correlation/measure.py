"""From a plan to the association: gradients, scores, correlations, and the same for untrained scores."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from landscape.compute import DEFAULT, Compute
from landscape.correlation.association import Association
from landscape.correlation.identifiability import Untrained, centred, within_groups
from landscape.correlation.plan import Plan
from landscape.correlation.rank import partial_spearman, spearman
from landscape.correlation.samples import DomainPair, GroupScores
from landscape.correlation.scoring import Instances, trained_score, untrained_score
from landscape.evaluation.timing import sample, seconds_of
from landscape.fgmix import CompatibilityNetwork
from landscape.log import Log
from landscape.seeding import numpy_generator
from landscape.storage import digest

PERMUTATIONS = 4999
_FEW = 96


def measure(
    plan: Plan, compute: Compute = DEFAULT, *, journal: Path | str | None = None, progress: bool = True
) -> Association:
    """Score all pairs and groups of a plan by the trained S_phi and by untrained ones, and correlate.

    Args:
        plan: checkpoint, pairs, groups.
        compute: device, precision and batch size of the network's forward pass; all that follows is in float64.
        journal: a file to which the numbers of every untrained score are added; an interrupted call with the same
            inputs goes on from it.
        progress: show a bar with the time left.

    Raises:
        InputError: the network has no latent codes or does not fit the data, or the disk is full.
    """
    checkpoint, seed, resamples = plan.setting.checkpoint, _seed(plan), plan.recipe.resamples
    compute = plan.setting.resolve(compute.alone(), progress=progress)
    evaluator = plan.setting.evaluator(compute, plan.rows)
    network = plan.setting.network
    predictions = evaluator.at(checkpoint.weights(network), checkpoint.buffers(network), codes=True)
    assert predictions.codes is not None  # asked for
    labels = plan.setting.task.images.labels[predictions.rows]
    drawn = _Drawn.of(plan, Instances.of(predictions.rows, predictions.codes, labels, evaluator.classifier))

    width = predictions.codes.shape[1]
    scores, sums = drawn.scored(trained_score(checkpoint, drawn.instances.classifier, width))
    pairs = tuple(
        DomainPair.correlated(
            each.first,
            each.second,
            score=score,
            cosine=cosine,
            norms=norms,
            labels=each.labels,
            rows=each.rows,
            resamples=resamples,
            generator=numpy_generator(seed, "evaluation", "correlation", "bootstrap", each.first, each.second),
        )
        for each, score, cosine, norms in zip(plan.pairs, scores, drawn.cosines, drawn.norms, strict=True)
    )
    within = within_groups(
        sums,
        drawn.cosine_sums,
        resamples=resamples,
        permutations=PERMUTATIONS,
        generator=numpy_generator(seed, "evaluation", "correlation", "bootstrap", "groups"),
    )
    groups = GroupScores(centred(sums), centred(drawn.cosine_sums), plan.groups.labels, plan.groups.rows, within)
    start, untrained = _untrained(plan, drawn, width, Log(journal, digest(plan.digest(), compute.exact)), progress)
    about = _about(plan, [*plan.setting.notes, *plan.notes, *evaluator.notes], compute.exact)
    return Association(pairs, groups, untrained, start, about)


def time_plan(plan: Plan, compute: Compute) -> tuple[float, float]:
    """Seconds that the forward passes and one untrained score are going to take, from a short timing."""
    rows = plan.rows
    few = rows[sample(len(rows), _FEW)]
    checkpoint, network = plan.setting.checkpoint, plan.setting.network
    weights, buffers = checkpoint.weights(network), checkpoint.buffers(network)
    evaluator = plan.setting.evaluator(plan.setting.resolve(compute), few)
    forward = seconds_of(lambda: evaluator.at(weights, buffers, codes=True))
    predictions = evaluator.at(weights, buffers, codes=True)
    assert predictions.codes is not None
    # Any codes take as long as the right ones.
    codes = predictions.codes[torch.arange(len(rows)) % len(few)]
    labels = plan.setting.task.images.labels[rows]
    drawn = _Drawn.of(plan, Instances.of(rows, codes, labels, evaluator.classifier))
    began = time.perf_counter()
    drawn.correlated(untrained_score(checkpoint, drawn.instances.classifier, codes.shape[1]))
    return forward * len(rows) / len(few), time.perf_counter() - began


@dataclass(frozen=True)
class _Drawn:
    """Pairs and groups with everything about their gradients that no score changes.

    ``cosines`` and ``norms``: one array (N,) and (N, 2) per pair of domains; ``cosine_sums``: (M, n), variant C's.
    """

    plan: Plan
    instances: Instances
    members: np.ndarray
    ends: np.ndarray
    cosines: list[np.ndarray]
    norms: list[np.ndarray]
    cosine_sums: np.ndarray

    @classmethod
    def of(cls, plan: Plan, instances: Instances) -> "_Drawn":
        members = np.concatenate([each.rows for each in plan.pairs])
        ends = np.cumsum([len(each) for each in plan.pairs])[:-1]
        cosines, norms = instances.geometry(members)
        between, _ = instances.geometry(plan.groups.rows)
        return cls(
            plan,
            instances,
            members,
            ends,
            np.split(cosines[:, 0, 1], ends),
            np.split(norms, ends),
            _sums(between),
        )

    def scored(self, score: CompatibilityNetwork) -> tuple[list[np.ndarray], np.ndarray]:
        """Scores (N,) of each pair of domains, and the groups' sums of scores (M, n) (Eq. 3)."""
        pairs = self.instances.scores(score, self.members)[:, 0, 1]
        return np.split(pairs, self.ends), _sums(self.instances.scores(score, self.plan.groups.rows))

    def correlated(self, score: CompatibilityNetwork) -> dict[str, Any]:
        """The statistics of a score, without intervals."""
        scores, sums = self.scored(score)
        columns = list(zip(scores, self.cosines, self.norms, strict=True))
        mine, theirs = centred(sums).ravel(), centred(self.cosine_sums).ravel()
        return {
            "rho": [float(spearman(score, cosine)) for score, cosine, _ in columns],
            "partial": [float(partial_spearman(score, cosine, norms.T)) for score, cosine, norms in columns],
            "within": float(spearman(mine, theirs)) if sums.shape[1] > 2 else float("nan"),
        }


def _sums(between: np.ndarray) -> np.ndarray:
    """``s_i = sum_{j != i} S(g_i, g_j)``: (M, n, n) -> (M, n)."""
    return (between * ~np.eye(between.shape[-1], dtype=bool)).sum(-1)


def _untrained(plan: Plan, drawn: _Drawn, width: int, log: Log, progress: bool) -> tuple[Untrained, Untrained]:
    """The run's own initialisation, and random ones."""
    checkpoint, classifier = plan.setting.checkpoint, drawn.instances.classifier
    names = dict(_initialisations(plan))
    done = log.done(names)
    with tqdm(total=len(names), initial=done, desc="untrained scores", unit="score", disable=not progress) as bar:
        for key, parts in names.items():
            if key not in log.rows:
                log.add(key, **drawn.correlated(untrained_score(checkpoint, classifier, width, *parts)))
                bar.update()
    first, *others = [log.rows[key] for key in names]
    return _table([first]), _table(others)


def _initialisations(plan: Plan) -> Iterator[tuple[str, tuple[int | str, ...]]]:
    """Name in the journal, and what the seed depends on beside trial seed and purpose."""
    yield "start", ()
    for index in range(plan.recipe.null):
        yield f"untrained:{index}", ("correlation", plan.recipe.draw, index)


def _table(rows: list[dict[str, Any]]) -> Untrained:
    # A journal holds null for NaN, which numpy reads as NaN again.
    return Untrained(
        *(np.array([row[name] for row in rows], dtype=np.float64) for name in ("rho", "partial", "within"))
    )


def _seed(plan: Plan) -> int:
    config = plan.setting.checkpoint.config
    assert config is not None  # the setting has checked
    return config.seed


def _about(plan: Plan, notes: list[str], precision: str) -> dict[str, Any]:
    setting, recipe = plan.setting, plan.recipe
    config = setting.checkpoint.config
    assert config is not None
    return setting.about(
        n={
            "pairs": [len(each) for each in plan.pairs],
            "groups": len(plan.groups),
            "untrained": recipe.null,
            "images": len(plan.rows),
        },
        notes=notes,
        inputs={"checkpoint": setting.checkpoint.label, "all": plan.digest()},
        classes=list(setting.task.images.classes),
        algorithm=config.algorithm,
        checkpoint=setting.checkpoint.label,
        name=setting.names[0],
        start=config.mixup.start,
        step=setting.checkpoint.step,
        policy_steps=setting.policy_steps,
        gradient_norm=config.mixup.gradient_norm,
        part=recipe.images,
        draw=recipe.draw,
        precision=precision,
        resamples=recipe.resamples,
        permutations=PERMUTATIONS,
    )
