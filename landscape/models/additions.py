"""Layers that a method adds to a network, as a part of the model's name: ``resnet18+selfnorm``.

So a checkpoint's configuration says all that is needed to build its network again. After the plus sign comes a name of
:data:`ADDITIONS`, and behind hyphens its options: ``resnet18+selfnorm-two-published``. Several additions are made in
their order. The layers of the plain network keep their names and their initial values.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from landscape.errors import InputError, unknown_choice
from landscape.models.selfnorm import add_selfnorm


@dataclass(frozen=True)
class Addition:
    """One kind of layers that can be added.

    Attributes:
        add: called with the backbone, which it changes in place, the options given and the model's name.
        options: all options there are.
    """

    add: Callable[[nn.Module, tuple[str, ...], str], None]
    options: tuple[str, ...] = ()


ADDITIONS = {"selfnorm": Addition(add_selfnorm, ("two", "published"))}
"""Additions by name."""


def parse_additions(model: str) -> tuple[str, dict[str, tuple[str, ...]]]:
    """The plain network's name, and the options of each addition.

    >>> parse_additions("resnet18+selfnorm-two")
    ('resnet18', {'selfnorm': ('two',)})

    Raises:
        InputError: an unknown addition or option, or one given twice.
    """
    plain, *suffixes = model.split("+")
    additions: dict[str, tuple[str, ...]] = {}
    for suffix in suffixes:
        name, *options = suffix.split("-")
        if name not in ADDITIONS:
            raise unknown_choice("addition", name, ADDITIONS)
        for option in options:
            if option not in ADDITIONS[name].options:
                raise unknown_choice(f"option of {name}", option, ADDITIONS[name].options)
        if name in additions or len(set(options)) < len(options):
            raise InputError(f"--model {model} names an addition or an option of it twice; once will do.")
        additions[name] = tuple(options)
    return plain, additions
