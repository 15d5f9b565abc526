"""Measures a surface on a local Ray cluster of two nodes, of which one is killed; ``test_distributed.py`` runs it.

A script of its own, so that neither Ray's warnings nor its processes reach the other tests. Prints one JSON object.
"""

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import ray
import torch
from conftest import linear_weights, make_task
from ray.cluster_utils import Cluster
from torch import nn

from landscape.compute import Compute
from landscape.errors import InputError
from landscape.log import Log
from landscape.storage import Journal
from landscape.surface import Surface
from landscape.surface.distributed import start
from landscape.surface.recipe import Where

# As few processes as Ray can do with: a node has to start within RAY_raylet_start_wait_time_s.
NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_log_monitor": False}
# A dead node is noticed after three seconds and not after half a minute.
HEALTH = {"health_check_period_ms": 600}
# The exit code where that is not enough.
OVERLOADED = 75
HEAD = {**NODE, "include_dashboard": False, "no_monitor": True, "_system_config": HEALTH}


class Slow(nn.Module):
    """Takes a moment for every batch, and writes down whose process it was, and on which node."""

    def __init__(self, diary: Path, *, wrong_elsewhere: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * 8 * 8, 3)
        self.diary, self.home, self.wrong_elsewhere = diary, os.getpid(), wrong_elsewhere

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        time.sleep(0.03)
        with open(self.diary, "a") as file:
            node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else "none"
            file.write(f"{os.getpid()} {node}\n")
        logits = self.linear(images.permute(0, 2, 3, 1).flatten(1))
        return logits[:, :1] if self.wrong_elsewhere and os.getpid() != self.home else logits


def two_nodes() -> tuple[Cluster, Any]:
    """A cluster and its second node."""
    try:
        cluster = Cluster(initialize_head=True, head_node_args=HEAD)
        return cluster, cluster.add_node(**NODE)
    except Exception as error:  # Ray's has no class of its own
        if "timed out during startup" not in str(error):
            raise
        sys.exit(OVERLOADED)


def main(folder: Path) -> None:
    """Measure alone; with workers until interrupted; continue and kill a node; and let a worker fail."""
    anchors, task = [linear_weights(seed) for seed in range(3)], make_task()
    journal, add, said = folder / "journal.jsonl", Log.add, {}

    def surface(name, *, points=6, wrong_elsewhere=False, workers="none", **options):
        network = Slow(folder / name, wrong_elsewhere=wrong_elsewhere)
        where, how = Where(points=points), Compute(workers=workers)
        return Surface.through(*anchors, task, network=network, where=where, compute=how, progress=False, **options)

    def processes(name) -> list[str]:
        return [line.split()[0] for line in (folder / name).read_text().splitlines()]

    def nodes(name) -> list[str]:
        return [line.split()[1] for line in (folder / name).read_text().splitlines()]

    whole = surface("alone")

    cluster, victim = two_nodes()
    try:
        os.environ["RAY_ADDRESS"] = cluster.address
        start(ray)  # once for all measurements: workers take their time to import torch
        deadline = time.monotonic() + 90
        said["workers"] = 0
        while said["workers"] < 2 and time.monotonic() < deadline:
            surface("warm up", points=3, workers="ray")
            said["workers"] = len({*processes("warm up")} - {str(os.getpid())})

        def interrupted(self, key, **values):
            add(self, key, **values)
            if len(self.rows) == 12:
                raise KeyboardInterrupt

        Log.add = interrupted
        try:
            surface("interrupted", workers="ray", journal=journal)
        except KeyboardInterrupt:
            said["kept"] = len(Journal(journal).read())

        def deadly(self, key, **values):
            add(self, key, **values)
            if len(self.rows) == 18:
                cluster.remove_node(victim, allow_graceful=False)

        Log.add = deadly
        shared = surface("continued", workers="ray", journal=journal)
        said["equal"] = shared.values.identical(whole.values) and shared.marks == whole.marks
        # What is left of grid, anchors and the timing's choice, in batches of 64 images.
        said["needed"] = (6 * 6 + 3 + 1 - 12) * math.ceil(len(task.images) / 64)
        said["passes"] = len(processes("continued"))
        said["by_victim"] = nodes("continued").count(victim.node_id)
        said["alive"] = alive = 2
        deadline = time.monotonic() + 30
        while alive > 1 and time.monotonic() < deadline:  # a dead node is noticed by its silence
            time.sleep(0.2)
            said["alive"] = alive = sum(node["Alive"] for node in ray.nodes())

        Log.add = add
        try:
            surface("wrong", workers="ray", wrong_elsewhere=True)
        except InputError as error:
            said["error"] = str(error)
    finally:
        ray.shutdown()
        cluster.shutdown()
    print(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
