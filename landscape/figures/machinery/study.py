"""The runs and results that a set of figures is about."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from landscape.algorithms.catalogue import METHODS, label_of
from landscape.config import RunConfig
from landscape.errors import InputError, unknown_choice
from landscape.figures.machinery.scale import Scale
from landscape.plots.captions import seed_words

if TYPE_CHECKING:
    from landscape.data import Task
    from landscape.data.listing import Listing
    from landscape.training import Run


@dataclass(frozen=True)
class Study:
    """Targets, seeds and algorithms of one data set at one scale, with the runs that exist.

    Attributes:
        scale: what is trained and how finely things are measured.
        data: built-in name, folder or manifest; None: the preset's.
        data_dir: folder that holds downloaded data sets.
        chosen: targets; none: every domain that the data uses.
        seeds: trial seeds; figures that show one run show the first.
        root: folder of the run folders.
        results: folder where measured results (.nc) are kept, found again by the hash of their inputs.
        device: where to compute.
        progress: show bars.
    """

    scale: Scale
    data: str | None = None
    data_dir: str | None = None
    chosen: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    root: Path = Path("checkpoints")
    results: Path = Path("figures/results")
    device: str = "auto"
    progress: bool = True
    config: RunConfig | None = None
    _tasks: dict[tuple[str, int], "Task"] = field(default_factory=dict, repr=False, compare=False)

    @property
    def base(self) -> RunConfig:
        """What every run starts from."""
        config = self.config or self.scale.config
        changes = {"data": self.data, "data_dir": self.data_dir}
        return config.replace(**{name: value for name, value in changes.items() if value is not None})

    @cached_property
    def listing(self) -> "Listing":
        """The images' names and domains, without their pixels."""
        from landscape.data.images import list_images

        base = self.base
        return list_images(base.data, data_dir=base.data_dir, domains=base.domains)

    @property
    def data_name(self) -> str:
        """What the data set is called."""
        return self.listing.name

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """Target domains in the data's order.

        Raises:
            InputError: a chosen target is no domain of the data.
        """
        domains = tuple(self.listing.domains)
        for name in self.chosen:
            if name not in domains:
                raise unknown_choice("target", name, domains)
        return tuple(name for name in domains if not self.chosen or name in self.chosen)

    @cached_property
    def main(self) -> str:
        """The target of figures that show one: the scale's if it is among the targets, else the last of them."""
        return self.scale.main if self.scale.main in self.targets else self.targets[-1]

    def run_config(self, algorithm: str, target: str, seed: int) -> RunConfig:
        """The configuration of one run of the study."""
        return self.base.replace(algorithm=algorithm, target=target, seed=seed, device=self.device)

    def wanted(
        self, algorithms: Iterable[str], targets: Sequence[str] | None = None, seeds: Sequence[int] | None = None
    ) -> list[RunConfig]:
        """The runs of some algorithms; seeds outside, so that one seed is complete before the next begins.

        Algorithms that do not exist yet are left out.
        """
        algorithms = [name for name in dict.fromkeys(algorithms) if name in METHODS]
        return [
            self.run_config(name, target, seed)
            for seed in (self.seeds if seeds is None else seeds)
            for target in (self.targets if targets is None else targets)
            for name in algorithms
        ]

    def locate(self, config: RunConfig) -> "Run":
        """Where a run is, or would be."""
        from landscape.training import locate

        return locate(config, root=self.root, images=self.listing)

    def run(self, algorithm: str, target: str, seed: int | None = None) -> "Run | None":
        """A finished run of the study; None: it does not exist or is not finished. By default of the first seed."""
        if algorithm not in METHODS:
            return None
        return self.finished(self.run_config(algorithm, target, self.seeds[0] if seed is None else seed))

    def finished(self, config: RunConfig) -> "Run | None":
        """The finished run that a configuration means; None: it does not exist or is not finished."""
        from dataclasses import replace

        from landscape.training import Run

        found = self.locate(config)
        return replace(Run.open(found.folder), config=found.config) if found.is_done() else None

    def runs(self, algorithms: Sequence[str], target: str, seed: int | None = None) -> dict[str, "Run"]:
        """The finished ones of several algorithms for one target and seed, by algorithm in the order given."""
        found = {name: self.run(name, target, seed) for name in algorithms}
        return {name: run for name, run in found.items() if run is not None}

    def need(self, algorithms: Sequence[str], target: str, seed: int | None = None) -> dict[str, "Run"]:
        """Like :meth:`runs`, of which none may be missing.

        Raises:
            InputError: one is missing; the sentence says how to make it.
        """
        found = self.runs(algorithms, target, seed)
        if lacking := [name for name in algorithms if name not in found]:
            raise self.lacks(lacking, [target], [self.seeds[0] if seed is None else seed])
        return found

    def complete(self, algorithms: Sequence[str], seeds: Sequence[int] | None = None) -> list[tuple[str, int]]:
        """Targets and seeds for which all of these algorithms have a finished run, seed after seed.

        Raises:
            InputError: there is none.
        """
        found = [
            (target, seed)
            for seed in (self.seeds if seeds is None else seeds)
            for target in self.targets
            if len(self.runs(algorithms, target, seed)) == len(algorithms)
        ]
        if not found:
            raise self.lacks(algorithms, self.targets, self.seeds if seeds is None else seeds)
        return found

    def lacks(self, algorithms: Sequence[str], targets: Sequence[str], seeds: Sequence[int]) -> InputError:
        """The error of runs that are missing."""
        names = ", ".join(label_of(name) for name in algorithms)
        return InputError(
            f"got no finished run of {names} on {self.base.data}, target {' or '.join(targets)}, seed "
            f"{' or '.join(map(str, seeds))}, preset {self.scale.name}, in {self.root}/; add --train to make what is "
            f"missing, or make it with: python -m landscape.train --preset {self.scale.name} "
            f"--algorithm {algorithms[0]} --target {targets[0]} --seed {seeds[0]}"
        )

    @property
    def folder(self) -> str:
        """Name of the folder of this scale and data, below that of the figures."""
        own = self.data is None or self.data == self.scale.config.data
        return self.scale.name if own else f"{self.scale.name}-{Path(str(self.data)).stem.lower()}"

    def command(self, name: str) -> str:
        """The command that makes an item of this study, whatever was typed."""
        words = ["python", "-m", "landscape.figures", name, "--train"]
        if self.scale.name != "quick":
            words += ["--preset", self.scale.name]
        if self.data is not None and self.data != self.scale.config.data:
            words += ["--data", self.data]
        if self.chosen:
            words += ["--targets", *self.chosen]
        if len(self.seeds) != self.scale.seeds:
            words += ["--seeds", str(len(self.seeds))]
        return shlex.join(words)

    def task(self, target: str, seed: int | None = None) -> "Task":
        """Images, split and target, opened once for all items."""
        from landscape.data import open_task

        key = (target, self.seeds[0] if seed is None else seed)
        if key not in self._tasks:
            self._tasks[key] = open_task(self.run_config("erm", *key), progress=self.progress)
        return self._tasks[key]

    def about(self, targets: Sequence[str] | None = None, seeds: Sequence[int] | None = None) -> str:
        """The beginning of a caption: data, targets, model, resolution, steps, seeds."""
        base, shown = self.base, self.targets if targets is None else targets
        chosen = self.seeds if seeds is None else seeds
        return (
            f"{self.data_name}, target{'s' if len(shown) > 1 else ''} {', '.join(shown)}; {base.model}, "
            f"{base.image_size} px, {base.steps} steps (T0 {base.mixup.start}); {seed_words(chosen)}."
        )
