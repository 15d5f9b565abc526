"""Figure 3: its table of weights."""

from landscape.figures.items import fig3
from landscape.figures.machinery.study import Study


def test_the_item(study: Study) -> None:
    product = fig3.make(study)
    table = product.tables["weights"]
    assert table["lambda"].tolist() == [1, 2, 3, 5, 8] * 2
    assert (table["extrapolates"] == (table["lambda"] > table["onset"])).all()
    assert (table[["w1", "w2", "w3"]].min(axis=1) < 0).equals(table["extrapolates"])
