"""An association as one netCDF data set, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from landscape.correlation.association import Association
from landscape.correlation.identifiability import Untrained
from landscape.correlation.rank import numbers_of
from landscape.correlation.samples import DomainPair, GroupScores
from landscape.intervals import Interval

_NUMBERS = ("rho", "low", "high", "p", "n")


def to_dataset(association: Association) -> xr.Dataset:
    """Samples of all pairs in one long axis ``sample``, estimates by ``panel``, untrained scores by ``init``."""
    pairs = association.pairs
    panel = np.repeat(np.arange(len(pairs)), [len(pair) for pair in pairs])
    variables: dict[str, Any] = {
        "first": ("panel", np.array([pair.first for pair in pairs], dtype=object), _named("domain of the first image")),
        "second": ("panel", np.array([pair.second for pair in pairs], dtype=object), _named("of the second")),
        "panel_index": ("sample", panel, _named("which pair of domains")),
        "score": ("sample", _joined(pairs, "score"), _named("learned score S(g_first, g_second)")),
        "cosine": ("sample", _joined(pairs, "cosine"), _named("cosine of the two gradients")),
        "norm": (("sample", "side"), _joined(pairs, "norms"), _named("Euclidean norms of the two gradients")),
        "label": ("sample", _joined(pairs, "labels"), _named("class index")),
        "row": (("sample", "side"), _joined(pairs, "rows"), _named("index of the image in the data")),
    }
    for kind, words in (("rho", "Spearman's rho"), ("partial", "Spearman's rho given both norms")):
        variables |= _estimates(kind, words, ("panel",), [getattr(pair, kind) for pair in pairs])
    if (groups := association.groups) is not None:
        axes = ("group", "member")
        variables |= {
            "group_score": (axes, groups.score, _named("learned score of a member, centred within its group")),
            "group_cosine": (axes, groups.cosine, _named("sum of cosines of a member, centred within its group")),
            "group_label": ("group", groups.labels, _named("class index")),
            "group_row": (axes, groups.rows, _named("index of the image in the data")),
            **_estimates("within", "Spearman's rho within groups", (), [groups.within]),
        }
    for name, source in (("untrained", association.untrained), ("start", association.start)):
        if source is not None:
            init = "init" if name == "untrained" else "own_init"
            said = _named("the same statistic of a score that was never trained")
            variables |= {
                f"{name}_rho": ((init, "panel"), source.rho, said),
                f"{name}_partial": ((init, "panel"), source.partial, said),
                f"{name}_within": (init, source.within, said),
            }
    return xr.Dataset(variables)


def from_dataset(stored: xr.Dataset, about: Mapping[str, Any]) -> Association:
    """What :func:`to_dataset` was made from.

    Args:
        stored: the data set.
        about: what else there is to say.
    """
    pairs = []
    for index in range(stored.sizes["panel"]):
        mine = stored["panel_index"].values == index
        arrays = {name: stored[variable].values[mine] for name, variable in _SAMPLES.items()}
        pairs.append(
            DomainPair(
                first=str(stored["first"].values[index]),
                second=str(stored["second"].values[index]),
                **arrays,
                rho=_estimate(stored, "rho", index),
                partial=_estimate(stored, "partial", index),
            )
        )
    groups = None
    if "group_score" in stored:
        members = {name: stored[f"group_{variable}"].values for name, variable in _GROUPS.items()}
        groups = GroupScores(**members, within=_estimate(stored, "within", ...))
    return Association(tuple(pairs), groups, _untrained(stored, "untrained"), _untrained(stored, "start"), about)


_SAMPLES = {"score": "score", "cosine": "cosine", "norms": "norm", "labels": "label", "rows": "row"}
_GROUPS = {"score": "score", "cosine": "cosine", "labels": "label", "rows": "row"}


def _named(words: str) -> dict[str, str]:
    return {"long_name": words}


def _joined(pairs: tuple[DomainPair, ...], name: str) -> np.ndarray:
    return np.concatenate([getattr(pair, name) for pair in pairs])


def _estimates(kind: str, words: str, axes: tuple[str, ...], estimates: list[Interval]) -> dict[str, Any]:
    """One variable a number; a statistic of the whole has no axis."""
    variables = {}
    for number in _NUMBERS:
        values = np.array([numbers_of(one)[number] for one in estimates])
        variables[_key(kind, number)] = (axes, values if axes else values[0], _named(f"{words}: {number}"))
    return variables


def _estimate(stored: xr.Dataset, kind: str, index: Any) -> Interval:
    rho, low, high, p, n = (stored[_key(kind, number)].values[index].item() for number in _NUMBERS)
    return Interval(rho, low, high, int(n), "members" if kind == "within" else "pairs", p=p)


def _key(kind: str, number: str) -> str:
    return kind if number == "rho" else f"{kind}_{number}"


def _untrained(stored: xr.Dataset, name: str) -> Untrained | None:
    if f"{name}_within" not in stored:
        return None
    return Untrained(*(stored[f"{name}_{kind}"].values for kind in ("rho", "partial", "within")))
