"""Checkpoints: values of every loss against explicit loops, the same directions for all, and resuming."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from landscape.checkpoint import Checkpoint
from landscape.compute import Compute
from landscape.data import normalise
from landscape.data.strata import stratified
from landscape.errors import InputError
from landscape.flatness import Flatness, FlatnessCurve
from landscape.flatness.directions import Direction
from landscape.flatness.losses import Losses
from landscape.flatness.measure import measure
from landscape.flatness.recipe import Recipe
from landscape.flatness.setting import Setting
from landscape.storage import Journal

GAMMAS = [0.5, 2.0]


def setting_of(task, network, *checkpoints: Checkpoint, **options: object) -> Setting:
    return Setting.of(checkpoints, task, network=network, progress=False, **options)


def cross_entropy(logits: torch.Tensor, label: int) -> float:
    shifted = logits.double() - logits.double().max()
    return float(shifted.exp().sum().log() - shifted[label])


def explicit(task, network, weights, mixture) -> tuple[float, float]:
    """Mean loss of images, and of images and mixup codes together, one by one in float64."""
    network.load_state_dict({name: tensor.double() for name, tensor in weights.items()})
    rows = task.source_rows("in")
    with torch.no_grad():
        images = normalise(task.images.pixels[rows], network.mean, network.std).double()
        codes = network.featurizer(images)
        own = [
            cross_entropy(network.classifier(z), int(y)) for z, y in zip(codes, task.images.labels[rows], strict=True)
        ]
        mixed = []
        for members, w, label in zip(mixture.rows, mixture.weights, mixture.labels, strict=True):
            code = sum(float(w[i]) * codes[members[i]] for i in range(len(w)))
            mixed.append(cross_entropy(network.classifier(code), int(label)))
    return float(np.mean(own)), float(np.mean([*own, *mixed]))


@pytest.mark.parametrize("scope", ["full", "classifier"])
@pytest.mark.parametrize("hidden", [False, True])
def test_every_loss_equals_an_explicit_loop(task, checkpoint_of, network_of, scope, hidden) -> None:
    erm = checkpoint_of("erm", 1, hidden=hidden)
    first, second = (checkpoint_of("fgmix", seed, hidden=hidden) for seed in (2, 3))
    network = network_of(hidden=hidden)
    given = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    setting = setting_of(task, network, erm, first, second)
    result = measure(
        setting,
        recipe=Recipe(scope=(scope,), gammas=GAMMAS, directions=3),
        compute=Compute(precision="fp64"),
        progress=False,
    )
    assert all(torch.equal(tensor, given[name]) for name, tensor in network.state_dict().items())

    losses = Losses(setting, compute=Compute(precision="fp64"))
    shared = losses.shared
    assert shared is not None
    reference = network_of(hidden=hidden).double()
    for index, (checkpoint, curve) in enumerate(zip((erm, first, second), result.curves, strict=True)):
        assert (curve.losses, curve.scope) == (("original", "own", "shared"), scope)
        theta = dict(checkpoint.model)
        moved = {n: t for n, t in theta.items() if scope == "full" or n.startswith("classifier.")}
        own = losses.own(index)
        for k in (0, 2):
            u = Direction.draw(moved, k)
            for g, gamma in enumerate(curve.gamma):
                point = {**theta, **u.step(moved, gamma, torch.float64)}
                original, common = explicit(task, reference, point, shared)
                mine = original if own is None else explicit(task, reference, point, own)[1]
                # Latent codes are kept in float32.
                got = curve.samples[:, g, k] + curve.base
                np.testing.assert_allclose(got, [original, mine, common], rtol=2e-6)


def test_own_losses_differ_and_shared_ones_do_not(task, network, checkpoint_of) -> None:
    erm, first, second = checkpoint_of("erm", 1), checkpoint_of("fgmix", 2), checkpoint_of("fgmix", 3)
    result = measure(
        setting_of(task, network, erm, first, second, groups_from=first),
        recipe=Recipe(gammas=GAMMAS, directions=3),
        progress=False,
    )
    assert result.methods == ("ERM", "FGMix (1)", "FGMix (2)")
    for scope in ("full", "classifier"):
        a, b, c = result.of(scope)
        # ERM's own loss is that of the images; the first FGMix froze the shared groups; the second has others.
        np.testing.assert_array_equal(a.values(loss="own"), a.values(loss="original"))
        np.testing.assert_array_equal(b.values(loss="own"), b.values(loss="shared"))
        assert not np.allclose(c.values(loss="own"), c.values(loss="shared"))
        assert not np.allclose(a.values(loss="original"), a.values(loss="shared"))
    assert result.about["shared"]["algorithm"] == "fgmix"
    assert result.about["n"] == {"train": len(task.source_rows("in")), "used": len(task.source_rows("in"))}


def test_methods_share_their_directions(task, network, checkpoint_of) -> None:
    erm = checkpoint_of("erm", 1)
    twin = Checkpoint(model=erm.model, config=erm.config.replace(algorithm="fgmix"), step=4)
    result = measure(setting_of(task, network, erm, twin), recipe=Recipe(gammas=GAMMAS, directions=3), progress=False)
    assert result.methods == ("ERM", "FGMix")
    for scope in ("full", "classifier"):
        a, b = result.of(scope)
        assert a.losses == ("original",)  # nobody has a policy
        np.testing.assert_array_equal(a.samples, b.samples)


def test_the_pilot_is_the_first_method_s_and_serves_all(task, network, checkpoint_of) -> None:
    erm, fgmix = checkpoint_of("erm", 1), checkpoint_of("fgmix", 2)
    both = measure(
        setting_of(task, network, erm, fgmix), recipe=Recipe(directions=5, steps=3, level=0.5), progress=False
    )
    for scope in ("full", "classifier"):
        first, second = both.of(scope)
        np.testing.assert_array_equal(first.gamma, second.gamma)
        assert np.median(first.values("absolute", "original")[-1]) == pytest.approx(0.5, rel=0.2)
    assert both.about["pilot"] == {"level": 0.5, "method": "ERM"}


def test_one_checkpoint_is_one_curve(task, network, checkpoint_of) -> None:
    curve = FlatnessCurve.measure(
        checkpoint_of("erm", 1), data=task, network=network, recipe=Recipe(gammas=[1.0], directions=2), progress=False
    )
    assert (curve.method, curve.scope, curve.losses) == ("ERM", "full", ("original",))


def test_a_subset_of_the_training_images(task, network, checkpoint_of) -> None:
    rows = task.source_rows("in")
    some = stratified(task, rows, 20, seed=0)
    setting = setting_of(task, network, checkpoint_of("erm", 1), subset=20)
    result = measure(setting, recipe=Recipe(gammas=[1.0], directions=2), progress=False)
    assert result.about["n"]["used"] == len(some)
    with pytest.raises(InputError, match="--subset is 0"):
        setting_of(task, network, checkpoint_of("erm", 1), subset=0)
    everything = setting_of(task, network, checkpoint_of("erm", 1), subset=10_000)
    np.testing.assert_array_equal(everything.images, rows)


def test_an_interrupted_measurement_continues(task, network, checkpoint_of, tmp_path: Path) -> None:
    setting = setting_of(task, network, checkpoint_of("erm", 1), checkpoint_of("fgmix", 2))
    journal = tmp_path / "journal.jsonl"
    recipe = Recipe(steps=2, directions=4)
    whole = measure(setting, recipe, journal=journal, progress=False)
    lines = journal.read_bytes().split(b"\n")
    for kept in (1, 7, 23):
        # A crash in the middle of a row.
        journal.write_bytes(b"\n".join(lines[:kept]) + b"\n" + lines[kept][: len(lines[kept]) // 2])
        resumed = measure(setting, recipe, journal=journal, progress=False)
        assert len(Journal(journal).read()) == len(lines) - 1
        for a, b in zip(whole.curves, resumed.curves, strict=True):
            np.testing.assert_array_equal(a.samples, b.samples)
            np.testing.assert_array_equal(a.gamma, b.gamma)
    # Rows of other inputs are not taken.
    other = measure(setting, replace(recipe, direction_seed=1), journal=journal, progress=False)
    assert not np.array_equal(other.curves[0].samples, whole.curves[0].samples)
    # More directions go on from fewer.
    measure(setting, recipe, journal=journal, progress=False)
    before = journal.stat().st_size
    more = measure(setting, recipe=Recipe(steps=2, directions=5), progress=False, journal=journal)
    np.testing.assert_array_equal(more.curves[0].samples[..., :4], whole.curves[0].samples)
    added = journal.read_bytes()[before:].splitlines()
    assert len(added) == 2 * 2 * 2
    assert all("/4/" in json.loads(line)["key"] for line in added)


def test_a_network_without_parts_is_moved_as_a_whole(task) -> None:
    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(3, 3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.layer(images.mean((2, 3)))

    network = Plain()
    weights = {name: p.detach().clone() for name, p in network.named_parameters()}
    setting = setting_of(task, network, weights)
    result = measure(setting, recipe=Recipe(gammas=[1.0], directions=2), progress=False)
    assert result.scopes == ("full",)
    assert any("its classifier is not moved on its own" in note for note in result.about["notes"])
    with pytest.raises(InputError, match="measure --scope full"):
        measure(setting, recipe=Recipe(gammas=[1.0], directions=2, scope=("classifier",)), progress=False)


def test_mistakes_are_one_sentence(task, network, checkpoint_of) -> None:
    erm = checkpoint_of("erm", 1)
    with pytest.raises(InputError, match="has no mixup policy"):
        setting_of(task, network, erm, groups_from=erm)
    with pytest.raises(InputError, match="got no checkpoint"):
        setting_of(task, network)
    with pytest.raises(InputError, match="got no scope"):
        measure(setting_of(task, network, erm), recipe=Recipe(scope=()), progress=False)


def test_results_of_several_methods_are_stored_together(task, network, checkpoint_of, tmp_path: Path) -> None:
    setting = setting_of(task, network, checkpoint_of("erm", 1), checkpoint_of("fgmix", 2))
    result = measure(setting, recipe=Recipe(steps=2, directions=3), progress=False)
    back = Flatness.load(result.save(tmp_path / "all.nc"))
    assert (back.methods, back.scopes) == (result.methods, result.scopes)
    assert dict(back.about) == json.loads(json.dumps(dict(result.about)))
    for a, b in zip(result.curves, back.curves, strict=True):
        assert (a.method, a.scope, a.losses) == (b.method, b.scope, b.losses)
        np.testing.assert_array_equal(a.samples, b.samples)
        np.testing.assert_array_equal(a.gamma, b.gamma)
        assert dict(a.about) == dict(b.about)
    assert len(back.to_dataframe()) == 2 * 2 * 3 * 3 * 3
    assert set(back.summary("absolute")["method"]) == {"ERM", "FGMix"}
