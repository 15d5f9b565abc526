"""Named domains in, per-domain minibatches out.

    images = load_images("sixstyles", size=64)              # pixels, labels, domains, concepts
    task = Task(images, split_images(images, seed=0), "sketch")
    batch = Minibatches(task, batch_size=32, seed=0, mean=mean, std=std).at(1)

Names are loaded when they are first used: listing and decoding images needs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from landscape.data.augmentation import augmented_pixels
    from landscape.data.images import DomainImages, load_images
    from landscape.data.layouts import full_domain_name
    from landscape.data.minibatches import Minibatch, Minibatches
    from landscape.data.normalisation import normalise
    from landscape.data.splits import Split, split_images
    from landscape.data.task import Task, open_task

_HOMES = {
    "DomainImages": "images",
    "load_images": "images",
    "full_domain_name": "layouts",
    "Split": "splits",
    "split_images": "splits",
    "Task": "task",
    "open_task": "task",
    "normalise": "normalisation",
    "augmented_pixels": "augmentation",
    "Minibatch": "minibatches",
    "Minibatches": "minibatches",
}

__all__ = [
    "DomainImages",
    "Minibatch",
    "Minibatches",
    "Split",
    "Task",
    "augmented_pixels",
    "full_domain_name",
    "load_images",
    "normalise",
    "open_task",
    "split_images",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
