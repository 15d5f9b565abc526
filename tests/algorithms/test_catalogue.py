"""Rows: what they say is complete, and methods of the user's own get one, too."""

import dataclasses
import sys
from pathlib import Path

import pytest
from small import batch, made, network, run

from landscape.algorithms import Composed, Facts, Setup
from landscape.algorithms.__main__ import main
from landscape.algorithms.catalogue import METHODS, find, label_of
from landscape.algorithms.method import Choice, LogUniform, Options, StoredOptions, Uniform, own_method
from landscape.config import MixupConfig, RunConfig
from landscape.errors import InputError

OWN = """
from dataclasses import dataclass

import torch
from landscape.algorithms import Algorithm, Options


class Bold(Algorithm):
    label = "Bold"
    fewest_domains = 2

    @dataclass(frozen=True)
    class Options(Options):
        boldness: float = 2.0

    def __init__(self, setup):
        super().__init__(setup)
        self.optimizers["base"] = torch.optim.SGD(self.network.parameters(), lr=self.config.options.boldness)
        self.state["seen"] = torch.zeros(())

    def update(self, batch, step):
        loss = self.network(batch.images.flatten(0, 1)).square().mean()
        loss.backward()
        self.optimizers["base"].step()
        self.state["seen"] = self.state["seen"] + 1
        return {"loss": loss.detach()}


class Forgetful(Bold):
    def __init__(self, setup):
        super().__init__(setup)
        self.queue = [torch.zeros(3)]


class Hooked(Bold):
    def __init__(self, setup):
        super().__init__(setup)
        self.network.featurizer.register_forward_hook(lambda *_: None)


class Counting(Bold):
    def __init__(self, setup):
        super().__init__(setup)
        self.count = 0

    def update(self, batch, step):
        self.count += 1
        return super().update(batch, step)


class Nested(Bold):
    def __init__(self, setup):
        super().__init__(setup)
        self.kept = {"a": [torch.zeros(3)]}


class HookedLate(Bold):
    def update(self, batch, step):
        self.network.featurizer.register_forward_hook(lambda *_: None)
        return super().update(batch, step)


class Thawed(Bold):
    class Options(Options):
        x: int = 3


class Demanding(Bold):
    @dataclass(frozen=True)
    class Options(Options):
        need: int


class Idle(Bold):
    def __init__(self, setup):
        super().__init__(setup)
        self.optimizers.clear()


class Plain:
    pass


class Stranger:
    def update(self, batch, step):
        return {}
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "bold_methods.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    yield "bold_methods"
    sys.modules.pop("bold_methods", None)


@pytest.mark.parametrize("row", METHODS.values(), ids=lambda row: row.name)
def test_a_row_is_complete(row) -> None:  # type: ignore[no-untyped-def]
    assert row.label
    assert row.paper
    assert row.colour.startswith("#")
    assert callable(row.maker())
    names = {item.name for item in dataclasses.fields(row.options)}
    assert row.search.keys() <= names | {item.name for item in dataclasses.fields(RunConfig)}
    # Every setting says what it is: --help shows it.
    source = Path(sys.modules[row.options.__module__].__file__).read_text()
    for name in names:
        assert f"    {name}: " in source
    assert row.options() == row.options()


def test_labels_and_names_tell_methods_apart() -> None:
    labels = [row.label for row in METHODS.values()]
    assert len(set(labels)) == len(labels)
    assert label_of("fgmix") == "FGMix"
    assert label_of("my.package:Bold") == "Bold"
    with pytest.raises(InputError, match=r"unknown --algorithm 'pcgrd'; .*mean 'pcgrad'"):
        find("pcgrd")


def test_ranges_read_as_papers_write_them() -> None:
    assert [str(each) for each in (Uniform(0.5, 1), LogUniform(-1, 1), Choice((0.1, 8)))] == [
        "U(0.5, 1)",
        "10^U(-1, 1)",
        "{0.1, 8}",
    ]


@pytest.mark.parametrize(
    ("sources", "views", "text"),
    [
        (("photo",), 1, "PCGrad needs at least two domains, but photo is the only one; .*--views 3"),
        (("photo",), 2, None),
        (("photo", "sketch"), 1, None),
    ],
)
def test_a_method_says_what_it_lacks(sources: tuple[str, ...], views: int, text: str | None) -> None:
    if text is None:
        METHODS["pcgrad"].check(sources, views)
        return
    with pytest.raises(InputError, match=text):
        METHODS["pcgrad"].check(sources, views)


def test_the_table_and_a_description(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(METHODS)
    assert "named stages" in next(line for line in lines if line.startswith("mixstyle"))
    main(["PCGrad", "fgmix"])
    text = capsys.readouterr().out
    assert "--options.total (default mean)" in text
    assert "--mixup.eta (default 0.1; search {0.01, 0.03, 0.1, 0.3})" in text


def test_a_method_of_ones_own_has_a_row(own: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([f"{own}:Bold"])
    said = capsys.readouterr().out
    assert f"Bold ({own}:Bold)" in said
    assert "--options.boldness (default 2.0)" in said
    row = own_method(f"{own}:Bold", load=True)
    assert (row.label, row.fewest_domains, row.options().boldness) == ("Bold", 2, 2.0)
    net = network()
    algorithm = made(net, run(f"{own}:Bold", options=row.options(boldness=0.5)))
    first, second = (float(algorithm.update(batch(), step)["loss"]) for step in (1, 2))
    assert second < first
    assert float(algorithm.tensors()["state/seen"]) == 2
    other = made(network(), run(f"{own}:Bold", options=row.options()))
    other.load_tensors(algorithm.tensors())
    assert float(other.state["seen"]) == 2


def test_a_file_never_chooses_what_is_imported(own: str) -> None:
    stored = {"algorithm": f"{own}:Bold", "options": {"boldness": 0.5, "steps": [1, 2]}}
    config = RunConfig.from_dict(stored)
    assert own not in sys.modules
    assert isinstance(config.options, StoredOptions)
    assert hash(config) == hash(RunConfig.from_dict(config.to_dict()))
    assert config.to_dict()["options"] == {"boldness": 0.5, "steps": (1, 2)}
    assert config.method.label == "Bold"
    row = own_method(f"{own}:Bold", load=True)
    # The same settings, whoever read them, name the same run.
    plain = RunConfig.from_dict({**stored, "options": {"boldness": 0.5}})
    assert plain.hash() == RunConfig(algorithm=f"{own}:Bold", options=row.options(boldness=0.5)).hash()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Forgetful", r"Forgetful.queue holds a Tensor that would be lost .* modules, optimizers or state"),
        ("Nested", r"Nested.kept holds a Tensor that would be lost"),
        ("Hooked", "leaves 1 hooks in the network, .*; use network.between"),
        ("Stranger", r"is no landscape.algorithms.Algorithm; derive it"),
        ("Idle", "has no optimizer"),
    ],
)
def test_what_would_be_lost_or_copied_is_refused(own: str, name: str, text: str) -> None:
    with pytest.raises(InputError, match=text):
        made(network(), run(f"{own}:{name}", options=own_method(f"{own}:{name}", load=True).options()))


@pytest.mark.parametrize(
    ("name", "text"),
    [("Counting", "Counting.count changes while it trains"), ("HookedLate", "leaves 1 hooks")],
)
def test_what_goes_wrong_later_is_refused_at_the_next_save(own: str, name: str, text: str) -> None:
    algorithm = made(network(), run(f"{own}:{name}", options=own_method(f"{own}:{name}", load=True).options()))
    algorithm.tensors()
    algorithm.update(batch(), 1)
    with pytest.raises(InputError, match=text):
        algorithm.tensors()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bold_methods:Thawed", "is no frozen dataclass derived from"),
        ("bold_methods:Demanding", "Options.need has no default"),
        ("bold_methods:Plain", r"no class with a method update"),
        ("bold_methods:Bolt", "unknown class of bold_methods 'Bolt'.*mean 'Bold'"),
        ("nowhere_at_all:Bold", "cannot import 'nowhere_at_all' for --algorithm"),
        ("bold_methods:", "not of the form package.module:Class"),
    ],
)
def test_what_cannot_be_a_method_is_said(own: str, name: str, text: str) -> None:
    with pytest.raises(InputError, match=text):
        own_method(name, load=True)


def test_a_saved_state_has_to_fit(own: str) -> None:
    algorithm = made(network(), run("sagnet"))
    saved = algorithm.tensors()
    with pytest.raises(InputError, match=r"saved state has other, state/more|saved state has"):
        algorithm.load_tensors({**saved, "other/weight": saved["style/weight"]})
    with pytest.raises(InputError, match="lacks style"):
        algorithm.load_tensors({})
    algorithm.load_tensors({}, partial=True)


def test_fgmix_settings_are_the_mixups() -> None:
    assert METHODS["fgmix"].options is MixupConfig
    assert RunConfig().options == Options()


def test_a_rule_and_a_penalty_exclude_each_other() -> None:
    setup = Setup(network(), run("erm"), Facts(("a",), ("x", "y"), (9,)))
    with pytest.raises(ValueError, match="exclude each other"):
        Composed(setup, rule=lambda *_: None, penalty=lambda *_: None)  # type: ignore[arg-type, return-value]
