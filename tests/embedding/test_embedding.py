"""The result: made from arrays, a network with a loader, or a checkpoint; saved and loaded."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from landscape.data import Task, open_task
from landscape.embedding import Codes, Embedding, Recipe
from landscape.embedding.embedding import EXTRAPOLATED, INTERPOLATED, ORIGINAL
from landscape.errors import InputError
from landscape.evaluation import Evaluator
from landscape.fgmix.mixing import mix_codes
from landscape.training import Run

RECIPE = Recipe(iterations=20, dimensions=(2,), draws=1, resamples=100, perplexity=5)
QUICK = {"recipe": RECIPE, "progress": False}


@pytest.fixture
def embedding(codes_of) -> Embedding:
    codes = codes_of(files=[f"{i}.png" for i in range(80)])
    (inner,) = codes.mixtures
    outer = type(inner)("FGMix", inner.members, 3 * inner.weights - 2 / 3)
    return Embedding.fit(replace(codes, mixtures=(inner, outer)), **QUICK)


def test_images_come_first_then_mixup_codes_by_variant(embedding: Embedding, codes_of) -> None:
    codes = codes_of()
    count, extra = 80, codes.in_pool.sum()
    assert embedding.count == count
    assert embedding.variants == ("A", "FGMix")
    assert embedding.points.shape == (count + 2 * extra, 2)
    assert (embedding.kind[:count] == ORIGINAL).all()
    assert (embedding.domain[count:] == -1).all()
    for name, kinds in (("A", {INTERPOLATED}), ("FGMix", {INTERPOLATED, EXTRAPOLATED})):
        rows = embedding.mixed(name)
        assert set(embedding.kind[rows].tolist()) == kinds
        members, weights = torch.from_numpy(embedding.members[rows]), torch.from_numpy(embedding.weights[rows])
        expected = mix_codes(torch.from_numpy(embedding.codes[:count]).double(), members, weights.double())
        np.testing.assert_allclose(embedding.codes[rows], expected, atol=1e-5)
        # Members share the code's class and come one from every source.
        assert (embedding.label[embedding.members[rows]] == embedding.label[rows, None]).all()
        assert (np.sort(embedding.domain[embedding.members[rows]]) == [0, 1, 2]).all()
        negative = (embedding.weights[rows] < 0).any(1)
        assert embedding.extrapolated(name) == negative.mean()
    assert (embedding.weights[embedding.mixed("A")] >= 0).all()
    with pytest.raises(InputError, match="unknown mixup 'B'"):
        embedding.mixed("B")


def test_twice_is_identical_and_saved_is_loaded(embedding: Embedding, tmp_path: Path) -> None:
    loaded = Embedding.load(embedding.save(tmp_path / "e.nc"))
    for field in fields(Embedding):
        mine, theirs = getattr(embedding, field.name), getattr(loaded, field.name)
        if isinstance(mine, np.ndarray):
            assert mine.dtype == theirs.dtype, field.name
            np.testing.assert_array_equal(mine, theirs)
        elif field.name == "scores":
            assert all(np.array_equal(mine[name], theirs[name], equal_nan=True) for name in mine)
        elif field.name in ("coverage", "mixing"):
            assert embedding.tables().equals(loaded.tables())
        else:
            assert mine == theirs, field.name
    assert (tmp_path / "e.nc").read_bytes() == loaded.save(tmp_path / "again.nc").read_bytes()


def test_files_that_are_no_embedding_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Embedding.load(tmp_path / "none.nc")
    (tmp_path / "bad.nc").write_bytes(b"no netCDF")
    with pytest.raises(InputError, match="no embedding, or is damaged"):
        Embedding.load(tmp_path / "bad.nc")


def test_tables_and_notebook_view(embedding: Embedding) -> None:
    frame, tables = embedding.to_dataframe(), embedding.tables()
    assert len(frame) == len(embedding.points)
    assert frame["kind"].value_counts()["original"] == 80
    assert frame.loc[0, ["class", "domain", "file", "variant"]].tolist() == ["bar", "clay", "0.png", ""]
    assert frame["variant"].iloc[-1] == "FGMix"
    assert set(tables["measure"]) == {"inside", "distance", "domain entropy", "domain silhouette", "class silhouette"}
    assert (tables["low"] <= tables["value"]).all()
    view = replace(embedding, about={**embedding.about, "names": "<b>"})._repr_html_()
    assert "&lt;b&gt;; own codes, target neon" in view
    assert "<table" in view


class Own(nn.Module):
    """A network of the user's own, with dropout: evaluation has to turn it off, and give the mode back."""

    def __init__(self) -> None:
        super().__init__()
        self.featurizer = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Dropout(0.5))
        self.classifier = nn.Linear(5, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.featurizer(images))


def batches(codes: Codes):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(80, 3, 2, 2, generator=generator)
    return [(images[i::2], codes.label[i::2], torch.from_numpy(codes.domain[i::2])) for i in range(2)]


def test_a_network_and_a_loader_of_ones_own(codes_of) -> None:
    network, loader = Own(), batches(codes_of())
    embedding = Embedding.fit(network, loader, target="3", **QUICK)
    assert network.training
    assert network.featurizer[2].training
    assert embedding.domains == ("0", "1", "2", "3")
    assert embedding.variants == ("A",)
    images = torch.cat([batch[0] for batch in loader])
    with torch.no_grad():
        expected = network.featurizer[:2](images)
    np.testing.assert_allclose(embedding.codes[:80], expected, rtol=1e-6)
    assert "random fifth" in " ".join(embedding.about["notes"])


