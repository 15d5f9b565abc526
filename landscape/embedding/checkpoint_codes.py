"""Codes of a checkpoint: its network run once over all domains, and its groups weighed by any variant."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from landscape.algorithms.catalogue import label_of
from landscape.checkpoint import Checkpoint
from landscape.compute import DEFAULT, Compute
from landscape.config import RunConfig
from landscape.data import Task
from landscape.embedding.codes import Codes
from landscape.embedding.mixed import Mixed
from landscape.embedding.recipe import CodeKind, Recipe
from landscape.errors import InputError
from landscape.evaluation import Evaluator
from landscape.evaluation.predictions import Predictions
from landscape.fgmix import VARIANTS, WeightPolicy
from landscape.mixture import Mixture, has_policy
from landscape.opened import Opened, policy_of, same_file
from landscape.seeding import numpy_generator


def weigher_of(opened: Opened) -> tuple[Checkpoint, list[str]]:
    """The checkpoint at whose codes and classifier mixing weights are taken, and notes.

    For an average with a policy it is the raw iterate of its step, beside which the policy was trained.
    """
    (checkpoint,) = opened.checkpoints
    return policy_of(checkpoint, opened.files) if has_policy(checkpoint) else (checkpoint, [])


def codes_of(opened: Opened, recipe: Recipe, compute: Compute = DEFAULT) -> Codes:
    """Latent codes of all domains at the one checkpoint of `opened`, and its mixup codes.

    Raises:
        InputError: the network has no latent codes, or they are not finite.
    """
    (checkpoint,) = opened.checkpoints
    task, network = opened.task, opened.network
    images = task.images
    chosen = choose_rows(task, recipe)
    compute = opened.resolve(compute)
    evaluator = opened.evaluator(compute, chosen)
    weigher, notes = weigher_of(opened) if recipe.codes else (checkpoint, [])
    predictions = _at(evaluator, network, weigher)
    mixtures = _mixtures(opened, evaluator, predictions, weigher, recipe, notes)
    if not same_file(weigher, checkpoint):
        predictions = _at(evaluator, network, checkpoint)
    assert predictions.codes is not None
    rows = predictions.rows
    if len(rows) < len(images):
        notes.append(f"a sample of {len(rows):,} of the {len(images):,} images")
    return Codes(
        codes=predictions.codes.float().cpu().numpy(),
        label=images.labels[rows].astype(np.int64),
        domain=images.domain[rows].astype(np.int64),
        held_out=np.asarray(task.split.held_out)[rows],
        classes=tuple(images.classes),
        domains=tuple(images.domains),
        target=task.target,
        sources=() if task.leaves_one_out else task.sources,
        rows=rows,
        files=tuple(images.files[row] for row in rows),
        mixtures=tuple(mixtures),
        about=opened.about(
            n={"images": len(rows)},
            notes=[*opened.notes, *notes, *evaluator.notes],
            inputs={"checkpoint": checkpoint.label, "all": opened.digest()},
            names=opened.names[0],
            precision=compute.exact,
        ),
    )


def choose_rows(task: Task, recipe: Recipe) -> np.ndarray:
    """(n,) sorted images to embed: all, or the same share of every domain, class and split."""
    images = task.images
    if recipe.images is None or recipe.images >= len(images):
        return np.arange(len(images))
    generator = numpy_generator(recipe.random_state, "evaluation", "embedding", "images")
    cell = (images.domain * len(images.classes) + images.labels) * 2 + np.asarray(task.split.held_out)
    shuffled = generator.permutation(len(images))
    shuffled = shuffled[np.argsort(cell[shuffled], kind="stable")]
    # Every (total / count)-th image of the images sorted by cell: as many as asked for, where rounding the share of
    # each cell (landscape.data.strata) would give a few more or fewer.
    picked = shuffled[np.linspace(0, len(images) - 1, recipe.images).round().astype(int)]
    return np.unique(picked)


def _at(evaluator: Evaluator, network: nn.Module, checkpoint: Checkpoint) -> Predictions:
    return evaluator.at(checkpoint.weights(network), checkpoint.buffers(network), codes=True)


def _mixtures(
    opened: Opened,
    evaluator: Evaluator,
    predictions: Predictions,
    weigher: Checkpoint,
    recipe: Recipe,
    notes: list[str],
) -> list[Mixed]:
    """The mixup codes of the recipe: one set of groups, weighed by every variant."""
    (checkpoint,) = opened.checkpoints
    assert predictions.codes is not None
    found: dict[str, Mixed] = {}
    for kind in recipe.codes:
        if kind == "own" and not has_policy(checkpoint):
            notes.append(f"{opened.names[0]} has no mixup policy of its own")
            continue
        variant = weigher if kind == "own" else _with_variant(weigher, kind, opened, evaluator, predictions.codes)
        assert variant.config is not None
        name = label_of(variant.config.algorithm)
        if name in found:
            continue
        try:
            mixture = Mixture.frozen(opened.task, predictions.rows, predictions.codes, evaluator.classifier, variant)
        except InputError as error:
            notes.append(f"there are no mixup codes: {error}")
            break
        found[name] = Mixed(name, mixture.rows.cpu().numpy(), mixture.weights.cpu().numpy())
        if mixture.skipped:
            notes.append(f"{mixture.skipped:,} training images anchor no group, as a source lacks their class")
        if kind not in ("a0", "a") and not same_file(weigher, checkpoint):
            notes.append(f"the mixing weights of {name} are those of the raw iterate {weigher.label}")
    return list(found.values())


def _with_variant(
    checkpoint: Checkpoint, kind: CodeKind, opened: Opened, evaluator: Evaluator, codes: Tensor
) -> Checkpoint:
    """A checkpoint as if it had been trained with a variant that has nothing to learn; same seed, same groups."""
    config = checkpoint.config or RunConfig(seed=opened.task.split.seed)
    config = config.replace(algorithm=kind)
    classifier: nn.Module = evaluator.classifier
    policy = WeightPolicy(VARIANTS[kind], config.mixup, classifier=classifier, feature_dim=codes.shape[1])
    state: Mapping[str, Any] = {f"policy/{name}": tensor for name, tensor in policy.state_dict().items()}
    return replace(checkpoint, config=config, algorithm=dict(state))
