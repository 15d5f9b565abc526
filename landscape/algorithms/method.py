"""A method as a row of the catalogue: what everything but its own file knows about it. No torch in here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from importlib import import_module
from types import MappingProxyType
from typing import Any, Protocol

from landscape.errors import InputError
from landscape.fields import normalise
from landscape.imported import imported

GREY = "#6B6B6B"


class Range(Protocol):
    """Where a search draws one setting from; its text is how papers write it."""

    def __str__(self) -> str: ...


@dataclass(frozen=True)
class Uniform:
    """Uniform between two numbers."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"U({self.low:g}, {self.high:g})"


@dataclass(frozen=True)
class LogUniform:
    """Ten to the power of a uniform number."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"10^U({self.low:g}, {self.high:g})"


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Any, ...]

    def __str__(self) -> str:
        return "{" + ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in self.values) + "}"


def ranges(**settings: Range) -> Mapping[str, Range]:
    """Setting -> where a search draws it from."""
    return MappingProxyType(settings)


@dataclass(frozen=True)
class Options:
    """The method has no settings of its own."""

    def __post_init__(self) -> None:
        normalise(self, "--options.")


@dataclass(frozen=True)
class StoredOptions(Options):
    """Settings of a method of the user's own, as a file holds them: a file never chooses what is imported."""

    values: tuple[tuple[str, Any], ...] = ()
    """Names and values."""


@dataclass(frozen=True)
class Method:
    """One method of domain generalization.

    Attributes:
        name: on the command line and in folder names; a method of the user's own is ``package.module:Class``.
        label: in figures and tables.
        paper: who published it, and where in the paper it stands.
        module: of ``landscape.algorithms``, whose ``build(setup)`` makes its algorithm; none for the user's own.
        options: the dataclass of its settings.
        fewest_domains: domains, or views of one domain, that it needs in a minibatch.
        needs_codes: whether it needs a network of featurizer and classifier.
        needs_stages: whether it needs a network that names its stages.
        views: augmented copies of each image in a minibatch, unless the run says otherwise.
        trunk: whether its first steps are plain ERM, trained once for all such methods.
        colour: in figures.
        search: setting -> where a search draws it from; settings are the run's or the method's own.
    """

    name: str
    label: str
    paper: str
    module: str = ""
    options: type[Options] = Options
    fewest_domains: int = 1
    needs_codes: bool = False
    needs_stages: bool = False
    views: int = 1
    trunk: bool = False
    colour: str = GREY
    search: Mapping[str, Range] = field(default_factory=lambda: MappingProxyType({}))

    def check(self, sources: Sequence[str], views: int) -> None:
        """Whether a minibatch has the domains that the method needs.

        Raises:
            InputError: it has too few.
        """
        if len(sources) * views >= self.fewest_domains:
            return
        needed = {2: "two"}.get(self.fewest_domains, str(self.fewest_domains))
        has = f"{sources[0]} is the only one" if len(sources) == 1 else f"there are {', '.join(sources)}"
        raise InputError(
            f"{self.label} needs at least {needed} domains, but {has}; name more sources, or let augmented copies of "
            f"the images be the domains: --views {max(3, -(-self.fewest_domains // len(sources)))}."
        )

    def maker(self) -> Callable[[Any], Any]:
        """What makes the method's algorithm of a :class:`~landscape.algorithms.algorithm.Setup`; imports it."""
        if not self.module:
            made: Callable[[Any], Any] = imported(self.name, _FLAG, "Class")
            return made
        build: Callable[[Any], Any] = import_module(f"landscape.algorithms.{self.module}").build
        return build


def own_method(name: str, *, load: bool = False) -> Method:
    """The row of a method of the user's own, ``package.module:Class``.

    Args:
        name: how it was named.
        load: import the class, and take from it what a row holds (attributes ``label``, ``paper``, ``Options``,
            ``fewest_domains``, ``needs_codes``, ``views``); else nothing is imported, and a file cannot choose what is:
            the label is then the class's name.

    Raises:
        InputError: it cannot be imported, or is no class that makes an algorithm.
    """
    plain = Method(name, name.rpartition(":")[2], "of your own", options=StoredOptions)
    if not load:
        return plain
    made = imported(name, _FLAG, "Class")
    if not (isinstance(made, type) and callable(getattr(made, "update", None))):
        raise InputError(f"{_FLAG} {name} is no class with a method update(batch, step); derive it from Algorithm.")
    options = getattr(made, "Options", Options)
    frozen = getattr(vars(options).get("__dataclass_params__"), "frozen", False) if isinstance(options, type) else False
    if not (frozen and issubclass(options, Options)):
        raise InputError(
            f"{name}.Options is no frozen dataclass derived from landscape.algorithms.Options; write "
            "@dataclass(frozen=True) above it."
        )
    if lacking := [
        item.name for item in fields(options) if item.default is MISSING and item.default_factory is MISSING
    ]:
        raise InputError(f"{name}.Options.{lacking[0]} has no default; give every setting one.")
    facts = ("label", "paper", "fewest_domains", "needs_codes", "views")
    return replace(plain, options=options, **{fact: getattr(made, fact) for fact in facts if hasattr(made, fact)})


_FLAG = "--algorithm"
