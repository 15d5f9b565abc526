"""The stages of a backbone: what they are called, and how a function is put behind one.

A stage is named by what it does to the resolution, so that "after stage 1" means the same everywhere: ``stage1`` ends
with the last layer whose maps have a quarter of the image's side, ``stage2`` an eighth, ``stage3`` a 16th, ``stage4``
a 32nd, and ``stem`` is what comes before; where the first maps are coarser, it counts from them. In torchvision's
ResNets these are ``maxpool`` and ``layer1`` ... ``layer4``, in a DenseNet ``pool0`` and the dense blocks without the
transitions behind them. timm's networks say it themselves in their ``feature_info``. A network whose maps keep one
resolution (a vision transformer) has four stages, of equally many blocks.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from landscape.errors import InputError, unknown_choice

Stages = Mapping[str, str]
"""Names of stages, in order, and the submodules whose outputs they are."""

Change = Callable[[Tensor], Tensor]


def numbered(stem: str, ends: list[str]) -> dict[str, str]:
    """``stem`` (none if empty), ``stage1``, ``stage2`` ... for the submodules that end them."""
    return ({"stem": stem} if stem else {}) | {f"stage{number}": end for number, end in enumerate(ends, start=1)}


def timm_stages(network: nn.Module) -> dict[str, str]:
    """The stages of a network of timm's, from its ``feature_info``, else from its ``blocks``; empty without either.

    Of several entries of one resolution the last counts. Where one resolution is all there is, the k-th of four
    stages ends after k quarters of the blocks, rounded down.
    """
    info = getattr(network, "feature_info", None)
    entries = [(entry["module"], entry["reduction"]) for entry in info or ()]
    blocks = getattr(network, "blocks", None)
    if not entries and isinstance(blocks, nn.Sequential | nn.ModuleList):
        entries = [(f"blocks.{index}", 1) for index in range(len(blocks))]
    # A bare list of layers has no output of its own.
    modules = {name: module for name, module in network.named_modules() if not isinstance(module, nn.ModuleList)}
    if not entries or not all(module in modules for module, _ in entries):
        return {}
    stem = next((child for child in ("stem", "patch_embed") if child in modules), "")
    last = {reduction: module for module, reduction in entries}
    if len(last) == 1:
        count = min(4, len(entries))
        return numbered(stem, [entries[k * len(entries) // count - 1][0] for k in range(1, count + 1)])
    before = [module for reduction, module in last.items() if reduction <= 2]
    return numbered(before[-1] if before else stem, [module for reduction, module in last.items() if reduction > 2])


def own_stages(own: nn.Module) -> dict[str, str]:
    """The stages that a user's network offers: its attribute ``stages``, a mapping from names to its submodules."""
    offered = getattr(own, "stages", None)
    if not isinstance(offered, Mapping | nn.ModuleDict):
        return {}
    names = {module: name for name, module in own.named_modules()}
    if not all(isinstance(module, nn.Module) and module in names for module in offered.values()):
        return {}
    return {name: names[module] for name, module in offered.items()}


def end_of(stages: Stages, stage: str, method: str, name: str) -> str:
    """The submodule that ends a stage which `method` needs, in the network called `name`.

    Raises:
        InputError: there are no stages, or others.
    """
    if not stages:
        raise InputError(
            f"{method} needs named stages, but {name} has none; use a built-in backbone, or give a network of your own "
            "the attribute stages = {'stage1': its submodule, ...}."
        )
    if stage not in stages:
        raise unknown_choice(f"stage of {name}", stage, stages)
    return stages[stage]


@contextmanager
def at_output(module: nn.Module, function: Change) -> Iterator[None]:
    """Replace a module's output by ``function(output)`` inside the block.

    A copy of the module that is made inside the block computes without the function.

    Raises:
        InputError: the module returns something else than one tensor.
    """

    def hook(called: nn.Module, inputs: Any, output: Any) -> Tensor:
        if not isinstance(output, Tensor):
            raise InputError(f"a {type(called).__name__} returns a {type(output).__name__}; a stage returns a tensor.")
        # A deep copy takes the hook along, with this module in it.
        return function(output) if called is module else output

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def at_input(module: nn.Module, function: Change) -> Iterator[None]:
    """Replace a module's first input by ``function(input)`` inside the block; a copy computes without it."""

    def hook(called: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (function(inputs[0]), *inputs[1:]) if called is module else inputs

    handle = module.register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()
