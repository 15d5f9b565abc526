"""What is going to be compared: pairs for every two source domains, groups over all of them, untrained scores."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from landscape.correlation.association import FORMAT
from landscape.correlation.identifiability import FEWEST_UNTRAINED
from landscape.correlation.pairs import ImageGroups, ImagePairs, draw_groups, draw_pairs
from landscape.correlation.setting import Setting
from landscape.data.task import Part
from landscape.errors import InputError
from landscape.storage import digest


@dataclass(frozen=True)
class Plan:
    """A checkpoint and everything that is drawn for it.

    Attributes:
        setting: network, data and checkpoint.
        pairs: for every ordered pair of source domains.
        groups: one image of every source each.
        untrained: number of random initialisations of S_phi.
        part: which images were drawn from.
        draw: number of the random draw.
        notes: what could not be drawn as asked.
    """

    setting: Setting
    pairs: tuple[ImagePairs, ...]
    groups: ImageGroups
    untrained: int
    part: Part
    draw: int
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        setting: Setting,
        *,
        pairs: int = 200,
        groups: int = 200,
        untrained: int = 100,
        part: Part = "in",
        draw: int = 0,
    ) -> "Plan":
        """Draw pairs and groups for a checkpoint; the draws depend on its trial seed and on `draw`.

        Raises:
            InputError: too few of anything to be compared, or two sources without a common class.
        """
        for flag, value, least in (("pairs", pairs, 10), ("groups", groups, 10), ("null", untrained, FEWEST_UNTRAINED)):
            if value < least:
                raise InputError(f"--{flag} is {value}; expected at least {least}.")
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
        return cls(setting, drawn, chosen, untrained, part, draw, tuple(notes))

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
        return digest(str(FORMAT), self.setting.digest(), self.part, str(self.draw), str(self.untrained), *drawn)
