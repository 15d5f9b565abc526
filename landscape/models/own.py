"""The user's own network, by ``package.module:function``."""

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from landscape.errors import InputError
from landscape.imported import imported
from landscape.models.network import IMAGENET_MEAN, IMAGENET_STD, BatchNorm, Network, colour
from landscape.models.stages import own_stages


class OwnNetwork(Network):
    """A user's module seen as a :class:`Network`: its forward pass, its names.

    Parameters keep the names that they have in the user's own state dicts. ``featurizer`` and ``classifier`` are
    the module's own, if it has them; so are its stages, if its attribute ``stages`` maps names to submodules.
    """

    own: nn.Module

    def __init__(self, own: nn.Module, *, num_classes: int, batch_norm: BatchNorm, name: str) -> None:
        nn.Module.__init__(self)
        # One set of tensors, reachable from both modules under the same names: the dictionaries are shared.
        # `own` itself is kept out of the registry, or every name would get a prefix.
        for registry in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
            self.__dict__[registry] = own.__dict__[registry]
        self.__dict__["own"] = own
        # Written past nn.Module's attribute rules: the user's module may have a child or a buffer of that name.
        self.__dict__.update(
            num_classes=num_classes,
            feature_dim=_feature_dim(own, name) if self.split else 0,
            mean=colour(getattr(own, "mean", IMAGENET_MEAN), f"{name}.mean"),
            std=colour(getattr(own, "std", IMAGENET_STD), f"{name}.std"),
            batch_norm=batch_norm,
            name=name,
            _stages=own_stages(own),
        )
        self.train()

    @property
    def split(self) -> bool:
        """Whether the user's module has a featurizer and a classifier."""
        return is_split(self.own)

    @property
    def _whole(self) -> nn.Module:
        """The user's module."""
        return self.own

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K) of the user's module."""
        logits: Tensor = self.own(images)
        return logits

    def train(self, mode: bool = True) -> "OwnNetwork":
        """Training or evaluation mode; frozen batch norm is in evaluation mode in both."""
        self.training = mode
        self.own.train(mode)
        self._hold_batch_norm()
        return self


def is_split(module: nn.Module) -> bool:
    """Whether a module consists of a featurizer and a classifier."""
    return all(isinstance(getattr(module, part, None), nn.Module) for part in ("featurizer", "classifier"))


def build_own(reference: str, *, num_classes: int, batch_norm: BatchNorm) -> Network:
    """Call the user's function with the number of classes and take what it returns as a network.

    Args:
        reference: ``package.module:function``; the current folder is searched too.
        num_classes: K, the function's one argument.
        batch_norm: ``frozen`` or ``train``.

    Raises:
        InputError: the module cannot be imported, has no such function, or the function does not return a module.
    """
    made = find_function(reference)(num_classes)
    if not isinstance(made, nn.Module):
        raise InputError(f"{reference} returned a {type(made).__name__}; expected a torch.nn.Module.")
    if isinstance(made, Network):
        made.batch_norm = batch_norm
        made.train()
        return made
    return OwnNetwork(made, num_classes=num_classes, batch_norm=batch_norm, name=reference)


def find_function(reference: str) -> Callable[[int], Any]:
    """Import ``package.module:function``, from the current folder too.

    Raises:
        InputError: not of this form, not importable, no such function, or it does not take the number of classes.
    """
    function = imported(reference, "--model", "function")
    if not callable(function):
        raise InputError(f"{reference} is a {type(function).__name__}; expected a function that returns a network.")
    try:
        inspect.signature(function).bind(2)
    except TypeError as error:
        raise InputError(f"{reference} has to take one argument, the number of classes: {error}.") from error
    except ValueError:  # a built-in without a signature: the call will tell
        pass
    return function


def _feature_dim(own: nn.Module, name: str) -> int:
    """The module's ``feature_dim``, else the input width of its classifier's first linear layer."""
    given = getattr(own, "feature_dim", None)
    if given is not None:
        return int(given)
    classifier = own.classifier
    for module in classifier.modules() if isinstance(classifier, nn.Module) else ():
        if isinstance(module, nn.Linear):
            return module.in_features
    raise InputError(f"{name} has no attribute feature_dim and no linear layer in its classifier; give it feature_dim.")
