"""Latent codes of images, with what is known about each: class, domain, split, and what is mixed from them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from landscape.config import MixupConfig
from landscape.embedding.mixed import Mixed
from landscape.errors import InputError, unknown_choice
from landscape.fgmix import anchored_groups
from landscape.fgmix.mixing import dirichlet_weights
from landscape.models.own import is_split
from landscape.seeding import numpy_generator
from landscape.weights import borrowed

Names = Sequence[Any] | np.ndarray | Tensor
_ABOUT: Mapping[str, Any] = {"data": "own codes", "model": "own network", "names": "own codes", "seeds": []}


@dataclass(frozen=True, eq=False)
class Codes:
    """Latent codes z = F(x) of the images of several domains, and mixup codes made of them.

    Attributes:
        codes: (N, D) float32.
        label: (N,) int64 class index.
        domain: (N,) int64 domain index.
        held_out: (N,) bool: images of the sources that the hulls do not contain; for the target it means nothing.
        classes: class names.
        domains: domain names.
        target: the domain whose coverage is asked for.
        rows: (N,) int64 index of each image in its data.
        files: (N,) where each image came from; may be empty.
        mixtures: the mixup codes.
        about: what the codes are of: data, model, seeds, notes.
    """

    codes: np.ndarray
    label: np.ndarray
    domain: np.ndarray
    held_out: np.ndarray
    classes: tuple[str, ...]
    domains: tuple[str, ...]
    target: str
    rows: np.ndarray
    files: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    mixtures: tuple[Mixed, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.codes)
        if self.codes.ndim != 2 or n < 10:
            raise InputError(f"the codes are an array of shape {self.codes.shape}; expected (N, D) with N at least 10.")
        if not np.isfinite(self.codes).all():
            bad = int((~np.isfinite(self.codes)).any(1).sum())
            raise InputError(f"{bad} of {n} codes are not finite; expected numbers: has the training diverged?")
        for name in ("label", "domain", "held_out", "rows"):
            if np.shape(getattr(self, name)) != (n,):
                raise InputError(
                    f"{name} has shape {np.shape(getattr(self, name))}; expected one entry per code ({n},)."
                )
        if self.target not in self.domains:
            raise unknown_choice("target domain", self.target, self.domains)
        if (pool := int(self.in_pool.sum())) < 2:
            raise InputError(
                f"{pool} codes are of source images that are not held out; expected codes of other domains than "
                f"the target {self.target!r}."
            )
        if self.files and len(self.files) != n:
            raise InputError(f"there are {len(self.files)} files for {n} codes; expected one each, or none.")
        for mixed in self.mixtures:
            if mixed.members.max() >= n:
                raise InputError(f"mixup {mixed.name!r} has member {mixed.members.max()}, but there are {n} codes.")

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def is_target(self) -> np.ndarray:
        """(N,) bool."""
        return self.domain == self.domains.index(self.target)

    @property
    def is_source(self) -> np.ndarray:
        """(N,) bool: of the domains that training saw; every one but the target unless they are named."""
        if not self.sources:
            return ~self.is_target
        return np.isin(self.domain, [self.domains.index(name) for name in self.sources])

    @property
    def in_pool(self) -> np.ndarray:
        """(N,) bool: the sources' in-split, of which hulls and mixup codes are made."""
        return self.is_source & ~self.held_out

    @classmethod
    def of(
        cls,
        codes: np.ndarray | Tensor,
        labels: Names,
        domains: Names,
        *,
        target: str,
        held_out: np.ndarray | None = None,
        mixtures: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
        classes: Sequence[str] = (),
        files: Sequence[str] = (),
        seed: int = 0,
        about: Mapping[str, Any] | None = None,
    ) -> "Codes":
        """Codes of the user's own.

        Args:
            codes: (N, D) latent codes.
            labels: (N,) class names, or class indices.
            domains: (N,) domain names, or numbers.
            target: the domain that was left out of training.
            held_out: (N,) bool, source images that training did not see; by default a random fifth of every
                domain and class.
            mixtures: name -> (members (M, n), weights (M, n)); by default random interpolations, variant A.
            classes: names of the class indices.
            files: (N,) where each image came from.
            seed: of the random split and the random groups.
            about: what to say of them in captions: ``data``, ``model``, ``names``, ``seeds``.

        Raises:
            InputError: arrays that do not fit together, or an unknown target.
        """
        values = _array(codes).astype(np.float32)
        class_names, label = _indices(labels, classes)
        domain_names, domain = _indices(domains, ())
        if len(label) != len(values) or len(domain) != len(values):
            raise InputError(
                f"got {len(values)} codes, {len(label)} labels and {len(domain)} domains; one each is expected."
            )
        notes = list((about or {}).get("notes", []))
        if held_out is None:
            held_out = _random_fifth(label, domain, seed)
            notes.append("the held-out source images are a random fifth of every domain and class")
        made = cls(
            codes=values,
            label=label,
            domain=domain,
            held_out=np.asarray(held_out, dtype=bool),
            classes=class_names,
            domains=domain_names,
            target=str(target),
            rows=np.arange(len(values)),
            files=tuple(map(str, files)),
            about={
                "data": "own codes",
                "model": "own",
                "names": "own codes",
                "seeds": [],
                **(about or {}),
                "notes": notes,
            },
        )
        if mixtures is None:
            return made.with_random_mixup(seed)
        return replace(made, mixtures=tuple(Mixed(name, *parts) for name, parts in mixtures.items()))

    @classmethod
    def from_loader(cls, network: nn.Module, loader: Iterable[Any], *, target: str, **keywords: Any) -> "Codes":
        """Codes of a user's own network and loader.

        The network gets its mode back. It needs attributes ``featurizer`` and ``classifier``; its codes are what
        the classifier gets as its input.

        Args:
            network: any module from the loader's images to logits.
            loader: gives batches ``(images, labels, domains)``, in a fixed order and without augmentation.
            target: the domain that was left out of training.
            keywords: of :meth:`of`.

        Raises:
            InputError: a network without the two attributes, or batches of another form.
        """
        if not is_split(network):
            raise InputError(
                f"{type(network).__name__} has no .featurizer and .classifier, so it has no latent codes; give it "
                "these two attributes, or give the codes themselves: Codes.of(codes, labels, domains, target=...)."
            )
        device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
        seen: list[Tensor] = []
        labels: list[Any] = []
        domains: list[Any] = []

        def see(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            seen.append(inputs[0].detach().float().cpu())

        assert isinstance(network.classifier, nn.Module)
        handle = network.classifier.register_forward_pre_hook(see)
        with borrowed(network), handle, torch.no_grad():
            for batch in loader:
                if not isinstance(batch, list | tuple) or len(batch) != 3:
                    raise InputError("the loader's batches are expected to be (images, labels, domains).")
                network(batch[0].to(device))
                labels += list(_array(batch[1]))
                domains += list(_array(batch[2]))
        if not seen:
            raise InputError("the loader gave no batch; expected at least one.")
        about = {"model": type(network).__name__, "names": type(network).__name__, "data": "own data"}
        about |= keywords.pop("about", None) or {}
        return cls.of(torch.cat(seen), labels, domains, target=target, about=about, **keywords)

    def with_random_mixup(self, seed: int = 0) -> "Codes":
        """The same codes with random interpolations (variant A): every in-split source image anchors one group."""
        pool = np.flatnonzero(self.in_pool)
        _, source = np.unique(self.domain[pool], return_inverse=True)
        generator = numpy_generator(seed, "evaluation", "surface", "groups")  # the groups of FGMix's train surface
        groups = anchored_groups(torch.from_numpy(self.label[pool]), torch.from_numpy(source), generator=generator)
        if len(groups) == 0:
            note = "no class is in all of the source domains, so there are no mixup codes"
            return replace(self, about={**self.about, "notes": [*self.about.get("notes", []), note]})
        members = pool[groups.rows.numpy()]
        generator = numpy_generator(seed, "evaluation", "surface", "weights")
        weights = dirichlet_weights(len(members), members.shape[1], MixupConfig().concentration, generator)
        return replace(self, mixtures=(Mixed("A", members, weights.numpy()),))


def _array(values: Any) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _indices(values: Names, names: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and an index per value; values that are no integers are names themselves."""
    array = _array(values)
    if array.ndim != 1:
        raise InputError(f"labels or domains have shape {array.shape}; expected one per image.")
    if names and np.issubdtype(array.dtype, np.integer):
        if array.min(initial=0) < 0 or array.max(initial=0) >= len(names):
            raise InputError(f"a label is {array.max()}, but there are {len(names)} class names.")
        return tuple(map(str, names)), array.astype(np.int64)
    found, index = np.unique(array, return_inverse=True)
    return tuple(map(str, found.tolist())), index.astype(np.int64)


def _random_fifth(label: np.ndarray, domain: np.ndarray, seed: int) -> np.ndarray:
    generator = numpy_generator(seed, "split", "embedding")
    held_out = np.zeros(len(label), dtype=bool)
    for cell in np.unique(np.stack([domain, label], 1), axis=0):
        rows = np.flatnonzero((domain == cell[0]) & (label == cell[1]))
        held_out[generator.permutation(rows)[: len(rows) // 5]] = True
    return held_out
