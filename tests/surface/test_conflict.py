"""Cosines between domains' gradients against NumPy in float64, and against themselves after being killed."""

from itertools import combinations

import numpy as np
import pytest
import torch

from landscape.data import Task
from landscape.data.strata import stratified
from landscape.errors import InputError
from landscape.storage import Journal
from landscape.surface.conflict import ConflictMap
from landscape.surface.domain_gradients import DomainGradients, conflict_map, cosine, measure_conflict
from landscape.surface.plan import Plan
from landscape.surface.recipe import Where
from landscape.surface.setting import Setting


@pytest.fixture
def setting(task, linear) -> Setting:
    network, weights = linear
    return Setting.through(*(weights(seed) for seed in range(3)), task, network=network, progress=False)


def by_hand(task: Task, theta: dict, rows: np.ndarray) -> np.ndarray:
    """Gradient of the mean cross entropy of a linear model: mean of (p - onehot) (x, 1), float64."""
    inputs = ((task.images.pixels[rows].astype(np.float64) / 255 - 0.5) / 0.25).reshape(len(rows), -1)
    logits = inputs @ theta["linear.weight"].double().numpy().T + theta["linear.bias"].double().numpy()
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    delta = p - np.eye(3)[task.images.labels[rows]]
    return np.concatenate([(delta.T @ inputs / len(rows)).ravel(), delta.mean(0)])


def angle(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_every_value_equals_numpy(setting) -> None:
    plan, task = Plan.of(setting, where=Where(points=3), progress=False), setting.task
    rows = task.source_rows("in")
    found = measure_conflict(plan, rows, progress=False)
    assert found.domains == task.sources
    assert found.pairs == tuple(combinations(task.sources, 2))
    own = {name: rows[task.images.domain[rows] == task.images.domain_index(name)] for name in task.sources}
    for i, j in plan.grid.cells():
        theta = plan.plane.at(float(plan.grid.x[j]), float(plan.grid.y[i]))
        gradients = {name: by_hand(task, theta, each) for name, each in own.items()}
        expected = [angle(gradients[a], gradients[b]) for a, b in found.pairs]
        np.testing.assert_allclose(found.cosine[:, i, j], expected, atol=2e-6)
        np.testing.assert_allclose(found.norm[:, i, j], [np.linalg.norm(g) for g in gradients.values()], rtol=1e-5)
        for d, each in enumerate(own.values()):
            ordered = each[np.argsort(task.images.labels[each], kind="stable")]
            halves = by_hand(task, theta, ordered[::2]), by_hand(task, theta, ordered[1::2])
            assert found.within[d, i, j] == pytest.approx(angle(*halves), abs=2e-6)
    np.testing.assert_allclose(found.mean, found.cosine.mean(0))


def test_the_network_comes_back_as_it_was(setting) -> None:
    before = {name: tensor.clone() for name, tensor in setting.network.state_dict().items()}
    measure_conflict(
        Plan.of(setting, where=Where(points=2), progress=False), setting.task.source_rows("in"), progress=False
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in setting.network.state_dict().items())


def test_a_killed_map_resumes_to_the_same_numbers(setting, tmp_path, monkeypatch) -> None:
    plan, rows = Plan.of(setting, where=Where(points=2), progress=False), setting.task.source_rows("in")
    whole = measure_conflict(plan, rows, progress=False)
    path, calls = tmp_path / "journal.jsonl", []
    original = DomainGradients.agreement

    def agreement(self, *given):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, *given)

    monkeypatch.setattr(DomainGradients, "agreement", agreement)
    with pytest.raises(KeyboardInterrupt):
        measure_conflict(plan, rows, journal=path, progress=False)
    assert len(Journal(path).read()) == 2
    resumed = measure_conflict(plan, rows, journal=path, progress=False)
    assert len(calls) == 5
    assert np.array_equal(resumed.cosine, whole.cosine)
    # Rows of other images are not taken for those of these.
    measure_conflict(plan, rows[:-1], journal=path, progress=False)
    assert len(calls) == 9


def test_a_stored_map_is_found_again_and_not_measured(setting, tmp_path, monkeypatch) -> None:
    first = conflict_map(setting, out=tmp_path, where=Where(points=2), images=20, progress=False)
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("conflict-toy-sketch-")
    loaded = ConflictMap.load(path)
    assert np.array_equal(loaded.cosine, first.cosine)
    assert (loaded.pairs, loaded.domains, dict(loaded.about)) == (first.pairs, first.domains, dict(first.about))
    rows = stratified(setting.task, setting.task.source_rows("in"), 20, seed=0)
    assert loaded.about["n"]["used"] == len(rows) < len(setting.task.source_rows("in"))
    monkeypatch.setattr(DomainGradients, "agreement", None)
    again = conflict_map(setting, out=tmp_path, where=Where(points=2), images=20, progress=False)
    assert np.array_equal(again.within, first.within)
    assert len(again.to_dataframe()) == 4


def test_what_cannot_be_compared_is_refused(setting, task, tmp_path) -> None:
    photo = task.rows("photo", "in")
    with pytest.raises(InputError, match="none of the"):
        DomainGradients(setting.network, task, photo)
    with pytest.raises(InputError, match="does not exist"):
        ConflictMap.load(tmp_path / "none.nc")
    zero = {"a": torch.zeros(3)}
    assert np.isnan(cosine(zero, {"a": torch.ones(3)}))
    assert cosine({"a": torch.ones(3)}, {"a": -2 * torch.ones(3)}) == -1.0
