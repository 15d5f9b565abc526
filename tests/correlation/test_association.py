"""The result: measured from a run, from plain arrays, stored and read again."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import xarray as xr
from scipy import stats

import landscape.correlation as package
from landscape.checkpoint import Checkpoint
from landscape.correlation.association import Association
from landscape.correlation.recipe import Recipe
from landscape.correlation.report import report
from landscape.data import normalise
from landscape.errors import InputError
from landscape.mixture import restore_policy
from landscape.opened import Opened


def measured(run, journal=None, **options) -> Association:
    recipe = Recipe(**{"pairs": 40, "groups": 20, "null": 30, "resamples": 300} | options)
    return Association.measure(run.folder, recipe=recipe, journal=journal, progress=False)


def same(first: Association, second: Association) -> None:
    assert first.to_dataframe().equals(second.to_dataframe())
    assert first.summary().equals(second.summary())
    for name in ("untrained", "start"):
        for kind in ("rho", "partial", "within"):
            np.testing.assert_array_equal(*(getattr(getattr(each, name), kind) for each in (first, second)))


def test_all_ordered_pairs_of_sources_without_the_target(association: Association) -> None:
    names = [(pair.first, pair.second) for pair in association.pairs]
    sources = ("clay", "ink", "mist")
    assert names == [(a, b) for a in sources for b in sources if a != b]
    assert association.about["target"] == "neon"
    assert association.about["policy_steps"] == 8 - 5 + 1
    assert association.about["step"] == 8


def test_the_numbers_are_those_of_the_checkpoint_by_hand(association: Association, runs) -> None:
    checkpoint = Checkpoint.load(runs["fgmix"].find())
    opened = Opened.open([checkpoint], progress=False)
    network, images = opened.network, opened.task.images
    checkpoint.load_into(network)
    network.double().eval()
    policy = restore_policy(checkpoint, network.classifier, network.feature_dim)
    score = policy.score.double()
    weight = torch.cat([score.weight[0], score.weight[1]], dim=1)

    def gradient(row: int) -> torch.Tensor:
        pixels = normalise(torch.from_numpy(images.pixels[row : row + 1].copy()), network.mean, network.std)
        loss = F.cross_entropy(network(pixels.double()), torch.tensor([images.labels[row]]))
        found = torch.autograd.grad(loss, list(network.classifier.parameters()))
        return torch.cat([g.flatten() for g in found])

    for pair in association.pairs[::2]:
        assert (images.labels[pair.rows] == pair.labels[:, None]).all()
        for index in range(0, len(pair), 9):
            one, other = (gradient(int(row)) for row in pair.rows[index])
            expected = score.tail(weight @ torch.cat([one, other]) + score.bias).item()
            assert pair.score[index] == pytest.approx(expected, abs=1e-5)
            assert pair.cosine[index] == pytest.approx(F.cosine_similarity(one, other, dim=0).item(), abs=1e-5)
            assert pair.norms[index] == pytest.approx([one.norm().item(), other.norm().item()], rel=1e-4)

    groups = association.groups
    assert groups is not None
    each = [gradient(int(row)) for row in groups.rows[0]]
    sums = [
        sum(score.tail(weight @ torch.cat([each[i], each[j]]) + score.bias).item() for j in range(3) if j != i)
        for i in range(3)
    ]
    np.testing.assert_allclose(groups.score[0], np.array(sums) - np.mean(sums), atol=1e-5)
    np.testing.assert_allclose(groups.cosine.sum(1), 0, atol=1e-12)


def test_rho_and_p_are_scipys_of_its_own_arrays(association: Association) -> None:
    for pair in association.pairs:
        expected = stats.spearmanr(pair.score, pair.cosine)
        assert pair.rho.value == pytest.approx(expected.statistic)
        assert pair.rho.p == pytest.approx(expected.pvalue)
        assert pair.rho.n == 40
    groups = association.groups
    expected = stats.spearmanr(groups.score.ravel(), groups.cosine.ravel())
    assert groups.within.value == pytest.approx(expected.statistic)


def test_it_repeats_and_the_draw_counts(association: Association, runs) -> None:
    same(association, measured(runs["fgmix"]))
    other = measured(runs["fgmix"], draw=1)
    assert not np.array_equal(other.pairs[0].rows, association.pairs[0].rows)
    assert not np.array_equal(other.untrained.rho, association.untrained.rho)
    held_out = measured(runs["fgmix"], images="out", pairs=10, groups=10)
    task = Opened.open([Checkpoint.load(runs["fgmix"].find())], progress=False).task
    assert set(held_out.pairs[0].rows[:, 0]) <= set(task.rows("clay", "out"))


def test_averaged_weights_stand_for_the_raw_iterate(association: Association, runs) -> None:
    recipe = Recipe(pairs=40, groups=20, null=30, resamples=300)
    same(association, Association.measure(runs["fgmix"].find(kind="swa"), recipe=recipe, progress=False))


def test_an_averaged_checkpoint_alone_says_where_its_gradients_are(runs, tmp_path) -> None:
    alone = Checkpoint.load(runs["fgmix"].find(kind="swa")).save(tmp_path / "averaged.safetensors")
    got = Association.measure(alone, recipe=Recipe(pairs=10, groups=10, null=30, resamples=200), progress=False)
    assert "gradients are taken at the averaged weights" in "\n".join(got.about["notes"])


def test_a_nonlinear_head_and_variant_e_work(config, tmp_path) -> None:
    from landscape.training import train

    run = train(config.replace(algorithm="e", head="nonlinear"), root=tmp_path, progress=False)
    got = measured(run, pairs=10, groups=10)
    assert all(np.isfinite(pair.rho.value) for pair in got.pairs)


def test_two_sources_have_no_rho_within_groups(config, tmp_path) -> None:
    from landscape.training import train

    run = train(config.replace(domains=("clay", "ink", "neon")), root=tmp_path, progress=False)
    got = measured(run, pairs=10, groups=10)
    assert np.isnan(got.groups.within.value)
    assert "any symmetric function" in report(got)
    assert "undefined" in report(got)
    again = Association.load(got.save(tmp_path / "two.nc"))
    same(got, again)


def test_untrained_scores_place_the_trained_one(association: Association) -> None:
    assert association.untrained.rho.shape == association.untrained.partial.shape == (30, 6)
    # Symmetric about 0 in distribution: an untrained score knows nothing of the cosine's sign.
    assert abs(association.untrained.rho.mean()) < 0.15
    for kind, count in (("rho", 6), ("partial", 6), ("mean", 1), ("within", 1)):
        places = association.places(kind)
        assert len(places) == count
        assert all(1 / 31 <= place.p_greater <= 1 and place.n == 30 for place in places)
    assert association.mean == pytest.approx(np.mean([pair.rho.value for pair in association.pairs]))


def test_an_interrupted_measurement_goes_on(association: Association, runs, tmp_path, monkeypatch) -> None:
    journal = tmp_path / "journal.jsonl"
    measured(runs["fgmix"], journal=journal)
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 31
    journal.write_bytes(b"".join(lines[:12]) + lines[12][:20])
    made = []
    real = package.measure.untrained_score
    monkeypatch.setattr(package.measure, "untrained_score", lambda *a: (made.append(a[3:]), real(*a))[1])
    same(association, measured(runs["fgmix"], journal=journal))
    assert len(made) == 31 - 12
    # Rows of other inputs do not count.
    made.clear()
    measured(runs["fgmix"], journal=journal, pairs=41)
    assert len(made) == 31


def test_stored_and_read_again(association: Association, tmp_path) -> None:
    again = Association.load(association.save(tmp_path / "a.nc"))
    same(association, again)
    assert again.about == json.loads(json.dumps(association.about))
    np.testing.assert_array_equal(again.groups.score, association.groups.score)
    np.testing.assert_array_equal(again.groups.rows, association.groups.rows)
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as file:
        assert file["rho"].values == pytest.approx([pair.rho.value for pair in association.pairs])
        assert list(file["first"].values)[:2] == ["clay", "clay"]


def test_tables_and_html(association: Association) -> None:
    table = association.to_dataframe()
    assert len(table) == 6 * 40
    assert set(table["class"]) == {"bar", "disc", "ring"}
    summary = association.summary()
    assert list(summary["statistic"]) == ["rho"] * 6 + ["partial"] * 6 + ["mean of rho", "within groups"]
    page = replace(association, about={**association.about, "notes": ["a < b"]})._repr_html_()
    assert "4 policy steps" in page
    assert "a &lt; b" in page


def test_plain_arrays(tmp_path) -> None:
    rng = np.random.default_rng(0)
    cosine = rng.uniform(-1, 1, 100)
    score = cosine + rng.normal(size=100)
    own = Association.of(score, cosine, norms=rng.uniform(size=(100, 2)), domains=("a", "b"))
    assert own.pairs[0].rho.value == pytest.approx(stats.spearmanr(score, cosine).statistic)
    assert np.isfinite(own.pairs[0].partial.value)
    assert np.isnan(Association.of(score, cosine).pairs[0].partial.value)
    assert own.groups is own.untrained is None
    assert len(own.summary()) == 2
    assert own.places()[0].n == 0
    assert "100 pairs of gradients" in own._repr_html_()
    assert "a → b" in report(own)
    again = Association.load(own.save(tmp_path / "own.nc"))
    assert again.to_dataframe().equals(own.to_dataframe())
    assert again.untrained is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"score": np.zeros((5, 2)), "cosine": np.zeros(5)}, r"score has shape \(5, 2\)"),
        ({"score": np.zeros(5), "cosine": np.zeros(6)}, r"cosine has shape \(6,\); expected \(5,\)"),
        ({"score": np.zeros(5), "cosine": np.array([1, 2, np.nan, 4, 5])}, "cosine holds values that are not finite"),
        ({"score": np.zeros(5), "cosine": np.zeros(5), "norms": np.zeros(5)}, r"norms has shape \(5,\)"),
        ({"score": np.zeros(5), "cosine": np.zeros(5), "labels": np.zeros(4)}, r"labels has shape \(4,\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arguments, message) -> None:
    with pytest.raises(InputError, match=message):
        Association.of(**arguments)


def test_files_that_are_none_are_refused(tmp_path) -> None:
    with pytest.raises(InputError, match=r"no\.nc does not exist"):
        Association.load(tmp_path / "no.nc")
    (tmp_path / "torn.nc").write_bytes(b"CDF?")
    with pytest.raises(InputError, match="is no association, or is damaged"):
        Association.load(tmp_path / "torn.nc")
    xr.Dataset({"x": ("y", [1.0])}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(InputError, match="is no association"):
        Association.load(tmp_path / "other.nc")


def test_public_names_load_when_they_are_asked_for() -> None:
    assert package.Association is Association
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match=r"No landscape\.correlation attribute nothing"):
        package.nothing  # noqa: B018
