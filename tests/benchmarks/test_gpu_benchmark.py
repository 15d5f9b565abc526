"""What the GPU benchmark prints, here on the CPU: its table, the operations it counts, the images of the bare pass."""

import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from landscape import command
from landscape.evaluation import Evaluator

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SMALL = "--model resnet18 --size 32 --images 64 --points 3 --rounds 1 --passes 2"


@pytest.fixture(scope="module")
def gpu() -> dict:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        return runpy.run_path(str(BENCHMARKS / "gpu.py"))


@pytest.fixture
def printed(gpu: dict, monkeypatch: pytest.MonkeyPatch, capsys) -> Callable[[str], list[str]]:
    def run(flags: str) -> list[str]:
        monkeypatch.setattr("sys.argv", ["benchmarks/gpu.py", *flags.split()])
        gpu["main"]()
        return capsys.readouterr().out.splitlines()

    return run


def rows(lines: list[str]) -> dict[str, list[str]]:
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {row[0]: row[1:] for row in table[2:]}


def test_a_row_for_each_precision_that_the_device_has(gpu: dict, printed: Callable[[str], list[str]]) -> None:
    lines = printed(f"--device cpu {SMALL}")
    assert lines[0] == f"`python benchmarks/gpu.py --device cpu {SMALL}`"
    assert f"torch {torch.__version__}" in lines[1]
    assert "- tf32 is left out: it needs a CUDA device" in lines
    found = rows(lines)
    assert list(found) == ["fp32", "bf16"]
    flops = gpu["flops_of"](gpu["workload"]("resnet18", 32, 2, 3).network, 32)
    for points, images, rate, relative, minutes, _ in found.values():
        speed = float(points)
        assert float(images.replace(",", "")) == pytest.approx(64 * speed, rel=0.02)
        assert float(rate) == pytest.approx(64 * speed * flops / 1e12, rel=0.02)
        assert float(minutes) == pytest.approx(9 / speed / 60, rel=0.02)
        assert float(relative.split()[0]) > 0.5
    assert found["fp32"][-1] == "-"
    # bf16 has 8 bits of mantissa: it costs something, and not the answer.
    assert 0 < float(found["bf16"][-1]) < 0.1


def test_the_whole_grid_is_measured_if_asked_for(printed: Callable[[str], list[str]]) -> None:
    lines = printed(f"--device cpu {SMALL} --precision fp32 --whole")
    assert list(rows(lines)) == ["fp32"]
    assert any("minutes for 3 x 3, measured" in line for line in lines)


def test_operations_are_two_for_each_multiplication(gpu: dict) -> None:
    convolution = nn.Conv2d(3, 5, 3, stride=2, padding=1, bias=False)
    assert gpu["flops_of"](convolution, 8) == 2 * (4 * 4) * 5 * (3 * 3 * 3)


@pytest.mark.parametrize("held", [1, 10**9])
def test_the_bare_pass_sees_as_many_images(gpu: dict, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 2))
    pixels = np.random.default_rng(0).integers(0, 256, (12, 4, 4, 3), dtype=np.uint8)
    evaluator = Evaluator(network, pixels, np.arange(12) % 2, batch_size=5)
    monkeypatch.setitem(gpu["bare"].__globals__, "HELD", held)
    forward, seen = gpu["bare"](evaluator), []
    evaluator.network.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    forward()
    assert seen == [5, 5, 2]


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA device")
def test_without_a_gpu_it_says_so_in_a_sentence(gpu: dict, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks/gpu.py"])
    with pytest.raises(SystemExit) as end:
        command.run(gpu["main"])
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: --device cuda was asked for, but this machine has no CUDA device")
    assert said.err.count("\n") == 1
