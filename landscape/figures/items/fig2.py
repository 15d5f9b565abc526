"""Training with augmented codes, and the weight policy, drawn from a run's own modules (FGMix, Figure 2)."""

from dataclasses import asdict
from typing import Any

import pandas as pd

from landscape.checkpoint import Checkpoint
from landscape.figures.machinery.product import Product
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.anatomy import Anatomy, anatomy
from landscape.plots.fig2 import plot_fig2


def make(study: Study) -> Product:
    """Read the study's FGMix run, that of the main target if it exists, and draw it.

    Raises:
        InputError: there is no finished FGMix run.
    """
    target, seed = study.main, study.seeds[0]
    run = study.run("fgmix", target, seed)
    if run is None:
        target, seed = study.complete(["fgmix"])[0]
        run = study.need(["fgmix"], target, seed)["fgmix"]
    parts = anatomy(Checkpoint.load(run.find(run.config.steps)))
    total = sum(parts.parameters.values())
    extra = total - parts.parameters["featurizer"] - parts.parameters["classifier"]
    return Product(
        caption=(
            f"{study.about([target], [seed])} A schematic drawn by code from the checkpoint {parts.label}: shapes "
            "and numbers of parameters are those of its modules and of one step's tensors. (a) Training with mixup "
            f"codes, from step {parts.start} on (Eqs. 1, 2). (b) The weight policy (Eqs. 3-5) and what it learns from "
            "(Eqs. 6-8); dashed: the gradient of Eq. 8, to the compatibility score and lambda. Gradients of a linear "
            "classifier are kept as two factors; the pairs' width is what S would see if they were multiplied out."
        ),
        finding=(
            f"The policy and its discriminator have {extra:,} parameters, {100 * extra / total:.1f} % of all that are "
            f"trained ({total:,}); lambda is {parts.scale:.3f} after {parts.step - parts.start + 1} policy steps from "
            f"{parts.scale_init:g}."
        ),
        figures={"": plot_fig2(parts)},
        tables={"parts": _table(parts)},
        data={"": asdict(parts)},
        facts={"seeds": [seed], "targets": [target], "n": 1, "unit": "run"},
    )


def _table(parts: Anatomy) -> pd.DataFrame:
    """Every tensor's shape and every module's parameters."""
    names = ("images", "codes", "groups", "gradients", "pairs", "scores", "weights", "mixed", "logits")
    rows: list[dict[str, Any]] = [
        {"part": name, "kind": "tensor", "shape": " x ".join(map(str, getattr(parts, name)))} for name in names
    ]
    rows += [{"part": name, "kind": "module", "parameters": count} for name, count in parts.parameters.items()]
    return pd.DataFrame(rows).astype({"parameters": "Int64"})
