"""What a run is: round trips, hashes that name folders, and the sentence for each mistake."""

import dataclasses
import json
import typing
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landscape.algorithms.catalogue import METHODS
from landscape.command import parse
from landscape.config import PRESETS, MixupConfig, RunConfig
from landscape.errors import InputError

# Settings that the bits of a run do not depend on.
IGNORED: dict[str, Any] = {
    "steps": 170,
    "device": "cpu",
    "record_every": 400,
    "save_every": 7,
    "strict": True,
    "data_dir": "/somewhere",
}


def another(item: dataclasses.Field, value: Any) -> Any:
    """A valid value of the field that differs from `value`."""
    if typing.get_origin(item.type) is typing.Literal:
        return next(choice for choice in typing.get_args(item.type) if choice != value)
    if item.type is bool:
        return not value
    if item.name == "algorithm":
        return "pcgrad"
    if item.name in ("dropout", "momentum"):
        return 0.25
    if item.type in (float, float | None):
        return 0.125 if value is None else value + 0.125
    if item.type is int:
        return value + 2  # directions come in pairs, and one domain is no mixture
    return ("a", "b") if item.type == tuple[str, ...] else "other"


def fields_of(cls: type) -> list[dataclasses.Field]:
    return [item for item in dataclasses.fields(cls) if item.name not in (*IGNORED, "mixup", "options")]


def strategy(cls: type) -> st.SearchStrategy:
    """Configurations of which any number of fields were changed."""

    def build(changed: list[bool]) -> Any:
        default = cls()
        chosen = [item for item, change in zip(fields_of(cls), changed, strict=True) if change]
        return dataclasses.replace(default, **{i.name: another(i, getattr(default, i.name)) for i in chosen})

    count = len(fields_of(cls))
    return st.lists(st.booleans(), min_size=count, max_size=count).map(build)


@given(strategy(RunConfig), strategy(MixupConfig))
def test_json_round_trip(config: RunConfig, mixup: MixupConfig) -> None:
    config = config.replace(mixup=mixup)
    again = RunConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert hash(again) == hash(config)
    assert again.hash() == config.hash()
    assert again.trunk_hash() == config.trunk_hash()


@pytest.mark.parametrize("name", list(IGNORED))
def test_hash_ignores_what_bits_do_not_depend_on(name: str) -> None:
    config = RunConfig()
    other = config.replace(**{name: IGNORED[name]})
    assert other != config
    assert other.hash() == config.hash()
    assert other.trunk_hash() == config.trunk_hash()


@pytest.mark.parametrize("item", fields_of(RunConfig), ids=lambda item: item.name)
def test_hash_sees_every_other_setting(item: dataclasses.Field) -> None:
    # What belongs to RandAugment or to SGD counts where these are.
    needs = {"random_ops": {"augmentation": "randaugment"}, "momentum": {"optimizer": "sgd"}}
    config = RunConfig(**needs.get("random_ops" if item.name == "magnitude" else item.name, {}))
    other = config.replace(**{item.name: another(item, getattr(config, item.name))})
    assert other.hash() != config.hash()
    assert (other.trunk_hash() != config.trunk_hash()) == (item.name != "algorithm")


@pytest.mark.parametrize("item", fields_of(MixupConfig), ids=lambda item: item.name)
def test_mixup_settings_matter_to_runs_that_mix(item: dataclasses.Field) -> None:
    default = MixupConfig()
    mixup = dataclasses.replace(default, **{item.name: another(item, getattr(default, item.name))})
    fgmix, erm = RunConfig(algorithm="fgmix"), RunConfig(algorithm="erm")
    assert fgmix.replace(mixup=mixup).hash() != fgmix.hash()
    # The moments are tracked from the first step on, whatever is trained.
    tracked = item.name == "momentum"
    assert (erm.replace(mixup=mixup).hash() != erm.hash()) == tracked
    assert (fgmix.replace(mixup=mixup).trunk_hash() != fgmix.trunk_hash()) == tracked


@pytest.mark.parametrize(("name", "value"), [("directions", 7), ("domains_per_mixup", 1)])
def test_settings_that_cannot_mix_are_refused(name: str, value: int) -> None:
    with pytest.raises(InputError, match=f"{name.replace('_', '-')} is {value}; expected"):
        MixupConfig(**{name: value})


def test_all_algorithms_share_a_trunk() -> None:
    trunks = {RunConfig(algorithm=name).trunk_hash() for name in METHODS}
    runs = {RunConfig(algorithm=name).hash() for name in METHODS}
    assert len(trunks) == 1
    assert len(runs) == len(METHODS)
    assert not trunks & runs


def test_equal_configurations_have_equal_hashes() -> None:
    # Python's 0 == 0.0 and numpy's numbers must not name another folder.
    plain = RunConfig(dropout=0.0, seed=3, domains=("a", "b"), mixup=MixupConfig(radius=1.0))
    loose = RunConfig(
        dropout=0,
        seed=np.int64(3),  # type: ignore[arg-type]
        domains=["a", "b"],  # type: ignore[arg-type]
        mixup=MixupConfig(radius=np.float32(1)),  # type: ignore[arg-type]
    )
    assert loose == plain
    assert loose.hash() == plain.hash()


