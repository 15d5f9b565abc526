"""Points from Ray's workers equal those of one process, also when a node dies in the middle."""

import importlib.util
import json
import os
import pickle
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from landscape.compute import Compute
from landscape.errors import InputError
from landscape.surface import Surface
from landscape.surface.__main__ import main
from landscape.surface.distributed import Bench, Parcel, _evaluate
from landscape.surface.measure import measure
from landscape.surface.plan import Plan
from landscape.surface.recipe import Recipe, Where
from landscape.surface.setting import Setting

OPTIONS = {
    "plain": Recipe(),
    "mixture anew": Recipe(mixture="recompute"),
    "fixed codes": Recipe(mixture="fixed_codes"),
    "a sample": Recipe(subset=40),
    "statistics anew": Recipe(batch_norm="recomputed"),
    "refined": Recipe(adaptive=0.01),
}


class Sent:
    """In place of Ray: a parcel is pickled and taken apart as in another process, and its points evaluated here."""

    parcels: list[Parcel]
    blocks: list[int]

    def __init__(self, parcel: Parcel) -> None:
        self.parcels.append(parcel)
        self.bench = Bench(pickle.loads(pickle.dumps(parcel)))

    def __enter__(self) -> Any:
        return self.evaluate

    def __exit__(self, *_: object) -> None: ...

    def evaluate(self, points):
        self.blocks.append(len(points))
        rows, notes = self.bench.block(points)
        for (key, _, _), row in zip(points, rows, strict=True):
            yield key, row, notes


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> type[Sent]:
    Sent.parcels, Sent.blocks = [], []
    monkeypatch.setattr("landscape.surface.measure.connected", Sent)
    monkeypatch.setattr("landscape.surface.measure.check_workers", lambda workers: None)
    return Sent


@pytest.mark.parametrize("name", OPTIONS)
def test_a_parcel_that_was_sent_gives_the_same_values(in_workplace: Path, name: str, sent: type[Sent]) -> None:
    """Bit for bit, whatever the values depend on."""
    erm, fgmix = sorted(path.name for path in (in_workplace / "checkpoints").iterdir())
    setting = Setting.through(f"{erm}@0", f"{erm}@swa", f"{fgmix}@swa", progress=False)
    plan = Plan.of(setting, where=Where(points=9 if name == "refined" else 3), recipe=OPTIONS[name], progress=False)
    alone = measure(plan, progress=False)
    shared = measure(plan, compute=Compute(workers="ray"), progress=False)
    assert shared.values.identical(alone.values)
    assert shared.marks == alone.marks
    assert shared.about == alone.about
    (parcel,) = sent.parcels
    # Checkpoints stay at home, and the plane's vectors travel once.
    assert not parcel.plan.setting.checkpoints
    assert not parcel.plan.plane.e1
    # A round of refinement asks for its cells together.
    assert max(sent.blocks) >= (16 if name == "refined" else 9)


def test_points_that_share_their_features_need_no_workers(task, network_of, sent: type[Sent]) -> None:
    anchors = [{n: p.detach().clone() for n, p in network_of(0).named_parameters()} for _ in range(3)]
    for seed, each in enumerate(anchors):
        each["classifier.weight"] = network_of(seed + 1).classifier.weight.detach()
    options = {"network": network_of(0), "where": Where(points=3), "progress": False}
    shared = Surface.through(*anchors, task, compute=Compute(workers="ray"), **options)
    assert not sent.parcels
    assert shared.values.identical(Surface.through(*anchors, task, **options).values)


def test_without_ray_it_says_what_to_do(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        InputError, match=r"needs Ray, which is not installed; pip install 'dg-landscape\[distributed\]'"
    ):
        main(["a", "b", "c", "--workers", "ray"])


class Cluster:
    """As much of Ray as handing out blocks needs: resources, and tasks that fail."""

    class exceptions:
        class RayError(Exception): ...

        class RayTaskError(RayError): ...

        class OutOfMemoryError(RayError): ...

    def __init__(self, resources: dict[str, float], said: str = "") -> None:
        self.cluster_resources = lambda: resources
        self._said = said

    def wait(self, running, *, num_returns):
        return running[:num_returns], running[num_returns:]

    def get(self, reference):
        raise self.exceptions.OutOfMemoryError(self._said)

    def cancel(self, reference) -> None: ...


@pytest.mark.parametrize(
    ("resource", "says"), [("GPU", "no GPU; give --device cpu"), ("CPU", "no CPU; start a node with processors")]
)
def test_a_cluster_without_what_is_needed_is_an_error(resource: str, says: str) -> None:
    cluster = Cluster({"memory": 1.0})
    with pytest.raises(InputError, match=f"the cluster has {says}"):
        next(_evaluate(cluster, lambda block: "task", [("a", 0.0, 0.0)], resource))


@pytest.mark.parametrize(("said", "says"), [("", "OutOfMemoryError"), ("no room\nmore", "OutOfMemoryError: no room")])
def test_a_lost_block_names_the_exception(said: str, says: str) -> None:
    cluster = Cluster({"CPU": 2.0}, said)
    with pytest.raises(InputError, match=rf"lost a block of points \({says}\)"):
        next(_evaluate(cluster, lambda block: "task", [("a", 0.0, 0.0)], "CPU"))


def test_a_node_that_dies_in_the_middle_costs_nothing_but_time(tmp_path: Path) -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs Ray: pip install 'dg-landscape[distributed]'")
    script = Path(__file__).with_name("two_nodes.py")
    env = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "45"}
    with open(tmp_path / "errors", "w+") as errors:
        child = subprocess.Popen(
            [sys.executable, script, tmp_path],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=env,
            start_new_session=True,
        )
        try:
            out, _ = child.communicate(timeout=280)
        finally:
            with suppress(ProcessLookupError):  # nothing of Ray stays, whatever happened
                os.killpg(child.pid, signal.SIGKILL)
        if child.returncode == os.EX_TEMPFAIL:
            pytest.skip("this machine is too busy: Ray did not start a node within 45 s")
        errors.seek(0)
        assert child.returncode == 0, errors.read()[-3000:]
    said = json.loads(out.splitlines()[-1])
    assert said["equal"]
    assert said["kept"] == 12
    assert said["workers"] == 2
    # One node is gone, and what it had not delivered was evaluated elsewhere.
    assert said["alive"] == 1
    assert said["by_victim"] > 0
    assert said["passes"] >= said["needed"]
    # A worker's own mistake reads as it would here.
    assert said["error"].startswith("the network has 1 logits")
