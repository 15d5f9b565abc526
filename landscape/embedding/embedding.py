"""Latent codes, mixup codes and their t-SNE: the result, its file and its tables.

No torch in here: a stored embedding opens and redraws without it.

    embedding = Embedding.fit("RUN@swa")
    embedding.plot()
    embedding.save("embedding.nc")
"""

import html
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import xarray as xr

from landscape.compute import DEFAULT, Compute
from landscape.embedding.estimate import Estimate, to_table
from landscape.embedding.mixed import Mixed
from landscape.embedding.recipe import PLAIN, Recipe
from landscape.errors import unknown_choice
from landscape.result_file import ResultFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from matplotlib.figure import Figure
    from torch import nn

    from landscape.data import Task
    from landscape.embedding.codes import Codes
    from landscape.opened import Reference
    from landscape.overrides import Changes

FORMAT = 1
_FILE = ResultFile("an embedding", "embedding", FORMAT, "python -m landscape.embedding")
ORIGINAL, INTERPOLATED, EXTRAPOLATED = 0, 1, 2
KINDS = ("original", "interpolated", "extrapolated")
# Measures of the tables: name -> (words, unit).
MEASURES: dict[str, tuple[str, str]] = {
    "inside": ("share of images whose code is inside the convex hull of its class's codes", "1"),
    "distance": ("distance to the nearest code of the class", "latent distance"),
    "domain entropy": ("entropy of the domains among the nearest codes of the class", "nat"),
    "domain silhouette": ("silhouette by domain within class", "1"),
    "class silhouette": ("silhouette by class", "1"),
}


