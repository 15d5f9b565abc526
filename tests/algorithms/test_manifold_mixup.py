"""Manifold Mixup: every stage by hand, and what it refuses."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small import BATCH, SOURCES, assert_moved_by, made, network, run, weights
from test_mixstyle import images, staged

from landscape.algorithms.catalogue import METHODS
from landscape.algorithms.features.manifold_mixup import mixed
from landscape.algorithms.inputs.mixup import ring
from landscape.errors import InputError
from landscape.seeding import numpy_generator


def test_one_sample_at_a_time() -> None:
    values = torch.randn(4, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    partner = np.array([2, 0, 3, 1])
    result = mixed(values, 0.3, partner)
    for i in range(4):
        np.testing.assert_allclose(result[i], 0.3 * values[i] + 0.7 * values[partner[i]], rtol=1e-6)


@pytest.mark.parametrize("pairing", ["pooled", "cross-domain"])
@pytest.mark.parametrize("stage", ["input", "stage1", "stage2"])
def test_an_update_mixes_features_and_labels(stage: str, pairing: str) -> None:
    net, twin, minibatch = staged(), staged(), images()
    net.classifier.float()
    twin.classifier.float()
    before, backbone = weights(net), twin.featurizer.backbone
    # The step is the first that draws this stage.
    for step in range(1, 50):
        draws = numpy_generator(0, "algorithm", step, "manifold-mixup")
        if ("input", "stage1", "stage2")[draws.integers(3)] == stage:
            break
    own = draws.beta(2.0, 2.0)
    partner = draws.permutation(SOURCES * BATCH) if pairing == "pooled" else ring(SOURCES, BATCH, draws)
    maps, labels = minibatch.images.flatten(0, 1), minibatch.labels.flatten()
    layers = {
        "input": lambda x: x,
        "stem": backbone.stem,
        "stage1": backbone.stage1,
        "stage2": backbone.stage2,
        "stage3": backbone.stage3,
    }
    for name, layer in layers.items():
        maps = layer(maps)
        if name == stage:
            maps = own * maps + (1 - own) * maps[partner]
    logits = twin.classifier(maps.mean((2, 3)).float())
    loss = own * F.cross_entropy(logits, labels) + (1 - own) * F.cross_entropy(logits, labels[partner])
    gradients = torch.autograd.grad(loss, list(twin.parameters()))
    options = METHODS["manifold-mixup"].options(pairing=pairing)
    metrics = made(net, run("manifold-mixup", options=options)).update(minibatch, step)
    torch.testing.assert_close(metrics["loss"], loss.detach())
    assert_moved_by(before, net, [g.to(old) for g, old in zip(gradients, before.values(), strict=True)])


def test_what_cannot_be_mixed_is_refused() -> None:
    options = METHODS["manifold-mixup"].options
    for net, chosen, text in (
        (staged(), options(stages=("stage9",)), "unknown stage of small_cnn 'stage9'"),
        (staged(), options(stages=()), "stages is empty"),
        (network(), options(), "Manifold Mixup needs named stages, but network has none"),
    ):
        with pytest.raises(InputError, match=text):
            made(net, run("manifold-mixup", options=chosen))
    with pytest.raises(InputError, match="at least two domains"):
        made(network(), run("manifold-mixup", options=options(stages=("input",), pairing="cross-domain")), sources=1)
    made(network(), run("manifold-mixup", options=options(stages=("input",))), sources=1)
