"""Mixture modes, recomputed batch norm, kept features, and the timing's choice, each against an independent path."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from landscape.checkpoint import Checkpoint
from landscape.compute import Compute
from landscape.config import MixupConfig, RunConfig
from landscape.data import normalise
from landscape.errors import InputError
from landscape.evaluation import Evaluator, timing
from landscape.evaluation.features import FrozenFeatures
from landscape.evaluation.timing import Choice, choose, precision_cost
from landscape.fgmix import VARIANTS, WeightPolicy
from landscape.mixture import Mixture
from landscape.storage import Journal
from landscape.surface import Surface
from landscape.surface.measure import measure
from landscape.surface.meter import Meter
from landscape.surface.plan import Plan
from landscape.surface.recipe import Recipe, Where
from landscape.surface.setting import Setting


def checkpoint(network, *, algorithm="erm") -> Checkpoint:
    config = RunConfig(algorithm=algorithm, data="toy", mixup=MixupConfig(start=2, scale_init=4.0))
    tensors = {}
    if config.uses_mixup:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            policy = WeightPolicy(
                VARIANTS[algorithm], config.mixup, classifier=network.classifier, feature_dim=network.feature_dim
            )
        tensors = {f"policy/{name}": tensor for name, tensor in policy.state_dict().items()}
    model = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    return Checkpoint(model=model, algorithm=tensors, config=config, step=5, kind="raw")


def at_corner(plan, evaluator):
    """Predictions at the first grid point, the ordinary way."""
    return evaluator.at(plan.plane.at(float(plan.grid.x[0]), float(plan.grid.y[0])), codes=True)


@pytest.fixture
def setting(task, network_of) -> Setting:
    networks = [network_of(seed) for seed in range(3)]
    anchors = [checkpoint(networks[0]), checkpoint(networks[1]), checkpoint(networks[2], algorithm="fgmix")]
    return Setting.through(*anchors, task, network=networks[0])


def test_each_mixture_mode_keeps_fixed_what_it_says(setting, task) -> None:
    losses, plans = {}, {}
    for mode in ("fixed_weights", "recompute", "fixed_codes"):
        plans[mode] = Plan.of(setting, where=Where(points=2), recipe=Recipe(mixture=mode), progress=False)
        surface = measure(plans[mode], compute=Compute(precision="fp64"), progress=False)
        losses[mode] = surface.panel("mixup_loss").values
        # All agree where the policy was trained.
        policy_at = surface.anchors[2].true["mixup_loss"]
        assert surface.about["mixup"]["mode"] == mode
        assert policy_at == pytest.approx(losses.setdefault("anchor", policy_at), rel=1e-5)
    assert len({plan.digest() for plan in plans.values()}) == 3

    plan, images = plans["recompute"], task.images
    policy = setting.policy
    evaluator = Evaluator(setting.network, images.pixels, images.labels, precision="fp64")
    first = evaluator.at(policy.weights(setting.network), codes=True)
    mixture = Mixture.frozen(task, first.rows, first.codes, evaluator.classifier, policy)
    codes = (mixture.weights[:, :, None] * first.codes[mixture.rows]).sum(1)
    corner = at_corner(plan, evaluator)
    logits = evaluator.classifier(codes.double())
    expected = nn.functional.cross_entropy(logits, mixture.labels).item()
    assert losses["fixed_codes"][0, 0] == pytest.approx(expected, rel=1e-5)
    anew = Mixture.frozen(task, corner.rows, corner.codes, evaluator.classifier, policy)
    assert losses["recompute"][0, 0] == pytest.approx(anew.loss(corner.codes, evaluator.classifier).mean(), rel=1e-5)
    assert losses["recompute"][0, 0] != pytest.approx(losses["fixed_weights"][0, 0], rel=1e-4)


def test_recomputed_batch_norm_equals_pytorchs_at_every_point(task, network_of) -> None:
    networks = [network_of(seed, batch_norm=True) for seed in range(3)]
    setting = Setting.through(*map(checkpoint, networks), task, network=networks[0])
    plan = Plan.of(setting, where=Where(points=2), recipe=Recipe(batch_norm="recomputed"), progress=False)
    surface = measure(plan, progress=False)
    assert not any("interpolated" in note for note in surface.about["notes"])
    images, rows = task.images, task.source_rows("in")
    x, y = float(surface.x[1]), float(surface.y[0])
    moved = copy.deepcopy(networks[0])
    moved.load_state_dict({**networks[0].state_dict(), **plan.plane.at(x, y)})
    featurizer = nn.Sequential(*moved.featurizer)
    update_bn([normalise(images.pixels[rows], moved.mean, moved.std)], featurizer)
    direct = Evaluator(moved, images.pixels, images.labels, fold=False).at()
    assert surface.panel("train_loss").values[0, 1] == pytest.approx(direct.loss[rows].mean(), rel=1e-5)
    frozen = measure(replace(plan, recipe=Recipe()), progress=False)
    assert frozen.panel("train_loss").values[0, 1] != pytest.approx(direct.loss[rows].mean(), rel=1e-3)


def test_batch_norm_that_is_not_there_cannot_be_recomputed(setting) -> None:
    plan = Plan.of(setting, where=Where(points=2), recipe=Recipe(batch_norm="recomputed"), progress=False)
    with pytest.raises(InputError, match="no batch norm with running statistics"):
        measure(plan, progress=False)


def test_a_surface_over_the_classifier_alone_equals_the_ordinary_one(task, network_of, monkeypatch) -> None:
    network = network_of(0)
    anchors = []
    for seed in range(3):
        own = copy.deepcopy(network)
        own.classifier.load_state_dict(network_of(seed + 5).classifier.state_dict())
        anchors.append(checkpoint(own, algorithm="fgmix"))
    options = {"network": network, "where": Where(points=4), "progress": False}
    surface = Surface.through(*anchors, task, **options)
    assert surface.about["evaluation"]["features_kept"]
    monkeypatch.setattr("landscape.surface.measure.FrozenFeatures.fits", lambda directions: False)
    ordinary = Surface.through(*anchors, task, **options)
    assert not ordinary.about["evaluation"]["features_kept"]
    for name in surface.panels:
        np.testing.assert_allclose(surface.panel(name).values, ordinary.panel(name).values, rtol=1e-5)
    assert surface.anchors[1].true == pytest.approx(ordinary.anchors[1].true, rel=1e-6)


def test_a_resumed_surface_over_the_classifier_is_the_same_to_the_last_bit(
    task, network_of, tmp_path, monkeypatch
) -> None:
    anchors = [dict(network_of(0).named_parameters())]
    for seed in (1, 2):
        other = dict(network_of(seed).named_parameters())
        anchors.append({**anchors[0], **{name: other[name] for name in other if name.startswith("classifier.")}})
    setting = Setting.through(
        *[{name: p.detach() for name, p in each.items()} for each in anchors],
        task,
        network=network_of(0),
        progress=False,
    )
    plan, journal = Plan.of(setting, where=Where(points=4), progress=False), tmp_path / "journal.jsonl"
    # Three points a product.
    monkeypatch.setattr("landscape.evaluation.features._BUDGET", 3 * len(task.images) * 3)
    shapes: list[int] = []
    original = FrozenFeatures._logits

    def counted(self, points, linear):
        shapes.append(len(points))
        return original(self, points, linear)

    monkeypatch.setattr(FrozenFeatures, "_logits", counted)
    whole = measure(plan, progress=False)
    assert whole.about["evaluation"]["features_kept"]
    assert shapes == [3] * 5 + [1]
    shapes.clear()
    at, calls = Meter.at, iter(range(1000))

    def interrupted(self, *arguments):
        if next(calls) == 8:  # three anchors and five points: in the middle of a block
            raise KeyboardInterrupt
        return at(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Meter, "at", interrupted)
        with pytest.raises(KeyboardInterrupt):
            measure(plan, journal=journal, progress=False)
    shapes.clear()
    resumed = measure(plan, journal=journal, progress=False)
    assert resumed.values.identical(whole.values)
    assert shapes == [3] * 4 + [1]  # the block that was begun is computed whole


def test_what_a_timing_chose_holds_after_an_interruption(setting, tmp_path, monkeypatch) -> None:
    plan, journal = Plan.of(setting, where=Where(points=2), progress=False), tmp_path / "journal.jsonl"
    monkeypatch.setattr("landscape.surface.choosing.choose", lambda *_, **__: Choice("fp32", 5, False, 1.0, ("why",)))
    first = measure(plan, journal=journal, progress=False)
    monkeypatch.setattr("landscape.surface.choosing.choose", lambda *_, **__: pytest.fail("chosen again"))
    again = measure(plan, journal=journal, progress=False)
    assert first.about["evaluation"] == again.about["evaluation"]
    assert first.about["evaluation"]["batch_size"] == 5
    assert again.values.identical(first.values)
    assert Journal(journal).read()[0]["key"] == "choice"


def test_memory_that_runs_out_is_noted_and_survived(task, linear, monkeypatch) -> None:
    network, weights = linear
    anchors = [weights(seed) for seed in range(3)]
    options = {"network": network, "where": Where(points=2), "progress": False}
    whole = Surface.through(*anchors, task, **options)
    original = Evaluator._batch

    calls = 0

    def hungry(self, start, stop):
        nonlocal calls
        calls += 1
        if calls > after and stop - start > 10:
            raise torch.OutOfMemoryError("out of memory")
        return original(self, start, stop)

    monkeypatch.setattr(Evaluator, "_batch", hungry)
    for after in (0, 10):  # in the timing, and later
        calls = 0
        small = Surface.through(*anchors, task, **options)
        np.testing.assert_allclose(small.panel("train_loss").values, whole.panel("train_loss").values, rtol=1e-6)
        assert any("out of memory with 64 images" in note for note in small.about["notes"]) is (after > 0)
        assert small.about["evaluation"]["batch_size"] == (64 if after else 8)


def test_a_note_on_memory_survives_an_interruption(setting, tmp_path, monkeypatch) -> None:
    plan, journal = Plan.of(setting, where=Where(points=2), progress=False), tmp_path / "journal.jsonl"
    original, after = Evaluator.at, iter(range(100))

    def full_at_first(self, *args, **options):
        turn = next(after)
        if turn == 3:
            self._halve_the_batch(self.batch_size)
        if turn == 6:
            raise KeyboardInterrupt
        return original(self, *args, **options)

    monkeypatch.setattr("landscape.surface.choosing.choose", lambda *_, **__: Choice("fp32", 32, False, 1.0))
    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "at", full_at_first)
        with pytest.raises(KeyboardInterrupt):
            measure(plan, journal=journal, progress=False)
    resumed = measure(plan, journal=journal, progress=False)
    assert sum("out of memory with 32 images" in note for note in resumed.about["notes"]) == 1
    assert not any("out of memory" in note for note in measure(plan, progress=False).about["notes"])


def builder(network, task):
    def build(**options):
        return Evaluator(network, task.images.pixels, task.images.labels, **options)

    return build


def test_short_work_is_not_tried_and_long_work_says_what_was(task, network_of, monkeypatch) -> None:
    build, count = builder(network_of(0), task), len(task.images)
    short = choose(build, count=count, passes=3)
    assert (short.batch_size, short.compiled, short.reasons) == (64, False, ())
    assert short.seconds > 0
    clock = {16: 0.48, 32: 1.0, 64: 0.5, 128: 2.0}  # 4 % less may be a neighbour's doing
    monkeypatch.setattr(timing, "_timed", lambda evaluator, codes=False: clock[evaluator.batch_size])
    monkeypatch.setattr(Evaluator, "can_compile", property(lambda self: False))
    long = choose(build, count=count, passes=1000)
    assert long.batch_size == 64
    assert long.channels_last
    assert "channels-last (channels-first 1.00 times as fast)" in long.reasons
    assert "batch size 64" in long.reasons[-1]
    clock[16] = 0.3
    assert choose(build, count=count, passes=1000).batch_size == 16
    # Slow networks are tried on fewer images, but on two batches of them.
    made = []

    def noted(**options):
        made.append(len(options["rows"]))
        return build(**options)

    clock[32] = clock[64] = 64.0
    choose(noted, count=count, passes=1000, batch_size=32)
    assert set(made) == {32, 64}
    # Where a batch is more than all images, it is taken as it is: its time cannot be told from a smaller one's.
    clock[128], clock[512] = 0.5, 0.5
    monkeypatch.setattr("landscape.evaluation.evaluator._batch_size", lambda device, side: 512)
    large = choose(build, count=count, passes=1000)
    assert large.batch_size == 512
    assert not any("batch size" in why for why in large.reasons)
    monkeypatch.setattr("landscape.evaluation.evaluator._batch_size", lambda device, side: 64)
    # Two batches are looked at, however few images are enough otherwise.
    made.clear()
    monkeypatch.setattr(timing, "IMAGES", 40)
    choose(noted, count=count, passes=1000)
    assert max(made) == count < 128
    # What was asked for is not tried.
    assert not any("batch size" in why for why in choose(build, count=count, passes=1000, batch_size=32).reasons)
    # A network that is faster in the other layout gets it.
    monkeypatch.setattr(timing, "_timed", lambda evaluator, codes=False: 0.5 if evaluator._channels_last else 0.4)
    other = choose(build, count=count, passes=1000, batch_size=32)
    assert not other.channels_last
    assert other.seconds == pytest.approx(0.4 * count / 64, rel=1e-6)  # a pass over 64 images takes 0.4 s


@pytest.mark.parametrize(("compiled_time", "expected"), [(0.2, True), (0.49, False)])
def test_compiling_is_chosen_when_it_pays(task, network_of, monkeypatch, compiled_time, expected) -> None:
    monkeypatch.setattr(Evaluator, "can_compile", property(lambda self: True))
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    monkeypatch.setattr(timing, "_timed", lambda evaluator, codes=False: compiled_time if evaluator.compiled else 0.5)
    monkeypatch.setattr(timing.time, "perf_counter", iter(range(0, 10_000, 30)).__next__)
    choice = choose(builder(network_of(0), task), count=len(task.images), passes=1000, batch_size=64)
    assert choice.compiled is expected
    assert "30 s to compile" in choice.reasons[-1]


def test_the_cost_of_a_precision_is_the_largest_difference(task, network_of) -> None:
    network = network_of(0)
    build = builder(network, task)
    points = [({name: s * p.detach() for name, p in network.named_parameters()}, {}) for s in (1.0, 3.0)]
    loss, accuracy = precision_cost(build, "bf16", points, count=len(task.images))
    each = [
        abs(build(precision="bf16").at(*point).loss.mean() - build(precision="fp32").at(*point).loss.mean())
        for point in points
    ]
    assert loss == pytest.approx(max(each), rel=1e-9)
    assert 0 < loss < 0.05
    assert 0 <= accuracy < 0.1
    assert precision_cost(build, "fp32", points, count=len(task.images)) == (0.0, 0.0)


def test_bf16_prints_what_it_costs(setting) -> None:
    surface = measure(
        Plan.of(setting, Where(points=2), progress=False), compute=Compute(precision="bf16"), progress=False
    )
    assert any(note.startswith("bf16: on a sample of images, at the anchors") for note in surface.about["notes"])
    assert surface.about["precision"] == "bf16"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subset": 0}, "--subset is 0"),
        ({"adaptive": -1.0}, r"--adaptive is -1\.0"),
        ({"mixture": "frozen"}, "unknown mixture 'frozen'"),
        ({"batch_norm": "train"}, "unknown batch_norm 'train'"),
    ],
)
def test_options_that_make_no_sense(options, message) -> None:
    with pytest.raises(InputError, match=message):
        Recipe(**options)


def test_only_what_changes_values_is_part_of_the_result(setting) -> None:
    assert Recipe().words() == ()
    assert Recipe(subset=10).words() == ("subset=10",)
    plain = Plan.of(setting, where=Where(points=2), progress=False)
    assert plain.digest() == Plan.of(setting, where=Where(points=2), recipe=Recipe(), progress=False).digest()
    assert (
        plain.digest() != Plan.of(setting, where=Where(points=2), recipe=Recipe(adaptive=0.1), progress=False).digest()
    )
