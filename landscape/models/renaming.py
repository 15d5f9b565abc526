"""Names of another tool's state dict onto those of a network."""

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from landscape.errors import InputError

_COUNTER = "num_batches_tracked"
_HEADS = ("fc.", "classifier.", "head.", "head.fc.")


def fit_names(
    tensors: Mapping[str, Tensor], network: nn.Module, source: str, *, buffers: bool = True
) -> tuple[dict[str, Tensor], str]:
    """A state dict under the names of `network`, where there is one way only to rename it.

    A plain network calls its layers ``conv1.weight`` ... ``fc.weight``; a :class:`~landscape.models.Network` of the
    same layers calls them ``featurizer.backbone.conv1.weight`` ... ``classifier.weight``. So one prefix is put before
    the names of the backbone, and ``fc.``, ``classifier.``, ``head.`` or ``head.fc.`` becomes ``classifier.``. Every
    tensor of the state dict has to find a place of its own shape, and every place has to be filled.

    Args:
        tensors: names and tensors.
        network: what they are meant for.
        source: what to call them in a message.
        buffers: whether the running statistics have to be among them.

    Returns:
        The tensors, and a sentence on what was renamed (empty when the names were right).

    Raises:
        InputError: the names are others and there is no way, or more than one, to rename them.
    """
    places = {name: tensor for name, tensor in network.state_dict().items() if isinstance(tensor, Tensor)}
    own = [name for name, _ in network.named_parameters()]
    if buffers:
        own += [name for name, _ in network.named_buffers() if name in places]
    required = {name for name in own if not name.endswith(_COUNTER)}
    if required <= tensors.keys():
        return dict(tensors), ""
    ways: list[dict[str, str]] = []
    for way in _renamings(list(tensors), list(places)):
        filled = set(way.values())
        if filled <= places.keys() and required <= filled and len(filled) == len(way) and way not in ways:
            ways.append(way)
    fitting = [way for way in ways if all(tensors[old].shape == places[new].shape for old, new in way.items())]
    # All names are used and all places filled, so two prefixes can hardly both do; if they did, none would be right.
    if len(fitting) != 1:
        raise InputError(f"{source} does not fit the network: {_reason(tensors, places, required, ways)}.")
    (way,) = fitting
    # The first of the classifier and the first of the backbone.
    examples = {new.startswith("classifier."): f"{old} as {new}" for old, new in reversed(way.items())}
    shown = " and ".join(examples[head] for head in sorted(examples))
    return {new: tensors[old] for old, new in way.items()}, f"{source}: renamed its tensors for the network ({shown})"


def _renamings(names: list[str], places: list[str]) -> Iterator[dict[str, str]]:
    """All ways of one prefix before the backbone's names and one name for the classifier."""
    for head in _HEADS:
        backbone = [name for name in names if not name.startswith(head)]
        if not backbone or len(backbone) == len(names):
            continue
        first = backbone[0]
        for place in places:
            if place == first or place.endswith(f".{first}"):
                prefix = place.removesuffix(first)
                yield {
                    name: "classifier." + name.removeprefix(head) if name.startswith(head) else prefix + name
                    for name in names
                }


def _reason(
    tensors: Mapping[str, Tensor],
    places: Mapping[str, Tensor],
    required: set[str],
    ways: list[dict[str, str]],
) -> str:
    for way in ways:
        for old, new in way.items():
            if tensors[old].shape != places[new].shape:
                return (
                    f"{old} (there {new}) has shape {tuple(tensors[old].shape)}, expected {tuple(places[new].shape)}. "
                    "Give the --model it was trained with"
                )
    missing = [name for name in places if name in required and name not in tensors]
    return (
        f"it lacks {missing[0]} ({len(missing)} missing tensors). Expected the names {_few(places)}, or those of a "
        f"plain network (backbone and fc, classifier or head); got {_few(tensors)}. "
        "Give the --model it was trained with"
    )


def _few(names: Mapping[str, Tensor]) -> str:
    listed = list(names)
    return f"{listed[0]} ... {listed[-1]}" if len(listed) > 1 else "".join(listed) or "none"
