"""t-SNE: the same points every time, neighbours kept."""

import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from landscape.embedding.tsne import embed
from landscape.errors import InputError

CODES = "np.random.default_rng(0).standard_normal((150, 10)) + 6 * np.eye(10)[np.arange(150) % 3]"


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    return eval(CODES, {"np": np})


def test_the_same_input_twice_is_identical(codes: np.ndarray) -> None:
    first, second = (embed(codes, iterations=100) for _ in range(2))
    assert np.array_equal(first, second)
    assert first.shape == (150, 2)
    assert type(first) is np.ndarray
    np.testing.assert_allclose(first.mean(0), 0, atol=1e-9)
    assert not np.array_equal(first, embed(codes, iterations=100, random_state=1))


def test_it_is_identical_in_another_process_with_more_threads(codes: np.ndarray) -> None:
    code = (
        "import numpy as np; from landscape.embedding.tsne import embed; "
        f"print(embed({CODES}, iterations=50).tobytes().hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "2"},
    )
    assert done.stdout.strip() == embed(codes, iterations=50).tobytes().hex()


def test_neighbours_stay_neighbours(codes: np.ndarray) -> None:
    points = embed(codes)
    assert trustworthiness(codes, points, n_neighbors=10) > 0.85
    centres = [points[k::3].mean(0) for k in range(3)]
    nearest = np.argmin([np.linalg.norm(points - centre, axis=1) for centre in centres], axis=0)
    assert (nearest == np.arange(150) % 3).mean() > 0.95


def test_few_codes_and_equal_codes_are_no_trouble() -> None:
    assert np.isfinite(embed(np.random.default_rng(0).standard_normal((10, 3)), iterations=20)).all()
    assert np.isfinite(embed(np.repeat(np.eye(4), 5, 0), iterations=20)).all()
    for bad in (np.zeros((4, 3)), np.full((20, 3), np.nan)):
        with pytest.raises(InputError, match="at least 10, all of them finite"):
            embed(bad)
