"""What all tests share: a cache of their own, and threads that do not fight over two cores."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before anything imports torch. Processes that a test starts inherit all of it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
os.environ["MPLBACKEND"] = "Agg"
# Nobody's decoded images or timed trials decide a test, and no test leaves any behind.
_CACHE = Path(tempfile.mkdtemp(prefix="landscape-tests-"))
os.environ["LANDSCAPE_CACHE"] = str(_CACHE)


@pytest.fixture(scope="session", autouse=True)
def session_cache() -> Iterator[Path]:
    """The cache folder of this session; the embedded images are decoded into it once per size."""
    yield _CACHE
    shutil.rmtree(_CACHE, ignore_errors=True)
