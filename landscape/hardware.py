"""Where to compute and in which precision: resolved once, from what the machine has and a short timing."""

import ctypes
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import nn

from landscape.errors import InputError, unknown_choice
from landscape.storage import atomic_write, cache_folder, digest

ComputePrecision = Literal["fp32", "bf16"]
Timer = Callable[[ComputePrecision], float]
"""Seconds that one step takes in a precision."""

WORTHWHILE = 1.3
"""bf16 costs accuracy, so it has to be at least this many times faster."""
_SECONDS = 3.0
_LEAST_ROUNDS = 3
# Options of glibc's mallopt.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NATIVE_BF16 = ("amx_bf16", "amx_tile", "avx512_bf16", "bf16", "sve_bf16")


@dataclass(frozen=True)
class PrecisionChoice:
    """What ``--precision`` came to, and why."""

    precision: ComputePrecision
    reason: str


def resolve_device(device: str | torch.device) -> torch.device:
    """The device to compute on; ``auto`` takes CUDA, else Apple's MPS, else the CPU.

    A process that computes on the CPU keeps the memory it frees from then on (:func:`keep_freed_memory`).

    Raises:
        InputError: an unknown device, or one that this machine lacks.
    """
    name = str(device)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or not (number or "0").isdigit():
        raise unknown_choice("device", name, ("auto", "cpu", "cuda", "mps"))
    found = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}[kind]
    if found == 0:
        what = "CUDA device that torch can use" if kind == "cuda" else "MPS device (Apple GPU)"
        raise InputError(f"--device {name} was asked for, but this machine has no {what}. Try --device auto.")
    if int(number or 0) >= found:
        raise InputError(f"--device {name} was asked for, but the last one here is {kind}:{found - 1}.")
    if kind == "cpu":
        keep_freed_memory()
    return torch.device(name)


@cache
def keep_freed_memory() -> bool:
    """Let this process keep memory that it frees, for its next use; returns whether that could be arranged.

    By default glibc maps each large block anew and gives it back when it is freed. A network's activations are such
    blocks: the system then zeroes every page of every activation map of every batch, which took a quarter of the
    time of a forward pass of EfficientNet-Lite0 at 64 px here (230,000 page faults a pass over 1,028 images, none
    with this; the peak stays the same). Whoever has set ``MALLOC_*`` or ``GLIBC_TUNABLES`` keeps those settings.
    """
    if platform.libc_ver()[0] != "glibc" or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, -1))


