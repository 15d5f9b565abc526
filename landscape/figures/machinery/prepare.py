"""Trains the runs that figures want and that do not exist, one after the other, with the time left."""

import sys
import time
from collections.abc import Iterable

from landscape.algorithms.catalogue import label_of
from landscape.config import RunConfig
from landscape.figures.machinery.registry import Item
from landscape.figures.machinery.study import Study


def missing_runs(items: Iterable[Item], study: Study) -> list[RunConfig]:
    """Configurations that the items want, each once, of which no finished run exists."""
    wanted = {study.locate(config).folder: config for item in items for config in item.runs(study)}
    return [config for config in wanted.values() if study.finished(config) is None]


def updates_of(configs: Iterable[RunConfig], study: Study) -> list[tuple[RunConfig, int, int]]:
    """Of each run the plain and the mixing updates that are still to be done, trunks counted once."""
    seen, result = set(), []
    for config in configs:
        run = study.locate(config)
        plain = 0 if config.uses_mixup else config.steps - run.branch_step
        mixing = config.steps - run.branch_step if config.uses_mixup else 0
        trunk = run.trunk
        if trunk is not None and trunk.folder not in seen and run.branch_step not in trunk.states():
            seen.add(trunk.folder)
            plain += run.branch_step
        result.append((config, plain, mixing))
    return result


def train_missing(configs: list[RunConfig], study: Study) -> None:
    """Train them in order. Interrupted, the same call continues within the run that it had begun.

    Raises:
        KeyboardInterrupt: interrupted; the state was saved.
    """
    from landscape.training import train

    work = updates_of(configs, study)
    total, done, began = sum(plain + mixing for _, plain, mixing in work), 0, time.monotonic()
    for index, (config, plain, mixing) in enumerate(work, start=1):
        left = ""
        if done:
            minutes = (time.monotonic() - began) / done * (total - done) / 60
            left = f", about {max(1, round(minutes))} min left for all"
        print(
            f"run {index} of {len(work)}: {label_of(config.algorithm)}, target {config.target}, "
            f"seed {config.seed}, {plain + mixing} updates{left}",
            file=sys.stderr,
        )
        train(
            config,
            root=study.root,
            task=None if config.sources else study.task(config.target, config.seed),
            progress=study.progress,
        )
        done += plain + mixing
