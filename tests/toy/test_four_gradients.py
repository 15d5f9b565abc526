"""Appendix A, digit by digit."""

import csv
import dataclasses
import subprocess
import sys
import time
from importlib import resources

import numpy as np
import pytest

from landscape.errors import InputError
from landscape.toy import __main__ as toy_command
from landscape.toy import four_gradients as toy


def table() -> list[dict[str, str]]:
    text = resources.files("landscape.reference").joinpath("fgmix_toy.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_every_printed_digit() -> None:
    lines = toy.compare(toy.appendix_a())
    assert len(lines) == sum(bool(row["paper_value"]) for row in table()) == 28
    assert [line for line in lines if not line.same] == []


def test_every_computed_number_of_the_table() -> None:
    example = toy.appendix_a()
    aggregated = {
        "ERM_sum": example.erm,
        "ERM_mean": example.erm / 4,
        "ANDMask_sum": example.and_mask,
        "ANDMask_mean": example.and_mask / 4,
        "FGMix": example.fgmix,
    }
    names = {"ERM": "erm", "ANDMask": "and_mask", "FGMix": "fgmix"}
    for row in table():
        kind = row["quantity"]
        if kind == "aggregated_gradient":
            value = aggregated[row["row"]][int(row["col"][-1]) - 1]
        elif kind == "aggregated_cosine":
            value = example.cosine(names[row["row"]], names[row["col"]])
        elif kind in ("sign_disagreement_fraction", "and_mask"):
            values = example.mask if kind == "and_mask" else example.disagreement
            value = values[int(row["col"][-1]) - 1]
        else:
            value = toy._value(example, row)
        assert value == pytest.approx(float(row["computed_value"]), abs=1e-15), row


def test_the_claim_that_the_appendix_makes() -> None:
    example = toy.appendix_a()
    assert example.cosine("fgmix", "and_mask") > example.cosine("erm", "and_mask")


def test_scaling_and_shifting() -> None:
    example = toy.appendix_a()
    scaled = dict(zip(example.scales.tolist(), example.scaled, strict=True))
    np.testing.assert_array_equal(scaled[1.0], example.weights)
    assert scaled[3.0] == pytest.approx([0.1366, 0.6982, 0.5133, -0.3480], abs=5e-5)
    assert scaled[5.0] == pytest.approx([0.0609, 0.9969, 0.6889, -0.7467], abs=5e-5)
    assert scaled[8.0] == pytest.approx([-0.0525, 1.4451, 0.9522, -1.3448], abs=5e-5)
    assert example.onset == pytest.approx(1.2541, abs=5e-5)
    assert toy.appendix_a(()).scaled.shape == (0, 4)


@pytest.mark.parametrize(("threshold", "mask"), [(0.2, [0, 0]), (0.25, [1, 0]), (0.49, [1, 0]), (0.5, [1, 1])])
def test_and_mask_keeps_a_component_up_to_the_threshold(threshold: float, mask: list[int]) -> None:
    example = toy.appendix_a(threshold=threshold)
    assert example.mask.tolist() == mask
    np.testing.assert_array_equal(example.and_mask, np.array(mask) * example.erm)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_share(threshold: float) -> None:
    with pytest.raises(InputError, match="expected a share of disagreeing signs"):
        toy.appendix_a(threshold=threshold)


def test_the_command_prints_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    toy_command.main(["--scales", "1", "-2.5", "--threshold", "0.1"])
    text = capsys.readouterr().out
    assert text.splitlines()[-1] == "All 28 numbers that the paper prints are reproduced, all 106 digits of them."
    assert "lambda -2.5" in text
    assert "nan" in text  # AND-Mask dropped both components: its direction has no cosine
    assert "-0.000000" not in text
    assert "<-" not in text


def test_a_wrong_digit_is_named_and_leaves_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy, "GRADIENTS", (*toy.GRADIENTS[:3], (1.0, -1.001)))
    with pytest.raises(SystemExit) as leave:
        toy_command.main([])
    assert leave.value.code == 1
    text = capsys.readouterr().out
    # The gradient rounds to the same printed digit; the eight digits of the weights show the difference.
    wrong = [line for line in text.splitlines() if line.endswith("<-")]
    assert [line.split()[:3] for line in wrong] == [["softmax", "weight", f"g{i}"] for i in (1, 2, 3, 4)]
    assert text.splitlines()[-1].startswith("4 of 28 printed numbers differ: softmax_weight g1 self,")


def test_printed_digits_round_and_know_no_negative_zero() -> None:
    assert toy.Comparison("", "0.0", -1e-17).same
    assert toy.Comparison("", "-0.316", -0.31622776).same
    assert not toy.Comparison("", "-0.316", -0.3166).same


def test_the_result_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        toy.appendix_a().onset = 0.0  # type: ignore[misc]


def command(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "landscape.toy", *flags], capture_output=True, text=True, check=False, timeout=60
    )


def test_help_answers_at_once_and_bad_flags_leave_with_2() -> None:
    start = time.perf_counter()
    assert command("--help").returncode == 0
    assert time.perf_counter() - start < 3  # a torch import alone takes as long; alone on a machine it is 0.2 s
    assert command("--nope").returncode == 2
    wrong = command("--threshold", "3")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: --threshold is 3.0; expected a share")
    assert "Traceback" not in wrong.stderr
