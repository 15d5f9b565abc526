"""One forward pass over a batch: logits and, if wanted, the latent codes; plain or compiled."""

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from landscape.errors import InputError

# What a compiled network may differ by from the plain one, relative to its largest logit, in float32.
_TOLERANCE = 1e-3


class Forward:
    """Runs a network over batches.

    Compiled, weights stay inputs of the compiled code: they are written in place between points, and nothing
    is compiled again as long as the batches have one size.

    Args:
        network: in evaluation mode; its weights change in place.
        compiled: use ``torch.compile``, which takes 17-60 s at the first batch on a CPU.
    """

    def __init__(self, network: nn.Module, *, compiled: bool = False) -> None:
        self.network = network
        self.compiled = False
        self._logits: Any = network
        self._both: Any = None
        if compiled:
            self._logits, self._both = _compiled(network)
            self.compiled = True

    def check(self, images: Tensor, *, codes: bool) -> str:
        """Compile for batches like `images`; fall back to the plain network if that fails or changes what it says.

        Returns:
            Why it fell back; empty when all is well.
        """
        expected, plain_codes = Forward(self.network)(images, codes=codes)
        try:
            got, got_codes = self(images, codes=codes)
            pairs = [(got, expected), *([(got_codes, plain_codes)] if codes else [])]
            difference = max(float((a - b).abs().max() / b.abs().max().clamp_min(1e-30)) for a, b in pairs)
        except InputError:
            raise
        except Exception as error:  # a compiler's, of any kind
            why = f"torch.compile failed ({type(error).__name__}: {str(error).splitlines()[0][:120]})"
        else:
            low = expected.dtype in (torch.bfloat16, torch.float16)
            if difference <= (0.1 if low else _TOLERANCE):
                return ""
            why = f"the compiled network differs by {difference:.1e} (relative)"
        self._logits, self._both, self.compiled = self.network, None, False
        return f"the network is not compiled: {why}"

    def __call__(self, images: Tensor, *, codes: bool = False) -> tuple[Any, Tensor | None]:
        """Logits, and what the classifier gets as its input if `codes` (else None)."""
        if not codes:
            return self._logits(images), None
        if self._both is not None:
            logits, latent = self._both(images)
        else:
            with _listening(classifier_of(self.network)) as heard:
                logits = self.network(images)
            latent = heard[-1] if heard else None
        if not isinstance(latent, Tensor) or latent.dim() != 2 or len(latent) != len(images):
            raise InputError("the network's classifier does not get one latent code (B, D) per image as its input.")
        return logits, latent


def can_compile(device: torch.device) -> bool:
    """Whether ``torch.compile`` has what it needs: a C++ compiler on a CPU, Triton on CUDA."""
    if device.type == "cpu":
        return any(shutil.which(name) for name in ("g++", "clang++", "c++"))
    if device.type != "cuda":
        return False
    from importlib.util import find_spec

    return find_spec("triton") is not None


def classifier_of(network: nn.Module) -> nn.Module:
    """The part of a network that gets latent codes.

    Raises:
        InputError: it has none.
    """
    classifier = getattr(network, "classifier", None)
    if not isinstance(classifier, nn.Module) or not isinstance(getattr(network, "featurizer", None), nn.Module):
        raise InputError(
            f"latent codes were asked for, but {type(network).__name__} has no .featurizer and .classifier; give the "
            "network these two attributes."
        )
    return classifier


def _compiled(network: nn.Module) -> tuple[Any, Any]:
    def both(images: Tensor) -> tuple[Tensor, Tensor]:
        codes = network.featurizer(images)  # type: ignore[operator]
        return network.classifier(codes), codes  # type: ignore[operator]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parts = isinstance(getattr(network, "featurizer", None), nn.Module) and hasattr(network, "classifier")
        return torch.compile(network, dynamic=False), torch.compile(both, dynamic=False) if parts else None


@contextmanager
def _listening(module: nn.Module) -> Iterator[list[Any]]:
    """What a module gets as its first input while this is open."""
    heard: list[Any] = []
    handle = module.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0]))
    try:
        yield heard
    finally:
        handle.remove()
