"""What a study would cost on the hardware at hand, from a few timed updates and one timed pass over images."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from landscape.config import RunConfig
from landscape.figures.machinery.measured import PARTS
from landscape.figures.machinery.prepare import updates_of
from landscape.figures.machinery.registry import Item
from landscape.figures.machinery.study import Study


@dataclass(frozen=True)
class Cost:
    """An estimate.

    Attributes:
        runs: runs to train.
        plain: updates without mixup.
        mixing: updates with mixup.
        plain_seconds: of one plain update.
        mixing_seconds: of one update with mixup.
        images: forward passes of images that the items evaluate, at most: stored results are not repeated.
        image_seconds: of one of them.
    """

    runs: int
    plain: int
    mixing: int
    plain_seconds: float
    mixing_seconds: float
    images: int
    image_seconds: float

    @property
    def training(self) -> float:
        """Seconds of training."""
        return self.plain * self.plain_seconds + self.mixing * self.mixing_seconds

    @property
    def measuring(self) -> float:
        """Seconds of evaluation."""
        return self.images * self.image_seconds

    def words(self) -> str:
        """The estimate as text."""
        return "\n".join(
            (
                f"train: {self.runs} runs, {self.plain:,} updates at {self.plain_seconds:.2g} s and {self.mixing:,} "
                f"with mixup at {self.mixing_seconds:.2g} s: {_duration(self.training)}",
                f"measure: at most {self.images:,} forward passes of images at {1 / self.image_seconds:,.0f} images/s: "
                f"{_duration(self.measuring)}",
            )
        )


def estimate(items: Sequence[Item], configs: Sequence[RunConfig], study: Study) -> Cost:
    """Time a few updates and one pass of the study's network, and multiply.

    Args:
        items: what would be made.
        configs: the runs that would be trained.
        study: targets, seeds, scale.
    """
    work = updates_of(configs, study)
    plain, mixing = (sum(entry[index] for entry in work) for index in (1, 2))  # type: ignore[misc]
    images = passes(items, study)
    return Cost(
        runs=len(work),
        plain=plain,
        mixing=mixing,
        plain_seconds=seconds_of_update("erm", study) if plain else 0.0,
        mixing_seconds=seconds_of_update("fgmix", study) if mixing else 0.0,
        images=images,
        image_seconds=seconds_of_image(study),
    )


def passes(items: Iterable[Item], study: Study) -> int:
    """Forward passes of images that items evaluate; what several share counts once."""
    needed = {part for item in items for part in item.measures}
    return sum(part(study) for part in needed if part not in PARTS or PARTS[part] not in needed)


def seconds_of_update(algorithm: str, study: Study, *, updates: int = 3) -> float:
    """Median seconds of an update on the study's own images, mixup from the first one on."""
    from dataclasses import replace

    from landscape.algorithms import Facts, build_algorithm
    from landscape.training.engine import initial_network, minibatches, resolve_hardware

    config = study.run_config(algorithm, study.main, study.seeds[0])
    config = resolve_hardware(config.replace(mixup=replace(config.mixup, start=1)))
    task = study.task(study.main)
    network = initial_network(config, len(task.images.classes))
    network.train()
    trained = build_algorithm(network, config, Facts.of(task, config))
    batches = minibatches(task, config, network, trained.device)

    def one(step: int) -> None:
        float(trained.update(batches.at(step), step)["loss"])  # waits for the device

    return _median(one, updates)


def seconds_of_image(study: Study, *, rounds: int = 3) -> float:
    """Median seconds of an image's forward pass in the evaluation core, weights set in between."""
    import numpy as np

    from landscape.evaluation import Evaluator
    from landscape.training.engine import initial_network

    task = study.task(study.main)
    network = initial_network(study.run_config("erm", study.main, study.seeds[0]), len(task.images.classes))
    rows = np.arange(len(task.images))[:512]
    evaluator = Evaluator(network, task.images.pixels, task.images.labels, rows=rows)
    weights, buffers = dict(network.named_parameters()), dict(network.named_buffers())
    return _median(lambda _: evaluator.at(weights, buffers), rounds) / len(rows)


def _median(work: Callable[[int], object], rounds: int) -> float:
    work(1)
    seconds = []
    for index in range(rounds):
        began = time.perf_counter()
        work(index + 2)
        seconds.append(time.perf_counter() - began)
    return sorted(seconds)[len(seconds) // 2]


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
