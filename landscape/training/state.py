"""Everything that training needs to go on, as one flat set of tensors.

Randomness is stateless (see :mod:`landscape.seeding`), so no generator state is in here.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.optim import Optimizer

from landscape.algorithms import Algorithm
from landscape.checkpoint import load_about, load_tensors, save_tensors, tensors_under
from landscape.errors import InputError
from landscape.training.averaging import WeightAverage


def save_state(path: Path, step: int, algorithm: Algorithm, average: WeightAverage) -> None:
    """Write network, algorithm, optimizers and average after `step` updates."""
    tensors = {f"model/{name}": t for name, t in algorithm.network.state_dict().items()}
    tensors |= {f"algorithm/{name}": t for name, t in algorithm.tensors().items()}
    tensors |= {f"average/{name}": t for name, t in average.tensors().items()}
    for name, optimizer in algorithm.optimizers.items():
        tensors |= {f"optimizer/{name}/{key}": t for key, t in _optimizer_tensors(optimizer).items()}
    save_tensors(path, tensors, {"step": step})


def load_state(path: Path, algorithm: Algorithm, average: WeightAverage, *, partial: bool = False) -> int:
    """Restore what :func:`save_state` wrote and return its step. Optimizers that it lacks stay as they are.

    With `partial` modules that it lacks do so, too: a method branches from a trunk.
    """
    tensors, about = load_tensors(path)
    if about is None:
        raise InputError(f"{path} is no training state of this package; delete it to start the run again.")
    algorithm.network.load_state_dict(tensors_under("model/", tensors))
    algorithm.load_tensors(tensors_under("algorithm/", tensors), partial=partial)
    average.load_tensors(tensors_under("average/", tensors))
    for name, optimizer in algorithm.optimizers.items():
        _restore_optimizer(optimizer, tensors_under(f"optimizer/{name}/", tensors))
    return int(about["step"])


def saved_step(path: Path) -> int:
    """The step of a saved state, from the file's header; 0 when there is none."""
    if not path.is_file():
        return 0
    about = load_about(path)
    return int(about["step"]) if about else 0


def _optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    return {
        f"{index}/{key}": value
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }


def _restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Clone moments into the memory layout of their parameter.

    The fused kernels walk a parameter and its moments by memory position: contiguous moments beside
    channels-last weights would be applied to the wrong weights, silently.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for name, saved in tensors.items():
        index, key = name.split("/")
        parameter = parameters[int(index)]
        if key == "step":
            # Fused kernels keep the step count on the device; the others want it on the CPU.
            value = saved.to(parameter.device) if optimizer.defaults.get("fused") else saved.clone()
        else:
            value = torch.empty_like(parameter, memory_format=torch.preserve_format).copy_(saved)
        optimizer.state[parameter][key] = value.detach()