def resolve_precision(
    precision: str, device: torch.device, timer: Timer | None = None, *, key: str = ""
) -> PrecisionChoice:
    """fp32, or bf16 autocast, for ``auto`` by what the device is faster in.

    CUDA: bf16 where it is native. MPS: fp32. CPU: fp32, unless the CPU has bf16 matrix instructions *and* the
    timing finds bf16 at least 1.3 times faster. Precision is part of a run's identity, so a timing's verdict is
    stored in the cache folder, under the CPU's model, torch's version and `key`: it does not flip between calls.

    Args:
        precision: ``auto``, ``fp32`` or ``bf16``; the latter two are taken as they are.
        device: where the network will run.
        timer: seconds of one step in a precision, such as :func:`step_timer`'s; None means fp32 on a CPU.
        key: what is timed, for example the network's name and the image size.

    Raises:
        InputError: an unknown precision.
    """
    if precision not in ("auto", "fp32", "bf16"):
        raise unknown_choice("precision", precision, ("auto", "fp32", "bf16"))
    if precision != "auto":
        return PrecisionChoice(cast(ComputePrecision, precision), "asked for")
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return PrecisionChoice("bf16", f"{torch.cuda.get_device_name(device)} has bf16 hardware")
        return PrecisionChoice("fp32", f"{torch.cuda.get_device_name(device)} has no bf16 hardware")
    if device.type != "cpu":
        return PrecisionChoice("fp32", f"the default on {device.type}")
    if not cpu_has_bf16():
        return PrecisionChoice("fp32", "this CPU has no bf16 matrix instructions")
    if timer is None:
        return PrecisionChoice("fp32", "nothing was timed")
    return _remembered(timer, key)


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 natively (AMX, AVX512-BF16, or Arm's bf16 extension)."""
    # An older torch has only the private questions.
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    if capabilities:
        return any(capabilities.get(name, False) for name in _NATIVE_BF16)
    asks = (getattr(torch.cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return any(ask() for ask in asks if ask is not None)


def step_timer(build: Callable[[], nn.Module], image_size: int, *, batch_size: int | None = None) -> Timer:
    """A timer for :func:`resolve_precision`: forward and backward of a network on random images, on the CPU.

    It runs on one thread and counts that thread's processor time, which a busy neighbour hardly changes.

    Args:
        build: makes the network; called only if it is really timed.
        image_size: side of the images in pixels.
        batch_size: images a step; None means 4 of 224 pixels, more when they are smaller, at most 32.
    """
    cpu = torch.device("cpu")
    networks: list[nn.Module] = []
    count = batch_size or min(max(round(4 * (224 / image_size) ** 2), 4), 32)

    def seconds(precision: ComputePrecision) -> float:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.random.fork_rng(devices=[]):  # initialisation and dropout draw from the global generator
                if not networks:
                    networks.append(to_channels_last(build(), cpu).train())
                images = torch.rand(count, 3, image_size, image_size).contiguous(memory_format=torch.channels_last)
                began = time.thread_time()
                with autocast(cpu, precision):
                    logits = networks[0](images)
                logits.float().square().mean().backward()
                return time.thread_time() - began
        finally:
            torch.set_num_threads(threads)

    return seconds


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """bf16 autocast for ``bf16``; for anything else autocast is off, also inside somebody's own."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def exact_float32(device: torch.device) -> Iterator[None]:
    """Keep cuDNN from computing float32 convolutions in TF32, which is its default and 10 bits of mantissa."""
    if device.type != "cuda":
        yield
        return
    cudnn = torch.backends.cudnn
    with cudnn.flags(
        enabled=cudnn.enabled, benchmark=cudnn.benchmark, deterministic=cudnn.deterministic, allow_tf32=False
    ):
        yield


def to_channels_last(network: nn.Module, device: torch.device) -> nn.Module:
    """Move `network` to `device`, its convolutions in the memory layout that they are fastest in there.

    Channels-last on CPUs (by about a third) and on CUDA's tensor cores; MPS keeps torch's default.
    """
    if device.type == "mps":
        return network.to(device)
    return network.to(device).to(memory_format=torch.channels_last)


def _remembered(timer: Timer, key: str) -> PrecisionChoice:
    # Not the number of threads: a run would have another name when it is continued with fewer of them.
    about = {"cpu": _cpu_model(), "torch": torch.__version__, "key": key}
    path = cache_folder() / "precision" / f"{digest(json.dumps(about, sort_keys=True))}.json"
    if (known := _read_choice(path)) is not None:
        return known
    choice = _try_both(timer)
    atomic_write(path, json.dumps(about | {"precision": choice.precision, "reason": choice.reason}, indent=1))
    return choice


def _read_choice(path: Path) -> PrecisionChoice | None:
    try:
        stored = json.loads(path.read_text())
        return PrecisionChoice(stored["precision"], stored["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _try_both(timer: Timer) -> PrecisionChoice:
    """Interleaved rounds after one that warms up and never counts; the fastest step of each precision decides.

    A busy machine must not cut the timing down to a first step: that one builds kernels, in float32 more of them.
    """
    began = time.perf_counter()
    rounds: dict[ComputePrecision, list[float]] = {"fp32": [], "bf16": []}
    try:
        for name in rounds:
            timer(name)
        while (done := len(rounds["bf16"])) < 5:
            if done >= _LEAST_ROUNDS and time.perf_counter() - began > _SECONDS:
                break
            for name, seconds in rounds.items():
                seconds.append(timer(name))
    except RuntimeError as error:
        return PrecisionChoice("fp32", f"the timing in bf16 failed: {error}")
    best = {name: min(seconds) for name, seconds in rounds.items()}
    ratio = best["fp32"] / best["bf16"]
    reason = f"in a timing a bf16 step took {best['bf16']:.3g} s, a float32 step {best['fp32']:.3g} s"
    return PrecisionChoice("bf16" if ratio >= WORTHWHILE else "fp32", reason)


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    # The model's name alone does not tell what a virtual machine passes on.
    return " ".join([*names[:1], platform.machine(), str(os.cpu_count()), torch.backends.cpu.get_cpu_capability()])
