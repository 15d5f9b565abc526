"""What is going to be compared: pairs for every two source domains, groups over all of them, untrained scores."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from landscape.correlation.association import FORMAT
from landscape.correlation.pairs import ImageGroups, ImagePairs, draw_groups, draw_pairs
from landscape.correlation.recipe import PLAIN, Recipe
from landscape.correlation.setting import Setting
from landscape.storage import digest


@dataclass(frozen=True)
class Plan:
    """A checkpoint and everything that is drawn for it.

    Attributes:
        setting: network, data and checkpoint.
        pairs: for every ordered pair of source domains.
        groups: one image of every source each.
        recipe: which images were drawn from and how, and how many untrained scores there are.
        notes: what could not be drawn as asked.
    """

    setting: Setting
    pairs: tuple[ImagePairs, ...]
    groups: ImageGroups
    recipe: Recipe
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        setting: Setting,
        recipe: Recipe = PLAIN,
    ) -> "Plan":
        """Draw pairs and groups for a checkpoint; the draws depend on its trial seed and on the recipe.

        Raises:
            InputError: two sources without a common class.
        """
        pairs, groups, part, draw = recipe.pairs, recipe.groups, recipe.images, recipe.draw
        task = setting.task
        config = setting.checkpoint.config
        seed = config.seed if config else 0
        drawn = tuple(
            draw_pairs(task, first, second, count=pairs, part=part, seed=seed, draw=draw)
            for first, second in permutations(task.sources, 2)
        )
        chosen = draw_groups(task, count=groups, part=part, seed=seed, draw=draw)
        notes = [
            f"{each.first} and {each.second} have {len(each)} same-class pairs, fewer than the {pairs} asked for"
            for each in drawn
            if len(each) < pairs
        ]
        if len(chosen) < groups:
            notes.append(
                f"{len(chosen)} images have a partner in every source, fewer than the {groups} groups asked for"
            )
        return cls(setting, drawn, chosen, recipe, tuple(notes))

    @property
    def rows(self) -> np.ndarray:
        """(R,) sorted rows of all images that take part."""
        return np.unique(np.concatenate([rows.ravel() for rows in self._drawn]))

    @property
    def _drawn(self) -> list[np.ndarray]:
        return [*(each.rows for each in self.pairs), self.groups.rows]

    def digest(self) -> str:
        """A hash of everything that the values depend on."""
        drawn = [rows.tobytes() for rows in self._drawn]
        recipe = self.recipe
        return digest(str(FORMAT), self.setting.digest(), recipe.images, str(recipe.draw), str(recipe.null), *drawn)
