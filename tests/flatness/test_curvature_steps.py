"""Which checkpoints of a path are measured, and how exactly."""

from dataclasses import replace

import numpy as np
import pytest

from landscape.flatness.curvature import CurvaturePlan, measure
from landscape.flatness.recipe import CurvatureRecipe
from landscape.opened import Opened


@pytest.fixture
def opened(in_workplace) -> Opened:
    names = sorted(path.name for path in (in_workplace / "checkpoints").iterdir())
    return Opened.open(names, progress=False)


def test_steps_pick_checkpoints_of_every_path_and_the_end_stays(opened) -> None:
    def steps(**options) -> list[tuple[str, int]]:
        return [(stop.path, stop.step) for stop in CurvaturePlan.of(opened, CurvatureRecipe(**options)).stops]

    assert steps() == [(name, step) for name in ("ERM", "FGMix") for step in (0, 2, 4)]
    assert steps(at_steps=(2,)) == [("ERM", 2), ("ERM", 4), ("FGMix", 2), ("FGMix", 4)]
    assert steps(at_steps=()) == steps(ends_only=False, at_steps=(4,)) == [("ERM", 4), ("FGMix", 4)]


def test_a_looser_tolerance_is_another_measurement_of_the_same_eigenvalue(opened) -> None:
    recipe = CurvatureRecipe(scope=("full",), images=4, top=1, trace_vectors=2, density=False, at_steps=())
    exact, loose = (CurvaturePlan.of(opened, replace(recipe, tolerance=tolerance)) for tolerance in (1e-6, 1e-2))
    assert len({exact.digest(), loose.digest(), CurvaturePlan.of(opened, recipe).digest()}) == 3
    first, second = (measure(plan, progress=False).points[0].curvature for plan in (exact, loose))
    assert second.residuals[0] <= 2e-2 * abs(second.eigenvalues[0])
    # Of a symmetric matrix an eigenvalue lies within the residual.
    assert abs(first.eigenvalues[0] - second.eigenvalues[0]) <= second.residuals[0] + first.residuals[0]
    np.testing.assert_allclose(first.trace, second.trace, rtol=1e-5)
