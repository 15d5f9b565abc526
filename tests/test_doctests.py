"""The examples in the docstrings of formulas, gradient rules and weight space: they run, and none is missing."""

import doctest
import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest
import torch

import landscape.algorithms.rules
import landscape.fgmix

MODULES = [
    *(f"landscape.fgmix.{each.name}" for each in pkgutil.iter_modules(landscape.fgmix.__path__)),
    *(f"landscape.algorithms.rules.{each.name}" for each in pkgutil.iter_modules(landscape.algorithms.rules.__path__)),
    "landscape.weights",
    "landscape.surface.plane",
]


def functions(module: ModuleType) -> list[str]:
    """Public functions that the module defines itself; a method's ``build`` is no formula."""
    found = inspect.getmembers(module, inspect.isfunction)
    own = [name for name, each in found if each.__module__ == module.__name__ and not name.startswith("_")]
    return [name for name in own if name != "build"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_come_out_as_they_say(name: str) -> None:
    module = importlib.import_module(name)
    tests = {test.name.removeprefix(f"{name}."): test for test in doctest.DocTestFinder().find(module)}
    assert [function for function in functions(module) if not tests[function].examples] == []
    runner = doctest.DocTestRunner()
    for test in tests.values():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            runner.run(test)
    assert runner.summarize(verbose=False).failed == 0
    assert runner.tries > 0 or not functions(module)