# What runs were called before there was a catalogue; a new setting, option or method must not rename them.
QUICK = {
    "erm": "4ede0fad",
    "a0": "f778bfad",
    "a": "9b1cdbb4",
    "b": "fbb4e753",
    "c": "f6ad29e2",
    "d": "90d8a0d1",
    "e0": "da584b34",
    "e": "f1a3a7d2",
    "f": "43180c58",
    "fgmix": "7ba4c605",
}
FULL = {
    "erm": "9292618f",
    "a0": "fafa2031",
    "a": "2e22f9f0",
    "b": "b3b6f814",
    "c": "0f7decbb",
    "d": "83a33652",
    "e0": "ca9fd2af",
    "e": "35b78ae9",
    "f": "c76e9b4d",
    "fgmix": "f5aafdbd",
}
TRUNKS = {
    "quick": "cd541bbe",
    "full": "dcd4c1e7",
    "paper": "381a48cb",
    "domainbed-2020": "cdaef9ee",
    "domainbed-2024": "d2a6b784",
    "swad": "792bc51a",
}


@pytest.mark.parametrize(("preset", "hashes"), [("quick", QUICK), ("full", FULL)])
def test_runs_keep_their_names(preset: str, hashes: dict[str, str]) -> None:
    config = PRESETS[preset].replace(precision="fp32")
    assert {name: config.replace(algorithm=name).hash() for name in hashes} == hashes


def test_trunks_keep_their_names() -> None:
    assert {name: config.replace(precision="fp32").trunk_hash() for name, config in PRESETS.items()} == TRUNKS
    own = PRESETS["quick"].replace(
        precision="fp32", domains=("photo", "sketch"), mixup=MixupConfig(start=5, scale_min=0.5), seed=3, lr=1e-3
    )
    assert (own.hash(), own.trunk_hash()) == ("bb49c589", "dc78e2bb")


def test_hashes_of_existing_runs_do_not_change_by_accident() -> None:
    assert RunConfig().hash() == "f71fb50a"
    assert RunConfig().trunk_hash() == "ce9b4306"
    assert RunConfig(algorithm="pcgrad").hash() == RunConfig(algorithm="pcgrad", mixup=MixupConfig(start=7)).hash()


def test_later_settings_are_stored_only_where_they_say_something() -> None:
    assert RunConfig().to_dict().keys() & {"sources", "targets", "views", "optimizer", "schedule", "options"} == set()
    stored = RunConfig(views=3, sources=("a",), algorithm="pcgrad").to_dict()
    assert (stored["views"], stored["sources"], stored["options"]) == (3, ("a",), {"total": "mean"})


def test_equal_runs_have_one_name_however_they_are_written() -> None:
    assert RunConfig(views=1).hash() == RunConfig().hash()
    average = RunConfig(algorithm="grad-average")
    assert average.hash() == average.replace(views=3).hash() != average.replace(views=4).hash()
    assert RunConfig(magnitude=3, random_ops=5, momentum=0.5).hash() == RunConfig().hash()


def test_a_target_beside_sources_is_the_only_one() -> None:
    config = RunConfig(sources=("a", "b"), targets=("c", "d"))
    assert config.replace(target="d").targets == ("d",)
    assert RunConfig().replace(sources=("a",), target="c").targets == ("c",)
    assert RunConfig().replace(target="c").targets == ()
    assert RunConfig(sources="a").sources == ("a",)  # type: ignore[arg-type]


def test_a_schedule_stretches_over_the_steps_so_they_name_the_run() -> None:
    config = RunConfig(schedule="cosine")
    assert config.hash() != config.replace(steps=5001).hash()
    assert config.trunk_steps == 0


def test_a_methods_settings_are_its_own() -> None:
    config = RunConfig(algorithm="pcgrad")
    assert config.options == METHODS["pcgrad"].options()
    total = config.replace(options=METHODS["pcgrad"].options(total="sum"))
    assert total.hash() != config.hash()
    assert RunConfig.from_dict(json.loads(json.dumps(total.to_dict()))) == total
    assert total.replace(seed=1).options == total.options
    assert total.replace(algorithm="mixstyle").options == METHODS["mixstyle"].options()
    with pytest.raises(InputError, match="settings of pcgrad are PCGradOptions, but MixStyleOptions were given"):
        RunConfig(algorithm="pcgrad", options=METHODS["mixstyle"].options())
    assert RunConfig(options=MixupConfig(start=7)) == RunConfig(mixup=MixupConfig(start=7))


def test_one_target_of_several_is_looked_at() -> None:
    config = RunConfig(targets=("photo", "cartoon"))
    assert config.target == "photo"
    assert config.replace(target="cartoon").target == "cartoon"


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_are_valid_and_survive_json(name: str) -> None:
    preset = PRESETS[name]
    assert RunConfig.from_dict(json.loads(json.dumps(preset.to_dict()))) == preset
    assert preset.recorded_points <= 20


