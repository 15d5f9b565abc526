"""From a plan to the association: gradients, scores, correlations, and the same for untrained scores."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from landscape.correlation.association import Association
from landscape.correlation.identifiability import Untrained, centred, within_groups
from landscape.correlation.plan import Plan
from landscape.correlation.rank import partial_spearman, spearman
from landscape.correlation.samples import DomainPair, GroupScores
from landscape.correlation.scoring import Instances, trained_score, untrained_score
from landscape.evaluation import Evaluator
from landscape.evaluation.evaluator import Precision
from landscape.fgmix import CompatibilityNetwork
from landscape.seeding import numpy_generator
from landscape.storage import Journal, digest, provenance

PERMUTATIONS = 4999
_TRIAL_IMAGES = 96


def measure(
    plan: Plan,
    *,
    resamples: int = 2000,
    device: str = "auto",
    precision: Precision = "fp32",
    batch_size: int | None = None,
    journal: Path | str | None = None,
    progress: bool = True,
) -> Association:
    """Score all pairs and groups of a plan by the trained S_phi and by untrained ones, and correlate.

    Args:
        plan: checkpoint, pairs, groups.
        resamples: bootstrap samples.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``fp32``, ``bf16`` or ``fp64``, of the network's forward pass; all that follows is in float64.
        batch_size: images a forward pass; None: chosen by the device.
        journal: a file to which the numbers of every untrained score are added; an interrupted call with the same
            inputs goes on from it.
        progress: show a bar with the time left.

    Raises:
        InputError: the network has no latent codes or does not fit the data, or the disk is full.
    """
    checkpoint, seed = plan.setting.checkpoint, _seed(plan)
    evaluator = _evaluator(plan, plan.rows, device, precision, batch_size)
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
    start, untrained = _untrained(plan, drawn, width, journal, progress, digest(plan.digest(), precision))
    about = _about(plan, [*plan.setting.notes, *plan.notes, *evaluator.notes], resamples, precision)
    return Association(pairs, groups, untrained, start, about)


def trial(
    plan: Plan, *, device: str = "auto", precision: Precision = "fp32", batch_size: int | None = None
) -> tuple[float, float]:
    """Seconds that the forward passes and one untrained score are going to take, from a short trial."""
    rows = plan.rows
    few = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _TRIAL_IMAGES)).astype(int))]
    checkpoint, network = plan.setting.checkpoint, plan.setting.network
    weights, buffers = checkpoint.weights(network), checkpoint.buffers(network)
    evaluator = _evaluator(plan, few, device, precision, batch_size)
    seconds = []
    for _ in range(2):  # the first one warms up
        began = time.perf_counter()
        predictions = evaluator.at(weights, buffers, codes=True)
        seconds.append(time.perf_counter() - began)
    assert predictions.codes is not None
    # Any codes take as long as the right ones.
    codes = predictions.codes[torch.arange(len(rows)) % len(few)]
    labels = plan.setting.task.images.labels[rows]
    drawn = _Drawn.of(plan, Instances.of(rows, codes, labels, evaluator.classifier))
    began = time.perf_counter()
    drawn.correlated(untrained_score(checkpoint, drawn.instances.classifier, codes.shape[1]))
    return seconds[1] * len(rows) / len(few), time.perf_counter() - began


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


def _untrained(
    plan: Plan, drawn: _Drawn, width: int, journal: Path | str | None, progress: bool, inputs: str
) -> tuple[Untrained, Untrained]:
    """The run's own initialisation, and random ones."""
    checkpoint, classifier = plan.setting.checkpoint, drawn.instances.classifier
    log = Journal(journal) if journal is not None else None
    rows: dict[str, dict[str, Any]] = {}
    if log is not None:
        # Drops a row that a crash has cut off, and the rows of other inputs.
        rows = {row["key"]: row for row in log.rewind(lambda row: row.get("inputs") == inputs)}
    names = list(_initialisations(plan))
    done = sum(key in rows for key, _ in names)
    with tqdm(total=len(names), initial=done, desc="untrained scores", unit="score", disable=not progress) as bar:
        for key, parts in names:
            if key in rows:
                continue
            rows[key] = drawn.correlated(untrained_score(checkpoint, classifier, width, *parts))
            if log is not None:
                log.append({"key": key, "inputs": inputs, **rows[key]})
            bar.update()
    first, *others = [rows[key] for key, _ in names]
    return _table([first]), _table(others)


def _initialisations(plan: Plan) -> Iterator[tuple[str, tuple[int | str, ...]]]:
    """Name in the journal, and what the seed depends on beside trial seed and purpose."""
    yield "start", ()
    for index in range(plan.untrained):
        yield f"untrained:{index}", ("correlation", plan.draw, index)


def _table(rows: list[dict[str, Any]]) -> Untrained:
    # A journal holds null for NaN, which numpy reads as NaN again.
    return Untrained(
        *(np.array([row[name] for row in rows], dtype=np.float64) for name in ("rho", "partial", "within"))
    )


def _evaluator(plan: Plan, rows: np.ndarray, device: str, precision: Precision, batch_size: int | None) -> Evaluator:
    images = plan.setting.task.images
    return Evaluator(
        plan.setting.network,
        images.pixels,
        images.labels,
        rows=rows,
        device=device,
        precision=precision,
        batch_size=batch_size,
    )


def _seed(plan: Plan) -> int:
    config = plan.setting.checkpoint.config
    assert config is not None  # the setting has checked
    return config.seed


def _about(plan: Plan, notes: list[str], resamples: int, precision: Precision) -> dict[str, Any]:
    setting, task = plan.setting, plan.setting.task
    config = setting.checkpoint.config
    assert config is not None
    return {
        "data": task.images.name,
        "data_digest": task.images.digest,
        "classes": list(task.images.classes),
        "target": task.target,
        "sources": list(task.sources),
        "model": setting.model,
        "image_size": setting.image_size,
        "seeds": list(setting.seeds),
        "algorithm": config.algorithm,
        "checkpoint": setting.checkpoint.label,
        "name": setting.names[0],
        "start": config.mixup.start,
        "step": setting.checkpoint.step,
        "policy_steps": setting.policy_steps,
        "gradient_norm": config.mixup.gradient_norm,
        "part": plan.part,
        "draw": plan.draw,
        "precision": precision,
        "resamples": resamples,
        "permutations": PERMUTATIONS,
        "n": {
            "pairs": [len(each) for each in plan.pairs],
            "groups": len(plan.groups),
            "untrained": plan.untrained,
            "images": len(plan.rows),
        },
        "notes": list(dict.fromkeys(notes)),
        "provenance": provenance({"checkpoint": setting.checkpoint.label, "all": plan.digest()}),
    }
