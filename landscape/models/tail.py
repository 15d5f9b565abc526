"""The rest of a featurizer after one of its stages, as a module of its own."""

import copy
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._pytree import tree_leaves, tree_map_only

from landscape.errors import InputError

TOLERANCE = 1e-4


class Tail(nn.Module):
    """From the output of a stage (B, ...) to latent codes (B, D), with copies of the layers that do it.

    It is a copy of the featurizer in which the layers up to the stage are emptied: they return zeros for one image
    and cost nothing, and the stage itself returns what the tail is given. So whatever the featurizer's forward pass
    does between and after its layers is done here, too, and parameters have the names that they have there. A
    parameter that the codes no longer depend on (the position embedding of a transformer) is kept as a constant.

    Args:
        featurizer: images (B, 3, S, S) to latent codes (B, D); it is copied.
        stage: name of the submodule that ends the stage.
        image_size: S, a side of images that the featurizer takes. The tail takes maps of other sizes all the same.
        name: what the network is called in messages.

    Raises:
        InputError: the copy, tried on one random image, does not give the featurizer's latent codes.
    """

    def __init__(self, featurizer: nn.Module, stage: str, *, image_size: int, name: str) -> None:
        super().__init__()
        self.image_size = image_size
        self.featurizer = copy.deepcopy(featurizer)
        self.entry = _Entry()
        _keep_facts(self.featurizer.get_submodule(stage), self.entry)
        modes = {module: module.training for module in self.featurizer.modules()}
        weights = next(self.featurizer.parameters())
        image = torch.rand(1, 3, image_size, image_size, generator=torch.Generator().manual_seed(0)).to(weights)
        try:
            self.featurizer.eval()
            with torch.no_grad():
                calls = _Calls(self.featurizer, self.featurizer.get_submodule(stage), image)
            _empty(self.featurizer, calls, self.entry)
            with torch.enable_grad():
                codes = self(calls.maps.clone().requires_grad_())
                _hold_unused(self.featurizer, codes)
        except Exception as error:  # anybody's forward pass
            raise _no_tail(name, stage, f"{type(error).__name__}: {error}") from error
        difference = float((codes.detach() - calls.codes).abs().max() / calls.codes.abs().max().clamp_min(1e-30))
        if not difference <= TOLERANCE:
            raise _no_tail(name, stage, f"the codes differ by {difference:.1e} (relative)")
        self.train(featurizer.training)
        for module in self.featurizer.modules():
            module.training = modes.get(module, module.training)

    def forward(self, maps: Tensor) -> Tensor:
        """Latent codes (B, D)."""
        self.entry.maps = maps
        try:
            codes: Tensor = self.featurizer(maps.new_zeros(1, 3, self.image_size, self.image_size))
            return codes
        finally:
            self.entry.maps = None


def norms_before(tail: Tail, featurizer: nn.Module) -> list[nn.Parameter]:
    """The affine parameters of a featurizer's batch norm that its tail has no copies of."""
    copied = {name for name, module in tail.featurizer.named_modules() if isinstance(module, _BatchNorm)}
    norms = [(name, module) for name, module in featurizer.named_modules() if isinstance(module, _BatchNorm)]
    return [parameter for name, norm in norms if name not in copied for parameter in norm.parameters(recurse=False)]


def _no_tail(name: str, stage: str, why: str) -> InputError:
    return InputError(
        f"the layers of {name} after {stage} cannot be had as a network of their own ({why}); use a built-in backbone, "
        "or give an image size that the network takes."
    )


class _Entry(nn.Module):
    """In a stage's place: returns the maps that the tail was given."""

    def __init__(self) -> None:
        super().__init__()
        self.maps: Tensor | None = None

    def forward(self, *inputs: Any, **options: Any) -> Tensor:
        assert self.maps is not None
        return self.maps


class _Emptied(nn.Module):
    """In the place of a layer before the stage: zeros of the shapes that it returns for one image."""

    def __init__(self, layer: nn.Module, shapes: Any) -> None:
        super().__init__()
        _keep_facts(layer, self)
        self.shapes = shapes

    def forward(self, *inputs: Any, **options: Any) -> Any:
        like = next(value for value in tree_leaves((inputs, options)) if isinstance(value, Tensor))
        return tree_map_only(Tensor, lambda shape: like.new_zeros(shape.shape), self.shapes)


class _Calls:
    """One forward pass, followed: which modules are done when the stage is, and what they returned."""

    def __init__(self, featurizer: nn.Module, stage: nn.Module, image: Tensor) -> None:
        self.stage = stage
        self.shapes: dict[nn.Module, Any] = {}
        self._count: Counter[nn.Module] = Counter()
        self._end: dict[nn.Module, int] = {}  # when the module's last call ended, counted in calls of all modules

        def after(module: nn.Module, inputs: Any, output: Any) -> None:
            self._count[module] += 1
            self._end[module] = self._count.total()
            self.shapes[module] = tree_map_only(Tensor, lambda t: torch.empty(t.shape, device="meta"), output)
            if module is stage:
                self.maps: Tensor = output

        handles = [module.register_forward_hook(after) for module in featurizer.modules()]
        try:
            self.codes: Tensor = featurizer(image)
        finally:
            for handle in handles:
                handle.remove()
        if self._count[stage] != 1 or not isinstance(self.maps, Tensor):
            raise InputError("the stage is not called once for one tensor")

    def is_done(self, module: nn.Module) -> bool:
        """Whether the module is called once, and neither it nor a part of it after the stage."""
        ends = [self._end[part] for part in module.modules() if part in self._end]
        return self._count[module] == 1 and max(ends) <= self._end[self.stage]


def _empty(parent: nn.Module, calls: _Calls, entry: _Entry) -> None:
    """Replace the stage by the entry, and what is done before it by zeros: the largest modules that are."""
    for name, child in list(parent.named_children()):
        if child is calls.stage:
            setattr(parent, name, entry)
        elif calls.is_done(child):
            setattr(parent, name, _Emptied(child, calls.shapes[child]))
        else:
            _empty(child, calls, entry)


def _keep_facts(layer: nn.Module, place: nn.Module) -> None:
    """What a forward pass may ask a layer for, such as the number of patches."""
    place.__dict__.update({name: fact for name, fact in vars(layer).items() if isinstance(fact, int | float | tuple)})


def _hold_unused(featurizer: nn.Module, codes: Tensor) -> None:
    """Turn the parameters that the codes do not depend on into buffers."""
    trained = [parameter for parameter in featurizer.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(codes.sum(), trained, allow_unused=True) if trained else ()
    unused = {id(p) for p, gradient in zip(trained, gradients, strict=True) if gradient is None}
    for module in featurizer.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            if id(parameter) in unused:
                delattr(module, name)
                module.register_buffer(name, parameter.detach(), persistent=False)
