"""A linear model's loss along a line, by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

from landscape.compute import Compute
from landscape.errors import InputError
from landscape.opened import Opened
from landscape.surface import Profile
from landscape.surface.line import Line
from landscape.surface.meter import Meter
from landscape.surface.recipe import Where


def test_the_line_equals_cross_entropy_by_hand(task, linear, tmp_path) -> None:
    network, weights = linear
    a, b = weights(0), weights(1)
    profile = Profile.between(
        a, b, task, network=network, where=Where(points=7), compute=Compute(precision="fp64"), progress=False
    )
    assert {0.0, 1.0} <= set(profile.t.tolist())
    assert (profile.t[0], profile.t[-1]) == (-0.25, 1.25)
    inputs = ((torch.from_numpy(task.images.pixels).double() / 255 - 0.5) / 0.25).flatten(1)
    labels, rows = torch.from_numpy(task.images.labels), task.source_rows("in")
    losses = []
    for t in profile.t:
        w = {name: (1 - t) * a[name].double() + t * b[name].double() for name in a}
        logits = inputs @ w["linear.weight"].T + w["linear.bias"]
        losses.append(F.cross_entropy(logits[rows], labels[rows]).item())
    np.testing.assert_allclose(profile.values["train_loss"], losses, rtol=1e-5)
    # Cross entropy is convex in a linear model's weights: no barrier.
    assert profile.barrier() == pytest.approx(0.0, abs=1e-9)
    assert profile.distance == pytest.approx(float(sum((a[n] - b[n]).double().square().sum() for n in a) ** 0.5))
    assert list(profile.to_dataframe()["train_loss"]) == profile.values["train_loss"].tolist()
    back = Profile.load(profile.save(tmp_path / "line.nc"))
    assert back.to_dataframe().equals(profile.to_dataframe())
    assert (back.names, back.distance, dict(back.about)) == (profile.names, profile.distance, dict(profile.about))
    assert "<table" in profile._repr_html_()
    ax = profile.plot(Figure().add_subplot())
    np.testing.assert_allclose(ax.get_lines()[0].get_ydata(), profile.values["train_loss"])


def test_a_barrier_is_the_rise_above_the_chord() -> None:
    t = np.array([-0.5, 0.0, 0.5, 1.0, 1.5])
    profile = Profile(t, {"train_loss": np.array([9.0, 1.0, 5.0, 3.0, 9.0])}, 1.0, ("a", "b"))
    assert profile.barrier() == pytest.approx(5.0 - 2.0)
    with pytest.raises(InputError, match="no panel 'loss'"):
        profile.barrier("loss")


def test_running_statistics_are_interpolated_and_the_ends_are_exact(task, network_of) -> None:
    from landscape.checkpoint import Checkpoint
    from landscape.evaluation import Evaluator

    networks = [network_of(seed, batch_norm=True) for seed in range(2)]
    ends = [Checkpoint(model={n: t.clone() for n, t in network.state_dict().items()}) for network in networks]
    profile = Profile.between(*ends, task, network=networks[0], where=Where(points=3, margin=0.0), progress=False)
    for value, network in zip(profile.values["train_loss"][[0, -1]], networks, strict=True):
        direct = Evaluator(network, task.images.pixels, task.images.labels, fold=False).at()
        expected = direct.loss[task.source_rows("in")].mean()
        # Plain weights have the given network's buffers; checkpoints have their own.
        assert value == pytest.approx(expected, rel=1e-4)


def test_an_end_that_rounding_misses_is_there_once(task, linear) -> None:
    network, weights = linear
    opened = Opened.open([weights(0), weights(1)], task, network=network, progress=False)
    for beyond, points in ((0.2, 15), (0.1, 13), (0.3, 17), (0.25, 25), (0.7, 25)):
        t = Line.of(opened, where=Where(points=points, margin=beyond)).t
        assert np.diff(t).min() > 1e-3
        assert {0.0, 1.0} <= set(t.tolist())
        assert len(t) - points in (0, 1, 2)
    assert len(Line.of(opened, where=Where(points=15, margin=0.2)).t) == 15  # of which rounding would make more


def test_mistakes(task, linear) -> None:
    network, weights = linear
    with pytest.raises(InputError, match="identical weights"):
        Profile.between(weights(0), weights(0), task, network=network, progress=False)
    with pytest.raises(InputError, match="--points is 1; expected at least 2"):
        Profile.between(weights(0), weights(1), task, network=network, where=Where(points=1), progress=False)


def test_a_killed_line_resumes_to_the_same_profile(task, network_of, tmp_path, monkeypatch) -> None:
    networks = [network_of(seed) for seed in range(2)]
    ends = [{name: p.detach().clone() for name, p in network.named_parameters()} for network in networks]
    options = {"network": networks[0], "where": Where(points=5), "progress": False}
    whole = Profile.between(*ends, task, **options)
    original, calls = Meter.at, 0

    def counted(self, *arguments):
        nonlocal calls
        calls += 1
        if calls == limit:
            raise KeyboardInterrupt
        return original(self, *arguments)

    monkeypatch.setattr(Meter, "at", counted)
    limit, journal = 4, tmp_path / "line.journal.jsonl"
    with pytest.raises(KeyboardInterrupt):
        Profile.between(*ends, task, journal=journal, **options)
    limit, calls = -1, 0
    resumed = Profile.between(*ends, task, journal=journal, **options)
    assert calls == len(whole.t) - 3
    assert resumed.to_dataframe().equals(whole.to_dataframe())


def test_files_that_are_no_profile(tmp_path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Profile.load(tmp_path / "none.nc")
    (tmp_path / "bad.nc").write_bytes(b"nothing")
    with pytest.raises(InputError, match="no profile of a line"):
        Profile.load(tmp_path / "bad.nc")
