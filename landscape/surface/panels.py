"""What one number a grid point can say: a row for each panel, which files, figures, pages and tables read.

No torch in here: a stored surface opens and redraws without it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Panel:
    """A quantity over the plane.

    Attributes:
        words: what it is, in the stored file.
        unit: its unit there.
        title: what a panel of it is called.
        kind: which colours, contour levels, ticks and number format it has.
        column: its name in tables of anchors and path ends; empty: it is not in them.
    """

    words: str
    unit: str
    title: str
    kind: Literal["loss", "accuracy"]
    column: str = ""

    @property
    def attributes(self) -> dict[str, str]:
        """What a netCDF variable of it says."""
        return {"long_name": self.words, "units": self.unit}


PANELS = {
    "train_loss": Panel(
        "mean cross entropy of the sources' in-split images", "nat", "train loss", "loss", column="train loss"
    ),
    "train_accuracy": Panel("accuracy on the sources' in-split images", "1", "train accuracy", "accuracy"),
    "mixup_loss": Panel("mean cross entropy of the mixup codes", "nat", "loss of the mixup codes", "loss"),
    "fgmix_train_loss": Panel(
        "mean cross entropy of in-split source images and mixup codes, pooled",
        "nat",
        "FGMix train loss",
        "loss",
        column="FGMix train loss",
    ),
    "test_loss": Panel("mean cross entropy of the target domain's images", "nat", "test loss", "loss"),
    "test_accuracy": Panel("accuracy on the target domain", "1", "test accuracy", "accuracy", column="test accuracy"),
    "test_balanced_accuracy": Panel(
        "mean of the per-class recalls on the target domain", "1", "balanced test accuracy", "accuracy"
    ),
}
# The same per domain and split.
METRICS = {
    "loss": Panel("mean cross entropy", "nat", "loss", "loss"),
    "accuracy": Panel("accuracy", "1", "accuracy", "accuracy"),
    "balanced_accuracy": Panel("mean of the per-class recalls", "1", "balanced accuracy", "accuracy"),
}


def panel_of(name: str) -> Panel:
    """The row of a panel, or of a metric of one domain."""
    return PANELS[name] if name in PANELS else METRICS[name]


def losses_among(names: Iterable[str]) -> list[str]:
    """Those that are losses."""
    return [name for name in names if panel_of(name).kind == "loss"]


def in_tables(names: Iterable[str]) -> dict[str, str]:
    """Name -> column, of those that tables of anchors and path ends show."""
    return {name: panel_of(name).column for name in names if panel_of(name).column}