@dataclass(frozen=True, eq=False)
class Embedding:
    """Codes of O images and of their mixup, P together, with one joint t-SNE (FGMix paper, Figures 4 and 9).

    The images come first, then the mixup codes, variant by variant. A place in a t-SNE is no evidence of anything:
    :attr:`coverage` and :attr:`mixing` are measured in latent space.

    Attributes:
        codes: (P, D) float32 latent codes.
        points: (P, 2) float64 t-SNE coordinates, without unit.
        label: (P,) int64 class index.
        domain: (P,) int64 domain index; -1 for mixup codes.
        kind: (P,) int64: 0 original, 1 interpolated (all weights >= 0), 2 extrapolated.
        variant: (P,) int64 index into `variants`; -1 for images.
        members: (P, n) int64 the images that a mixup code is made of, as indices into the P; -1 elsewhere.
        weights: (P, n) float32 its weights, of any sign, with sum 1; NaN elsewhere.
        held_out: (O,) bool: source images that training has not seen.
        rows: (O,) int64 index of each image in its data.
        files: (O,) where each image came from; may be empty.
        classes: class names.
        domains: domain names.
        variants: names of the mixups.
        scores: mixing measures per image, name -> (O,).
        coverage: how much of the target is covered, with intervals over images and controls.
        mixing: how mixed the domains are within class, with intervals over images.
        about: data, target, model, seeds, counts, notes, provenance.
    """

    codes: np.ndarray
    points: np.ndarray
    label: np.ndarray
    domain: np.ndarray
    kind: np.ndarray
    variant: np.ndarray
    members: np.ndarray
    weights: np.ndarray
    held_out: np.ndarray
    rows: np.ndarray
    files: tuple[str, ...]
    classes: tuple[str, ...]
    domains: tuple[str, ...]
    variants: tuple[str, ...]
    scores: Mapping[str, np.ndarray]
    coverage: tuple[Estimate, ...]
    mixing: tuple[Estimate, ...]
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        source: "Codes | Reference | nn.Module",
        data: "Task | str | Iterable[Any] | None" = None,
        *,
        network: "nn.Module | str | None" = None,
        recipe: Recipe = PLAIN,
        compute: Compute = DEFAULT,
        journal: Path | str | None = None,
        progress: bool = True,
        **changes: "Unpack[Changes]",
    ) -> "Embedding":
        """Embed the codes of a checkpoint, of your own network, or your own codes.

        Args:
            source: a checkpoint file, ``RUN[@STEP|@swa]``, a checkpoint, a mapping of weights; your own module; or
                :class:`~landscape.embedding.Codes`, such as ``Codes.of(codes, labels, domains, target=...)``.
            data: a :class:`~landscape.data.Task`, or the name of the data; for a module also a loader of batches
                ``(images, labels, domains)``. By default the checkpoint's own.
            network: a module, or a model's name, for bare weights.
            recipe: mixup codes, perplexity, dimensions of the coverage and so on.
            compute: device, precision, batch size; of checkpoints.
            journal: a file that keeps finished linear programmes; an interrupted call continues.
            progress: show bars with the time left.
            changes: ``target``, the domain left out of training, which a module with a loader needs, ``root`` and so
                on; see :meth:`landscape.opened.Opened.open`.

        Raises:
            InputError: codes or data that do not fit together.
        """
        from landscape.embedding.fit import codes_from, embed_codes

        codes = codes_from(source, data, recipe, compute, network=network, progress=progress, **changes)
        return embed_codes(codes, recipe, journal=journal, progress=progress)

    @property
    def count(self) -> int:
        """O, the number of images."""
        return len(self.rows)

    @property
    def name(self) -> str:
        """The model in words."""
        return str(self.about.get("names", "codes"))

    def mixed(self, variant: str) -> np.ndarray:
        """(M,) indices of a variant's mixup codes.

        Raises:
            InputError: there is no such variant.
        """
        if variant not in self.variants:
            raise unknown_choice("mixup", variant, self.variants)
        return np.flatnonzero(self.variant == self.variants.index(variant))

    def extrapolated(self, variant: str) -> float:
        """Share of a variant's codes that have a negative weight (the paper: 22.5 % on PACS, target sketch)."""
        return float((self.kind[self.mixed(variant)] == EXTRAPOLATED).mean())

    def to_dataframe(self) -> "pd.DataFrame":
        """One row a code: x, y, class, domain, kind, variant, held_out, file, and the scores of images."""
        import pandas as pd

        extra = len(self.label) - self.count
        domains, variants = np.array([*self.domains, ""], object), np.array([*self.variants, ""], object)
        columns: dict[str, Any] = {
            "x": self.points[:, 0],
            "y": self.points[:, 1],
            "class": np.array(self.classes, object)[self.label],
            "domain": domains[self.domain],
            "kind": np.array(KINDS, object)[self.kind],
            "variant": variants[self.variant],
            "held_out": np.concatenate([self.held_out, np.zeros(extra, bool)]),
            "file": [*(self.files or [""] * self.count), *[""] * extra],
        }
        columns |= {name: np.concatenate([values, np.full(extra, np.nan)]) for name, values in self.scores.items()}
        return pd.DataFrame(columns)

    def tables(self) -> "pd.DataFrame":
        """Coverage and mixing: one row an estimate, with its interval over images."""
        return to_table([*self.coverage, *self.mixing])

    def plot(self) -> "Figure":
        """The row of FGMix's figure 4: images, random interpolation, own codes; coverage below."""
        from landscape.plots.fig4 import plot_fig4

        return plot_fig4(self)

    def _repr_html_(self) -> str:
        """What a notebook shows: the model, the counts, the tables."""
        from landscape.embedding.report import headline

        tables = self.tables().round(3).to_html(index=False, border=0, na_rep="")
        lines = "".join(f"<div>{html.escape(line)}</div>" for line in headline(self))
        return f"<div><b>Embedding</b></div>{lines}<details><summary>tables</summary>{tables}</details>"

    def save(self, path: Path | str) -> Path:
        """Write everything to one netCDF file, atomically; mixup codes as members and weights."""
        about = {
            **self.about,
            **{name: list(getattr(self, name)) for name in ("classes", "domains", "variants", "scores")},
            **{name: [_plain(row) for row in getattr(self, name)] for name in ("coverage", "mixing")},
        }
        return _FILE.write(path, self._dataset(), about)

    @classmethod
    def load(cls, path: Path | str) -> "Embedding":
        """Read what :meth:`save` wrote.

        Raises:
            InputError: no such file, or not an embedding.
        """
        with _FILE.reading(path, mask_and_scale=False) as (dataset, about):
            stored: dict[str, Any] = {str(name): array.values for name, array in dataset.items()}
            names: dict[str, Any] = {name: tuple(about.pop(name)) for name in ("classes", "domains", "variants")}
            tables: dict[str, Any] = {
                name: tuple(_estimate(row) for row in about.pop(name)) for name in ("coverage", "mixing")
            }
            scores = {name: stored.pop(f"score_{name}") for name in about.pop("scores")}
            files = tuple(map(str, stored.pop("files"))) if "files" in stored else ()
            images = stored.pop("codes")
            codes = [images] + [
                mixed.codes(images)
                for mixed in mixtures(stored["members"], stored["weights"], stored["variant"], names["variants"])
            ]
            stored["held_out"] = stored["held_out"].astype(bool)
            return cls(
                codes=np.concatenate(codes), files=files, scores=scores, about=about, **names, **tables, **stored
            )

    def _dataset(self) -> xr.Dataset:
        """Arrays with units."""
        variables: dict[str, Any] = {
            "codes": (("image", "coordinate"), self.codes[: self.count], {"long_name": "latent codes", "units": "1"}),
            "points": (("code", "axis"), self.points, {"long_name": "t-SNE coordinates", "units": "1"}),
            "label": ("code", self.label, {"long_name": "class index"}),
            "domain": ("code", self.domain, {"long_name": "domain index; -1: mixup"}),
            "kind": ("code", self.kind, {"long_name": "0 original, 1 interpolated, 2 extrapolated"}),
            "variant": ("code", self.variant, {"long_name": "index of the mixup; -1: image"}),
            "members": (("code", "member"), self.members, {"long_name": "images of a mixup code; -1: none"}),
            "weights": (("code", "member"), self.weights, {"long_name": "their weights", "units": "1"}),
            "held_out": ("image", self.held_out.astype(np.int8), {"long_name": "1: not trained on"}),
            "rows": ("image", self.rows, {"long_name": "index in the data"}),
        }
        if self.files:
            variables["files"] = ("image", np.array(self.files, dtype=object))
        for name, values in self.scores.items():
            variables[f"score_{name}"] = ("image", values, {"long_name": name})
        return xr.Dataset(variables)


def mixtures(members: np.ndarray, weights: np.ndarray, variant: np.ndarray, names: tuple[str, ...]) -> list[Mixed]:
    """The mixups of an embedding, variant by variant."""
    return [Mixed(name, members[variant == index], weights[variant == index]) for index, name in enumerate(names)]


def _plain(estimate: Estimate) -> dict[str, Any]:
    """JSON knows no NaN."""
    values = asdict(estimate)
    return {name: None if values[name] != values[name] else values[name] for name in values}


def _estimate(stored: Mapping[str, Any]) -> Estimate:
    fields: dict[str, Any] = {key: math.nan if value is None else value for key, value in stored.items()}
    return Estimate(**fields)
