"""Planes of directions against NumPy's SVD, against their definition, and through the command."""

from pathlib import Path

import numpy as np
import pytest
import torch

from landscape.errors import InputError
from landscape.surface import Surface
from landscape.surface.__main__ import main
from landscape.surface.directions import pca_plane, random_plane
from landscape.weights import dot, norm


def named(vector):
    tensor = torch.from_numpy(vector)
    return {"w": tensor[:12].reshape(3, 4), "b": tensor[12:]}


def flat(weights):
    return np.concatenate([weights["w"].numpy().ravel(), weights["b"].numpy()])


def test_principal_components_are_those_of_the_svd() -> None:
    rng = np.random.default_rng(0)
    path = np.cumsum(rng.normal(size=(9, 15)), axis=0)
    plane = pca_plane([lambda row=row: named(row) for row in path])
    _, _, axes = np.linalg.svd(path - path.mean(0), full_matrices=False)
    for axis, expected in zip((plane.e1, plane.e2), axes, strict=False):
        assert abs(flat(axis) @ expected) == pytest.approx(1.0, abs=1e-9)
    assert dot(plane.e1, plane.e2) == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(flat(plane.at(0, 0)), path[-1])
    x, y, _ = plane.project(named(path[0]))
    assert x > 0
    assert y > 0
    assert np.isnan(plane.angle)
    with pytest.raises(InputError, match="no three anchors"):
        plane.barycentric(0, 0)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (np.zeros((2, 15)), "2 recorded points; expected at least 3"),
        (np.outer(np.arange(5.0), np.ones(15)), "lie on one line"),
    ],
)
def test_paths_without_two_components(path, message) -> None:
    with pytest.raises(InputError, match=message):
        pca_plane([lambda row=row: named(row) for row in path])


def test_random_directions_have_the_filters_norms() -> None:
    weights = named(np.random.default_rng(0).normal(size=15))
    plane, again = random_plane(weights, seed=3), random_plane(weights, seed=3)
    assert flat(plane.e1).tolist() == flat(again.e1).tolist()
    assert flat(plane.e1).tolist() != flat(random_plane(weights, seed=4).e1).tolist()
    torch.testing.assert_close((plane.reach * plane.e1["w"]).norm(dim=1), weights["w"].norm(dim=1))
    assert (plane.e1["b"] == 0).all()
    assert plane.reach == pytest.approx(float(weights["w"].norm()))
    assert [norm(plane.e1), norm(plane.e2), dot(plane.e1, plane.e2)] == pytest.approx([1, 1, 0], abs=1e-12)
    with pytest.raises(InputError, match="no filters other than zero"):
        random_plane({"b": torch.ones(3)}, seed=0)


def test_a_random_plane_needs_one_checkpoint_and_is_its_own_result(task, network_of) -> None:
    network = network_of(0)
    weights = {name: p.detach().clone() for name, p in network.named_parameters()}
    surface = Surface.around(weights, task, directions="random", network=network, points=3, progress=False)
    assert len(surface.anchors) == 1
    middle = surface.panel("train_loss").values[1, 1]
    assert middle == pytest.approx(surface.anchors[0].true["train_loss"], rel=1e-6)
    assert surface.x[-1] == -surface.x[0] > 0
    assert surface.about["plane"] == "random"
    assert "<table" in surface._repr_html_()
    with pytest.raises(InputError, match="lies in no run's folder"):
        Surface.around(weights, task, directions="pca", network=network, points=3, progress=False)


def test_the_command_draws_a_path_on_its_components(in_workplace: Path, tmp_path: Path, capsys) -> None:
    erm, _ = sorted(path.name for path in (in_workplace / "checkpoints").iterdir())
    arguments = [f"{erm}@4", "--plane", "pca", "--points", "3", "--out", str(tmp_path), "--format", "png"]
    main([*arguments, "--dry-run"])
    assert "pca" in capsys.readouterr().out
    main(arguments)
    said = capsys.readouterr().out
    assert "plane through w1 along the two largest principal components of its path" in said
    # Three recorded points lie in the plane of their two components.
    assert "path ERM: 3 points" in said
    assert "the plane holds 100% of its variance" in said
    (result,) = tmp_path.glob("*.nc")
    assert Surface.load(result).about["plane"] == "pca"
    main(arguments)
    assert "nothing to do" in capsys.readouterr().out
    with pytest.raises(InputError, match="--plane random goes through one"):
        main(["a", "b", "c", "--plane", "random"])


def test_the_command_takes_every_option(in_workplace: Path, tmp_path: Path, capsys) -> None:
    erm, fgmix = sorted(path.name for path in (in_workplace / "checkpoints").iterdir())
    anchors = [f"{erm}@0", f"{erm}@swa", f"{fgmix}@swa"]
    extra = ["--points", "9", "--adaptive", "0.5", "--subset", "60", "--mixture", "recompute"]
    main([*anchors, *extra, "--batch-norm", "recomputed", "--out", str(tmp_path), "--format", "png", "html"])
    said = capsys.readouterr().out
    assert "of 81 points, refined to 0.5" in said
    assert "weights anew at each point by the policy of" in said
    assert "a stratified sample of" in said
    (result,) = tmp_path.glob("*.nc")
    surface = Surface.load(result)
    assert surface.about["batch_norm"] == "recomputed"
    assert not surface.measured.all()
    assert (surface.half_width("fgmix_train_loss").values[surface.measured] > 0).all()
