"""What an embedding is going to cost, before it is made."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from landscape.compute import Compute
from landscape.embedding import tsne
from landscape.embedding.checkpoint_codes import choose_rows
from landscape.embedding.hull import hull_distance
from landscape.embedding.recipe import Recipe
from landscape.evaluation.timing import sample, seconds_of
from landscape.mixture import has_policy
from landscape.opened import Opened

_FEW = 128


@dataclass(frozen=True)
class Plan:
    """The work for one call.

    Attributes:
        models: checkpoints to embed.
        images: images of each.
        passes: passes over them, of all checkpoints together.
        mixup: mixup codes of each, at most.
        programmes: linear programmes of each, at most: short cuts usually save half of them.
        corners: codes of a class, whose hull it is, on average.
        dimensions: d of the hulls.
    """

    models: int
    images: int
    passes: int
    mixup: int
    programmes: int
    corners: int
    dimensions: tuple[int, ...]

    @classmethod
    def of(cls, opened: Opened, recipe: Recipe) -> "Plan":
        """Count images, passes, codes and linear programmes."""
        models, task = len(opened.checkpoints), opened.task
        if models > 1:
            recipe = recipe.of_images()
        rows = choose_rows(task, recipe)
        pool = len(np.intersect1d(rows, task.source_rows("in")))
        kinds = [kind for kind in recipe.codes if kind != "own" or has_policy(opened.checkpoints[0])]
        reaching = sum(kind in ("own", "d") for kind in kinds)
        hulls = 1 + reaching * (1 + recipe.draws)
        programmes = (len(rows) - pool) * hulls * len(recipe.dimensions)
        return cls(
            models=models,
            images=len(rows),
            passes=models + bool(recipe.codes),
            mixup=pool * len(kinds),
            programmes=programmes,
            corners=max(2 * pool // len(task.images.classes), 2),
            dimensions=recipe.dimensions,
        )

    def describe(self, opened: Opened, compute: Compute) -> str:
        """The plan as text, with times from short timings: a few images, random codes, a few programmes."""
        forward = self.passes * self._pass(opened, compute)
        width: Any = getattr(opened.network, "feature_dim", 512)
        points = self.images + self.mixup
        embedding = self.models * tsne.seconds(points, int(width))
        hulls = self.programmes * self._programme()
        lines = [
            f"models: {', '.join(opened.names)}",
            f"passes over the data: {self.passes} of {self.images:,} images = {self.passes * self.images:,} forward "
            "passes",
            f"t-SNE: {self.models} of {points:,} codes",
            f"linear programmes: at most {self.programmes:,}",
            f"estimated time: at most {forward + embedding + hulls:.0f} s ({forward:.0f} s forward passes, "
            f"{embedding:.0f} s t-SNE, at most {hulls:.0f} s linear programmes)",
        ]
        return "\n".join([*lines, *(f"note: {note}" for note in opened.notes)])

    def _pass(self, opened: Opened, compute: Compute) -> float:
        rows = sample(len(opened.task.images), _FEW)
        evaluator = opened.evaluator(opened.resolve(compute), rows)
        return seconds_of(evaluator.at) * self.images / len(rows)

    def _programme(self) -> float:
        if not self.programmes:
            return 0.0
        generator, seconds = np.random.default_rng(0), []
        for d in self.dimensions:
            points, queries = generator.standard_normal((self.corners, d)), 0.3 * generator.standard_normal((4, d))
            hull_distance(points, queries[0])
            began = time.perf_counter()
            for query in queries:
                hull_distance(points, query)
            seconds.append((time.perf_counter() - began) / len(queries))
        return sum(seconds) / len(seconds)