@pytest.mark.parametrize(
    ("source", "data", "extra", "said"),
    [
        (nn.Linear(3, 2), [], {"target": "a"}, "no .featurizer and .classifier"),
        (Own(), None, {}, "without data"),
        (Own(), [(torch.zeros(2, 3, 2, 2), [0, 1])], {"target": "a"}, r"\(images, labels, domains\)"),
        (Own(), [], {"target": "a"}, "no batch"),
        ("run", 3, {}, "data is a int"),
    ],
)
def test_mistakes_are_one_sentence(source, data, extra, said) -> None:
    with pytest.raises(InputError, match=said):
        Embedding.fit(source, data, **extra)


def test_a_recipe_that_makes_no_sense_is_one_sentence() -> None:
    with pytest.raises(InputError, match="expected at least 1"):
        Recipe(perplexity=0.5)
    with pytest.raises(TypeError, match="'perplexy'"):
        Recipe(perplexy=3)


def test_arrays_that_do_not_fit_together_are_refused(codes_of) -> None:
    codes, pair = np.zeros((20, 3)), ["a", "b"] * 10
    for keywords, said in (
        ({"labels": [0] * 19, "domains": [0] * 20, "target": "0"}, "20 codes, 19 labels"),
        ({"labels": [0] * 20, "domains": ["a"] * 20, "target": "b"}, "unknown target domain 'b'"),
        ({"labels": [3] * 20, "domains": pair, "target": "a", "classes": ("x",)}, "a label is 3"),
        ({"labels": [0] * 20, "domains": pair, "target": "a", "files": ["x"]}, "1 files for 20 codes"),
        (
            {"labels": [0] * 20, "domains": pair, "target": "a", "mixtures": {"m": ([[0, 30]], [[0.5, 0.5]])}},
            "member 30",
        ),
        ({"labels": [0] * 20, "domains": ["a"] * 20, "target": "a"}, "other domains than the target 'a'"),
    ):
        with pytest.raises(InputError, match=said):
            Codes.of(codes, **keywords)
    with pytest.raises(InputError, match="1 of 20 codes are not finite"):
        Codes.of(np.where(np.arange(60).reshape(20, 3) == 4, np.nan, 0), [0] * 20, pair, target="a")


def test_without_a_class_in_all_sources_there_is_no_mixup(codes_of) -> None:
    codes = codes_of()
    keep = ~((codes.domain < 2) & (codes.label == codes.domain))
    names = np.array(codes.domains)[codes.domain]
    some = Codes.of(codes.codes[keep], codes.label[keep], names[keep], target="neon")
    embedding = Embedding.fit(some, **QUICK)
    assert embedding.variants == ()
    assert "no class is in all of the source domains" in " ".join(embedding.about["notes"])
    assert {row.pool for row in embedding.coverage} == {"sources"}


def test_codes_of_a_checkpoint_are_the_evaluators(runs: list[str], tmp_path: Path) -> None:
    embedding = Embedding.fit(f"{runs[1]}@swa", recipe=replace(RECIPE, codes=("a", "own", "c")), progress=False)
    run = Run.open(Path("checkpoints") / runs[1])
    task: Task = open_task(run.config, progress=False)
    from landscape.opened import Opened

    opened = Opened.open([run.path(4, "swa")], progress=False)
    evaluator = Evaluator(opened.network, task.images.pixels, task.images.labels)
    (checkpoint,) = opened.checkpoints
    expected = evaluator.at(checkpoint.weights(opened.network), checkpoint.buffers(opened.network), codes=True).codes
    np.testing.assert_array_equal(embedding.codes[: embedding.count], expected)
    assert embedding.files == tuple(task.images.files)
    assert embedding.variants == ("A", "FGMix", "C")
    groups = [embedding.members[embedding.mixed(name)] for name in embedding.variants]
    assert all(np.array_equal(groups[0], other) for other in groups)  # the same groups, other weights
    assert embedding.extrapolated("A") == 0
    assert 0 < embedding.extrapolated("FGMix") < 1
    assert np.isin(embedding.rows[groups[0]], task.source_rows("in")).all()
    assert any("raw iterate" in note for note in embedding.about["notes"])
    # Codes of the user's own, with the same seed and order, get the same groups and weights.
    domains = np.array(task.images.domains)[task.images.domain]
    own = Codes.of(
        expected, task.images.labels, domains, target="neon", held_out=task.split.held_out, seed=run.config.seed
    )
    assert np.array_equal(own.mixtures[0].members, groups[0])
    assert np.array_equal(own.mixtures[0].weights, embedding.weights[embedding.mixed("A")])


def test_a_run_without_a_policy_and_a_sample_of_its_images(runs: list[str]) -> None:
    embedding = Embedding.fit(f"{runs[0]}@swa", recipe=replace(RECIPE, images=30), progress=False)
    assert embedding.variants == ("A",)
    notes = " ".join(embedding.about["notes"])
    assert "has no mixup policy of its own" in notes
    assert f"a sample of {embedding.count} of the 56 images" in notes
    assert embedding.count == 30
    counts = np.bincount(embedding.domain[: embedding.count])
    assert counts.min() >= 6  # every domain has its share


def test_a_module_with_a_task(runs: list[str]) -> None:
    from landscape.opened import Opened

    opened = Opened.open([f"{runs[0]}@swa"], progress=False)
    embedding = Embedding.fit(opened.network, opened.task, **QUICK)
    expected = Evaluator(opened.network, opened.task.images.pixels, opened.task.images.labels).at(codes=True).codes
    np.testing.assert_allclose(embedding.codes[: embedding.count], expected, rtol=1e-5, atol=1e-6)
