import json
import os
import platform
import subprocess
import sys

import pytest
import torch

from landscape import hardware
from landscape.errors import InputError
from landscape.hardware import (
    autocast,
    exact_float32,
    resolve_device,
    resolve_precision,
    step_timer,
    to_channels_last,
)
from landscape.models import build_network

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LANDSCAPE_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def bf16_cpu(monkeypatch):
    monkeypatch.setattr(hardware, "cpu_has_bf16", lambda: True)


def timer(fp32, bf16, calls=None):
    def seconds(precision):
        if calls is not None:
            calls.append(precision)
        return {"fp32": fp32, "bf16": bf16}[precision]

    return seconds


def test_devices_that_are_there():
    assert resolve_device("cpu") == CPU
    assert resolve_device(torch.device("cpu")) == CPU
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA device")
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_missing_cuda(name):
    with pytest.raises(InputError, match=f"--device {name} was asked for.*no CUDA device.*--device auto"):
        resolve_device(name)


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="has an MPS device")
def test_missing_mps():
    with pytest.raises(InputError, match="no MPS device"):
        resolve_device("mps")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:1"])
def test_unknown_devices(name):
    with pytest.raises(InputError):
        resolve_device(name)


def test_what_was_asked_for_is_taken(bf16_cpu):
    assert resolve_precision("fp32", CPU, timer(3, 1)).precision == "fp32"
    assert resolve_precision("bf16", CPU, timer(1, 3)).precision == "bf16"
    with pytest.raises(InputError, match="unknown precision"):
        resolve_precision("fp16", CPU)


def test_nothing_is_timed_without_the_hardware(monkeypatch):
    monkeypatch.setattr(hardware, "cpu_has_bf16", lambda: False)
    calls = []
    choice = resolve_precision("auto", CPU, timer(3, 1, calls))
    assert (choice.precision, calls) == ("fp32", [])
    assert "no bf16" in choice.reason


@pytest.mark.parametrize(("fp32", "bf16", "expected"), [(1.29, 1.0, "fp32"), (1.31, 1.0, "bf16"), (1.0, 8.0, "fp32")])
def test_bf16_has_to_be_clearly_faster(bf16_cpu, fp32, bf16, expected):
    assert resolve_precision("auto", CPU, timer(fp32 / 1e3, bf16 / 1e3)).precision == expected


def test_the_verdict_does_not_flip(bf16_cpu, cache):
    calls = []
    first = resolve_precision("auto", CPU, timer(0.003, 0.001, calls), key="net-64")
    again = resolve_precision("auto", CPU, timer(0.001, 0.003, calls), key="net-64")
    assert first == again
    assert first.precision == "bf16"
    assert len(calls) == 12  # one round to warm up and five more, all for the first call
    assert resolve_precision("auto", CPU, timer(0.001, 0.003), key="net-224").precision == "fp32"
    stored = [json.loads(path.read_text()) for path in (cache / "precision").iterdir()]
    assert {row["key"] for row in stored} == {"net-64", "net-224"}
    assert all(row["torch"] == torch.__version__ for row in stored)


def test_the_verdict_is_one_for_every_number_of_threads(bf16_cpu, cache):
    threads = torch.get_num_threads()
    first = resolve_precision("auto", CPU, timer(0.003, 0.001))
    try:
        torch.set_num_threads(threads + 1)
        assert resolve_precision("auto", CPU, timer(0.001, 0.003)) == first
    finally:
        torch.set_num_threads(threads)


def test_a_first_step_that_builds_kernels_decides_nothing(bf16_cpu, monkeypatch):
    monkeypatch.setattr(hardware, "_SECONDS", 0.0)
    calls = []

    def busy(precision):
        calls.append(precision)
        if calls == ["fp32"]:
            return 9.0
        return {"fp32": 1.0, "bf16": 2.0}[precision]

    assert resolve_precision("auto", CPU, busy).precision == "fp32"


def test_a_damaged_verdict_is_made_again(bf16_cpu, cache):
    resolve_precision("auto", CPU, timer(0.003, 0.001))
    (path,) = (cache / "precision").iterdir()
    path.write_text("{")
    assert resolve_precision("auto", CPU, timer(0.001, 0.003)).precision == "fp32"


def test_a_slow_timing_is_cut_short(bf16_cpu, monkeypatch):
    monkeypatch.setattr(hardware, "_SECONDS", 0.0)
    calls = []
    assert resolve_precision("auto", CPU, timer(9.0, 1.0, calls)).precision == "bf16"
    assert calls == ["fp32", "bf16"] * 4  # one round to warm up and the least that decides


def test_a_network_that_cannot_run_in_bf16(bf16_cpu):
    def fails(precision):
        if precision == "bf16":
            raise RuntimeError("not implemented for 'BFloat16'")
        return 1.0

    choice = resolve_precision("auto", CPU, fails)
    assert choice.precision == "fp32"
    assert "not implemented" in choice.reason


def test_step_timer_builds_once_and_leaves_the_generator_alone():
    built = []

    def build():
        built.append(build_network("small_cnn", num_classes=3, weights="none", dropout=0.5))
        return built[-1]

    state, threads = torch.get_rng_state(), torch.get_num_threads()
    timer = step_timer(build, 32, batch_size=2)
    assert timer("fp32") > 0
    assert timer("bf16") > 0
    assert len(built) == 1
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_autocast_follows_the_precision():
    a = torch.ones(2, 2)
    with autocast(CPU, "bf16"):
        assert (a @ a).dtype == torch.bfloat16
        with autocast(CPU, "fp32"):
            assert (a @ a).dtype == torch.float32


def test_exact_float32_puts_the_setting_back():
    before = torch.backends.cudnn.allow_tf32
    with exact_float32(torch.device("cuda")):
        assert torch.backends.cudnn.allow_tf32 is False
    assert torch.backends.cudnn.allow_tf32 is before


def test_channels_last_on_the_cpu():
    network = to_channels_last(torch.nn.Conv2d(3, 4, 3), CPU)
    assert network.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks glibc")
def test_freed_memory_is_used_again_unless_its_owner_has_said_otherwise():
    # Activations of 8 MiB; a page fault is a page of 4 KiB that the system had to zero.
    code = (
        "import resource; from landscape import hardware; hardware.resolve_device('cpu'); import torch\n"
        "network = torch.nn.Sequential(*[torch.nn.Conv2d(8, 8, 3, padding=1) for _ in range(6)])\n"
        "images = torch.zeros(64, 8, 64, 64)\n"
        "def faults():\n    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "with torch.inference_mode():\n"
        "    for _ in range(3): network(images)\n"
        "    before = faults()\n"
        "    for _ in range(5): network(images)\n"
        "print(faults() - before, hardware.keep_freed_memory())"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    faults, kept = {}, {}
    for name, own in (("ours", {}), ("theirs", {"MALLOC_TRIM_THRESHOLD_": "131072"})):
        done = subprocess.run([sys.executable, "-c", code], env=env | own, capture_output=True, text=True, check=True)
        words = done.stdout.split()
        faults[name], kept[name] = int(words[0]), words[1]
    assert kept == {"ours": "True", "theirs": "False"}
    assert faults["ours"] < 0.2 * faults["theirs"]
