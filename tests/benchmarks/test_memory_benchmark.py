"""What the memory benchmark counts: a peak that is gone at the end, and the same images for every contender."""

import mmap
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def memory() -> dict:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        return runpy.run_path(str(BENCHMARKS / "memory.py"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_that_is_given_back_counts(memory: dict) -> None:
    before = memory["status"]("RssAnon")
    # Memory of its own: what an allocator keeps of earlier tests does not count.
    own = mmap.mmap(-1, 64 * 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with memory["highest"]("RssAnon") as most, own as block:
        for turn in range(20):
            for start in range(0, len(block), 2**20):
                block[start : start + 2**20] = bytes([turn]) * 2**20
    assert 55 < most[0] - before < 120
    assert memory["status"]("RssAnon") - before < 30


def test_a_whole_surface_is_over_the_same_images(memory: dict) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3), dtype=np.uint8)
    labels = np.arange(20) % 3
    task = memory["task_of"](pixels, labels)
    assert task.images.pixels is pixels
    assert task.images.labels is labels
    assert len(task.source_rows("all")) == len(task.target_rows()) == 10
