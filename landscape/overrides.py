"""Flags that every analysis command shares: which network and data its checkpoints are opened with.

No torch in here: ``--help`` has to answer at once.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict


@dataclass(frozen=True)
class Overrides:
    """Where the checkpoints are, and what to use in place of what they say themselves."""

    root: Path = Path("checkpoints")
    """Folder of the run folders."""
    model: str | None = None
    """Network; needed for bare state dicts and for package.module:function."""
    head: Literal["linear", "nonlinear"] | None = None
    """Its classifier, likewise."""
    data: str | None = None
    """Data; needed for bare state dicts."""
    data_dir: str | None = None
    """Folder that holds the downloaded data sets."""
    target: str | None = None
    """Domain left out of training; needed for bare state dicts."""
    domains: tuple[str, ...] = ()
    """Domains to use."""
    image_size: int | None = None
    """Side of the images in pixels."""
    seed: int | None = None
    """Trial seed of the split."""

    def keywords(self) -> "Keywords":
        """Arguments of :meth:`landscape.opened.Opened.open` beside the references."""
        return {
            "data": self.data,
            "network": self.model,
            "root": self.root,
            "head": self.head,
            "data_dir": self.data_dir,
            "target": self.target,
            "domains": self.domains or None,
            "image_size": self.image_size,
            "seed": self.seed,
        }


class Changes(TypedDict, total=False):
    """What Python's entrances take of the above as keywords, beside `data` and `network`; None: as it is."""

    root: Path | str
    head: Literal["linear", "nonlinear"] | None
    data_dir: str | None
    target: str | None
    domains: tuple[str, ...] | None
    image_size: int | None
    seed: int | None


class Keywords(Changes):
    """All of them."""

    data: str | None
    network: str | None
