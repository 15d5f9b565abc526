"""Planes of directions against NumPy's SVD, against their definition, and through the command."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, jacrev

from landscape.data import normalise
from landscape.errors import InputError
from landscape.evaluation import Evaluator
from landscape.flatness.eigenvectors import Eigenvectors
from landscape.log import Log
from landscape.surface import Surface
from landscape.surface.__main__ import main
from landscape.surface.directions import hessian_plane, pca_plane, random_plane
from landscape.surface.draw import draw
from landscape.surface.plan import Plan
from landscape.surface.recipe import Recipe, Where
from landscape.surface.setting import Setting
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
    surface = Surface.around(
        weights, task, recipe=Recipe(plane="random"), network=network, where=Where(points=3), progress=False
    )
    assert len(surface.anchors) == 1
    middle = surface.panel("train_loss").values[1, 1]
    assert middle == pytest.approx(surface.anchors[0].true["train_loss"], rel=1e-6)
    assert surface.x[-1] == -surface.x[0] > 0
    assert surface.about["plane"] == "random"
    assert "<table" in surface._repr_html_()
    with pytest.raises(InputError, match="lies in no run's folder"):
        Surface.around(
            weights, task, recipe=Recipe(plane="pca"), network=network, where=Where(points=3), progress=False
        )


def dense_hessian(network, images: torch.Tensor, labels: torch.Tensor) -> np.ndarray:
    """Reverse mode twice."""
    shapes = {name: p.shape for name, p in network.named_parameters()}
    theta = torch.cat([p.detach().reshape(-1) for p in network.parameters()]).double()

    def loss(vector: torch.Tensor) -> torch.Tensor:
        parts = vector.split([shape.numel() for shape in shapes.values()])
        named = {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}
        return F.cross_entropy(functional_call(network, named, (images,)), labels)

    return jacrev(jacrev(loss))(theta).numpy()


@pytest.mark.parametrize("limit", [2, 2048])
def test_eigenvectors_are_those_of_the_dense_hessian(task, network_of, monkeypatch, limit) -> None:
    monkeypatch.setattr("landscape.flatness.spectrum.DENSE_LIMIT", limit)
    network, rows = network_of(0).double(), np.arange(0, len(task.images), 3)
    images = normalise(task.images.pixels[rows], network.mean, network.std).double()
    labels = torch.from_numpy(task.images.labels[rows])
    batches = [(images[:10], labels[:10]), (images[10:], labels[10:])]
    found = Eigenvectors.measure(network, nn.CrossEntropyLoss(), batches, count=2, tolerance=1e-10)
    values, vectors = np.linalg.eigh(dense_hessian(network, images, labels))
    np.testing.assert_allclose(found.values, values[::-1][:2], rtol=1e-7)
    for axis, expected in zip(found.vectors, vectors.T[::-1], strict=False):
        own = np.concatenate([axis[name].numpy().ravel() for name, _ in network.named_parameters()])
        assert abs(own @ expected) == pytest.approx(1.0, abs=1e-6)
        assert own[np.abs(own).argmax()] > 0
    assert dot(*found.vectors) == pytest.approx(0.0, abs=1e-12)

    plane = hessian_plane(network, batches, seed=0)
    assert plane.reach == pytest.approx(np.sqrt(2 / values[-1]), rel=1e-3)
    assert plane.about["images"] == len(rows)
    # Second differences along the axes are the eigenvalues.
    evaluator = Evaluator(network, task.images.pixels, task.images.labels, rows=rows, precision="fp64")
    for axis, value in zip(((1, 0), (0, 1)), found.values, strict=True):
        step = 1e-3
        low, middle, high = (
            evaluator.at(plane.at(s * step * axis[0], s * step * axis[1])).loss.mean() for s in (-1, 0, 1)
        )
        assert (low - 2 * middle + high) / step**2 == pytest.approx(value, rel=1e-3)


def test_a_hessian_plane_says_what_spans_it(in_workplace: Path, tmp_path: Path, capsys) -> None:
    erm, _ = sorted(path.name for path in (in_workplace / "checkpoints").iterdir())
    arguments = [f"{erm}@4", "--plane", "hessian", "--hessian-images", "9", "--points", "3", "--format", "png"]
    arguments += ["--out", str(tmp_path)]
    main(arguments)
    assert "eigenvectors of its Hessian's two largest eigenvalues" in capsys.readouterr().out
    (result,) = tmp_path.glob("*.nc")
    surface = Surface.load(result)
    first, second = surface.about["directions"]["eigenvalues"]
    assert first > second
    assert surface.about["directions"]["images"] == 9
    assert surface.x[-1] == pytest.approx(np.sqrt(2 / first))
    assert surface.panel("train_loss").values[1, 1] == pytest.approx(surface.anchors[0].true["train_loss"], rel=1e-5)
    main(arguments)
    assert "nothing to do" in capsys.readouterr().out
    main([*arguments, "--hessian-images", "12"])
    assert len(list(tmp_path.glob("*.nc"))) == 2


def test_an_interrupted_hessian_surface_goes_on_with_the_same_eigenvectors(
    in_workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erm, _ = sorted(path.name for path in (in_workplace / "checkpoints").iterdir())
    setting = Setting.around(f"{erm}@4", progress=False)
    options = {"recipe": Recipe(plane="hessian", hessian_images=9), "where": Where(points=3), "progress": False}
    journal, kept = tmp_path / "s.journal.jsonl", tmp_path / "s.journal.eigenvectors.safetensors"
    add, measure = Log.add, Eigenvectors.measure

    def interrupted(self, key, **values) -> None:
        add(self, key, **values)
        if len(self.rows) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(Log, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        draw(setting, out=tmp_path, name="s", formats=(), **options)
    assert kept.is_file()

    asked = []

    def nudged(*args, **keywords) -> Eigenvectors:
        """What another machine finds: the same but for rounding."""
        asked.append(1)
        found = measure(*args, **keywords)
        return replace(found, vectors=tuple({k: t * (1 + 1e-12) for k, t in v.items()} for v in found.vectors))

    monkeypatch.setattr(Eigenvectors, "measure", nudged)
    plan = Plan.of(setting, keep=kept, **options)
    assert not asked
    # Without the file the axes are others, and so is the hash: no rows of two planes in one journal.
    assert Plan.of(setting, **options).digest() != plan.digest()
    assert Plan.of(setting, keep=kept, **options).digest() == plan.digest()
    content = kept.read_bytes()
    kept.write_bytes(b"damaged")
    assert Plan.of(setting, keep=kept, **options).digest() != plan.digest()
    kept.write_bytes(content)
    Plan.of(
        setting, keep=kept, **options | {"recipe": Recipe(plane="hessian", hessian_images=12)}
    )  # of other inputs: found anew
    assert kept.read_bytes() != content
    kept.write_bytes(content)

    added = []
    monkeypatch.setattr(Log, "add", lambda self, key, **values: (added.append(key), add(self, key, **values)))
    draw(setting, out=tmp_path, name="s", formats=(), **options)
    # Grid, anchor, the path's end with its projection and the timing's choice, of which four were kept.
    assert len(added) == 9 + 1 + 2 + 1 - 4
    assert not journal.exists()
    assert not kept.exists()


def test_too_few_images_for_the_hessian_are_called_by_their_flag(in_workplace: Path) -> None:
    erm, _ = sorted(path.name for path in (in_workplace / "checkpoints").iterdir())
    setting = Setting.around(f"{erm}@4", progress=False)
    with pytest.raises(InputError, match="--hessian-images is 0"):
        Plan.of(setting, recipe=Recipe(plane="hessian", hessian_images=0), progress=False)


def test_a_hessian_without_a_basin_is_refused() -> None:
    batch = torch.zeros(4, 3, 8, 8), torch.zeros(4, dtype=torch.int64)
    with pytest.raises(InputError, match="largest eigenvalue at w1 is -"):
        hessian_plane(Summit(), [batch], seed=0)


class Summit(nn.Module):
    """The logit of class 0 grows with the square of the weights: its loss is largest at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(5))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        top = (self.weight**2).sum()
        return torch.stack([top, -top]).expand(len(images), 2)


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
