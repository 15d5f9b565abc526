"""What a training method is to the engine: one update a step, and everything that has to be saved."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from landscape.config import RunConfig
from landscape.data import Minibatch, Task
from landscape.errors import InputError
from landscape.hardware import autocast
from landscape.models import Network


@dataclass(frozen=True)
class Facts:
    """What a method may know about its task before the first step.

    Attributes:
        sources: names of the source domains, in the order of a minibatch's first axis.
        classes: class names in the order of the logits.
        images: training images of each source.
        views: augmented copies of each image: a minibatch has ``len(sources) * views`` domains.
    """

    sources: tuple[str, ...]
    classes: tuple[str, ...]
    images: tuple[int, ...]
    views: int = 1

    @classmethod
    def of(cls, task: Task, config: RunConfig) -> "Facts":
        """The facts of a run."""
        images = tuple(len(task.rows(source, "in")) for source in task.sources)
        return cls(task.sources, task.images.classes, images, config.views_per_image)

    @property
    def domains(self) -> tuple[str, ...]:
        """Names along a minibatch's first axis: the sources, or their views."""
        if self.views == 1:
            return self.sources
        return tuple(f"{source}, view {view + 1}" for source in self.sources for view in range(self.views))


@dataclass(frozen=True)
class Setup:
    """What an algorithm is made of.

    Attributes:
        network: the network to train, on its device.
        config: the run; ``config.options`` are the method's own settings.
        facts: the task.
    """

    network: Network
    config: RunConfig
    facts: Facts


class Algorithm(ABC):
    """One training method at work on one network.

    A method declares what it consists of, and all of it is saved, resumed and kept in checkpoints: `modules` (trained
    or tracked beside the network), `optimizers`, and plain tensors in `state`. What is not declared is refused
    (:meth:`tensors`), because a resumed run would silently begin with new values of it. Randomness is drawn under
    (trial seed, "algorithm", step, purpose), see :mod:`landscape.seeding`, so there is none to save.

    Args:
        setup: network, configuration and facts.

    Attributes:
        modules: by the name that they have in a checkpoint.
        optimizers: by name; the network's is ``base``.
        state: tensors by name; an update may replace them.
    """

    def __init__(self, setup: Setup) -> None:
        self.network, self.config, self.facts = setup.network, setup.config, setup.facts
        self.device = next(setup.network.parameters()).device
        self.modules: dict[str, nn.Module] = {}
        self.optimizers: dict[str, Optimizer] = {}
        self.state: dict[str, Tensor] = {}
        self._hooks = _hooks(self.network)

    @abstractmethod
    def update(self, batch: Minibatch, step: int) -> dict[str, Tensor]:
        """One update; `step` counts from 1. Returns what to log, ``loss`` among it, as scalar tensors on the device."""

    def autocast(self) -> torch.autocast:
        """bf16 for the featurizer when the run's precision says so."""
        return autocast(self.device, self.config.precision)

    def tensors(self) -> dict[str, Tensor]:
        """The state beyond the network and the optimizers, which goes into every checkpoint.

        Raises:
            InputError: the algorithm holds state that it did not declare.
        """
        self.check_declared()
        tensors = {
            f"{name}/{key}": t for name, module in self.modules.items() for key, t in module.state_dict().items()
        }
        return tensors | {f"state/{name}": tensor for name, tensor in self.state.items()}

    def load_tensors(self, tensors: Mapping[str, Tensor], *, partial: bool = False) -> None:
        """Take over a saved state.

        Args:
            tensors: what :meth:`tensors` gave.
            partial: modules and state that it lacks keep their own values (a trunk knows no policy).

        Raises:
            InputError: it holds what this algorithm does not have, or lacks something.
        """
        saved: dict[str, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            group, _, key = name.partition("/")
            saved.setdefault(group, {})[key] = tensor
        state = saved.pop("state", {})
        own = {name for name, module in self.modules.items() if module.state_dict()}
        unknown = sorted((saved.keys() - own) | (state.keys() - self.state.keys()))
        missing = [] if partial else sorted((own - saved.keys()) | (self.state.keys() - state.keys()))
        if unknown or missing:
            what = f"has {', '.join(unknown)}" if unknown else f"lacks {', '.join(missing)}"
            raise InputError(
                f"the saved state {what}, which does not fit {self.config.method.label} as it is now; delete the run's "
                "folder to start it again, or use the version that began it."
            )
        for name, found in saved.items():
            self.modules[name].load_state_dict(found)
        for name, tensor in state.items():
            self.state[name] = tensor.to(self.device).clone()

    def check_declared(self) -> None:
        """Whether all that has to be saved is declared.

        Raises:
            InputError: an attribute holds a module, an optimizer, a tensor or an array that would not be saved, a plain
                number has changed since the beginning, or a hook stays on the network. What an object of another
                class hides is not seen.
        """
        owners = [self.network, *self.modules.values()]
        declared = {id(part) for owner in owners for part in owner.modules()}
        declared |= {id(part) for owner in owners for part in owner.state_dict(keep_vars=True).values()}
        declared |= {id(part) for part in (*self.optimizers.values(), *self.state.values())}
        for name, value in vars(self).items():
            for part in _parts(value):
                lost = isinstance(part, nn.Module | Optimizer | Tensor) and id(part) not in declared
                if lost or isinstance(part, np.ndarray):
                    raise InputError(
                        f"{type(self).__name__}.{name} holds a {type(part).__name__} that would be lost when a run is "
                        "resumed; put it into modules, optimizers or state, under a name."
                    )
        plain = {name: value for name, value in vars(self).items() if isinstance(value, bool | int | float | str)}
        if (begun := vars(self).setdefault("_begun", plain)) != plain:
            changed = next(name for name in plain if begun.get(name) != plain[name])
            raise InputError(
                f"{type(self).__name__}.{changed} changes while it trains, which would be lost when a run is resumed; "
                "put it into state, as a tensor."
            )
        if (hooks := _hooks(self.network)) != self._hooks:
            raise InputError(
                f"{type(self).__name__} leaves {hooks - self._hooks} hooks in the network, which would be copied into "
                "averages and change what evaluations see; use network.between(stage, function) in its update."
            )


def _hooks(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.modules())


def _parts(value: Any) -> Iterator[Any]:
    """A value, and what is in it if it is a container, or an algorithm that this one consists of."""
    if isinstance(value, Algorithm):
        value = [each for name, each in vars(value).items() if name not in ("network", "config", "facts")]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple | set):
        for each in value:
            yield from _parts(each)
    else:
        yield value


def build_algorithm(network: Network, config: RunConfig, facts: Facts) -> Algorithm:
    """The algorithm of `config`, ready for its first step.

    Raises:
        InputError: the method needs more domains or another network than there are, or is a class of the user's own
            that does not keep to the interface.
    """
    row = config.method
    row.check(facts.sources, facts.views)
    if row.needs_codes:
        network.split_required(row.label)
    maker = row.maker()
    if isinstance(maker, type) and not issubclass(maker, Algorithm):
        raise InputError(
            f"{row.name} is no landscape.algorithms.Algorithm; derive it from that class, or from Composed."
        )
    made: Algorithm = maker(Setup(network, config, facts))
    if not any(group["params"] for optimizer in made.optimizers.values() for group in optimizer.param_groups):
        raise InputError(f"{row.name} has no optimizer; put one into its optimizers, as 'base'.")
    made.check_declared()
    return made