def test_presets_say_what_the_papers_say() -> None:
    quick, full, paper = PRESETS["quick"], PRESETS["full"], PRESETS["paper"]
    assert (quick.steps, quick.mixup.start, quick.data, quick.target) == (160, 100, "sixstyles", "sketch")
    for preset in (full, paper):
        assert (preset.steps, preset.mixup.start, preset.batch_size, preset.swa_start) == (5000, 3000, 32, 100)
    assert (paper.model, paper.image_size, paper.data) == ("resnet50", 224, "pacs")
    assert not any(PRESETS[name].uses_mixup for name in ("domainbed-2020", "domainbed-2024", "swad"))


def test_trunk_ends_before_mixup_starts() -> None:
    assert RunConfig(steps=5000, mixup=MixupConfig(start=3000)).trunk_steps == 2999
    assert RunConfig(steps=100, mixup=MixupConfig(start=3000)).trunk_steps == 100
    assert RunConfig(mixup=MixupConfig(start=1)).trunk_steps == 0
    # Only what begins as plain ERM has one: PCGrad would be ERM for 60 % of its steps.
    assert RunConfig(algorithm="pcgrad", steps=5000).trunk_steps == 0
    assert not RunConfig(algorithm="pcgrad").uses_mixup


@given(st.integers(1, 20_000), st.integers(1, 2_000))
def test_recorded_points_and_the_advice_that_follows_from_them(steps: int, every: int) -> None:
    # One at the start, one at every multiple, one at the end.
    recorded = {0, steps, *range(every, steps + 1, every)}
    try:
        config = RunConfig(steps=steps, record_every=every)
    except InputError as error:
        assert len(recorded) > 20
        advice = int(str(error).rstrip(".").rpartition(" ")[2])
        assert RunConfig(steps=steps, record_every=advice).recorded_points <= 20
    else:
        assert config.recorded_points == len(recorded)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: RunConfig(algorithm="fgmx"), "unknown --algorithm 'fgmx'; expected one of: erm, .* mean 'fgmix'?"),
        (lambda: RunConfig(steps=0), "--steps is 0; expected at least 1"),
        (lambda: RunConfig(batch_size=0), "--batch-size is 0; expected at least 1"),
        (lambda: RunConfig(dropout=1.0), "--dropout is 1.0; expected a number from 0 up to, not including, 1"),
        (lambda: RunConfig(lr=0.0), "--lr is 0.0; expected a number above 0"),
        (lambda: RunConfig(lr=float("nan")), "--lr is nan; expected a number above 0"),
        (lambda: RunConfig(weight_decay=-1e-4), "--weight-decay is -0.0001; expected at least 0"),
        (lambda: RunConfig(steps=5000, record_every=20), "251 checkpoints over 5000 steps.* at most 20"),
        (lambda: MixupConfig(start=0), "--mixup.start is 0; expected at least 1"),
        (lambda: MixupConfig(momentum=1.0), "--mixup.momentum is 1.0; expected a number from 0"),
        (lambda: MixupConfig(radius=-1.0), "--mixup.radius is -1.0; expected a number above 0"),
        (lambda: MixupConfig(depth=3), "unknown --mixup.depth '3'; expected one of: 1, 2"),  # type: ignore[arg-type]
        (lambda: RunConfig(lr="x"), "--lr is 'x'; expected a number"),  # type: ignore[arg-type]
        (lambda: RunConfig.from_dict({"algorithm": "future"}), "algorithm 'future', which this version .* newer"),
        (
            lambda: RunConfig(algorithm="pcgrad", options=MixupConfig(start=5)),
            "settings of pcgrad are PCGradOptions, but MixupConfig were given",
        ),
        (lambda: METHODS["mixstyle"].options(stages=()), "--options.stages is empty; expected one stage or more"),
        (lambda: METHODS["mixstyle"].options(stages=("stage1", "stage1")), "each once"),
        (lambda: RunConfig.from_dict({"future": 1}), r"unknown settings \(future\).* newer"),
        (lambda: RunConfig.from_dict({"mixup": {"odd": 1}}), r"unknown settings \(odd\)"),
    ],
)
def test_a_mistake_is_one_clear_sentence(make: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as raised:
        make()
    assert "\n" not in str(raised.value)


def test_flags_come_from_the_fields() -> None:
    config = parse(
        RunConfig,
        prog="test",
        description="",
        default=PRESETS["quick"],
        args=["--algorithm", "erm", "--domains", "a", "b", "--mixup.scale-min", "2", "--augment-validation"],
    )
    expected = PRESETS["quick"].replace(algorithm="erm", domains=("a", "b"), augment_validation=True)
    assert config == expected.replace(mixup=dataclasses.replace(expected.mixup, scale_min=2.0))


def test_a_wrong_flag_value_reaches_the_user_as_the_same_sentence() -> None:
    with pytest.raises(InputError, match="--steps is 0"):
        parse(RunConfig, prog="test", description="", args=["--steps", "0"])
