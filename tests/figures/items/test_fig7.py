"""Figure 7: every digit that the paper prints."""

import numpy as np
import pytest

from landscape import reference
from landscape.figures.items import fig7
from landscape.figures.machinery.study import Study
from landscape.toy import four_gradients


def test_every_printed_digit_is_ours(study: Study) -> None:
    digits = fig7.make(study).tables["digits"]
    printed = reference.read("fgmix_toy").paper_value.dropna()
    assert digits.paper.tolist() == printed.tolist()
    assert digits.ours.tolist() == printed.tolist()
    assert digits.same.all()
    assert digits.same.dtype == bool


def test_directions_are_those_of_the_reference(study: Study) -> None:
    directions = fig7.make(study).tables["directions"].set_index("method")
    expected = reference.read("fgmix_toy").set_index(["quantity", "row", "col"]).computed_value.sort_index()
    for name, row in (("ERM", "ERM_sum"), ("AND-Mask", "ANDMask_sum"), ("FGMix", "FGMix")):
        found = directions.loc[name, ["component 1", "component 2"]].astype(float)
        values = expected["aggregated_gradient", row].to_numpy()
        np.testing.assert_allclose(found, values, atol=1e-15)
    cosine = expected["aggregated_cosine", "FGMix", "ANDMask"]
    assert directions.loc["FGMix", "cosine to AND-Mask"] == pytest.approx(cosine)


def test_the_finding_says_what_the_numbers_say(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "all 28 printed numbers agree in every digit" in fig7.make(study).finding
    monkeypatch.setattr(four_gradients, "GRADIENTS", (*four_gradients.GRADIENTS[:3], (1.0, -1.001)))
    product = fig7.make(study)
    assert "24 of 28 agree" in product.finding
    assert product.tables["digits"].same.sum() == 24
