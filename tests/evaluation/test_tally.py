import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from landscape.errors import InputError
from landscape.evaluation import Predictions, Tally, scores

DOMAINS, CLASSES = ("photo", "cartoon", "sketch"), ("dog", "horse", "house", "person")

image = st.tuples(
    st.floats(0, 50), st.booleans(), st.integers(0, 3), st.integers(0, 2), st.booleans()
)  # loss, correct, label, domain, held out


def arrays(rows):
    loss, correct, labels, domain, held_out = zip(*rows, strict=True) if rows else ((),) * 5
    return {
        "loss": np.array(loss, dtype=np.float64),
        "correct": np.array(correct, dtype=bool),
        "labels": np.array(labels, dtype=np.int64),
        "domain": np.array(domain, dtype=np.int64),
        "held_out": np.array(held_out, dtype=bool),
    }


def tally(rows):
    columns = arrays(rows)
    return Tally.count(columns.pop("loss"), columns.pop("correct"), **columns, domains=DOMAINS, classes=CLASSES)


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(image, max_size=40),
    domains=st.sets(st.sampled_from(DOMAINS), min_size=1),
    part=st.sampled_from(["in", "out", "all"]),
)
def test_scores_equal_counting_one_by_one(rows, domains, part):
    counted = tally(rows)
    chosen = [
        (loss, correct, label)
        for loss, correct, label, domain, held_out in rows
        if DOMAINS[domain] in domains and (part == "all" or held_out == (part == "out"))
    ]
    assert counted.images(sorted(domains), part) == len(chosen)
    if not chosen:
        assert math.isnan(counted.mean_loss(sorted(domains), part))
        assert math.isnan(counted.accuracy(sorted(domains), part))
        assert math.isnan(counted.balanced_accuracy(sorted(domains), part))
        return
    assert counted.mean_loss(sorted(domains), part) == pytest.approx(math.fsum(r[0] for r in chosen) / len(chosen))
    assert counted.accuracy(sorted(domains), part) == sum(r[1] for r in chosen) / len(chosen)
    recalls = [[c for _, c, y in chosen if y == k] for k in range(4)]
    expected = np.mean([sum(r) / len(r) for r in recalls if r])
    assert counted.balanced_accuracy(sorted(domains), part) == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(image, max_size=30))
def test_cells_add_up(rows):
    counted = tally(rows)
    assert counted.n.shape == counted.correct.shape == counted.loss.shape == (3, 2, 4)
    assert (counted.n.dtype, counted.correct.dtype, counted.loss.dtype) == (np.int64, np.int64, np.float64)
    assert counted.n.sum() == len(rows)
    assert counted.correct.sum() == sum(row[1] for row in rows)


def test_scores_against_scikit_learn():
    rng = np.random.default_rng(0)
    labels, guesses = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    labels[:80] = 2  # unbalanced
    loss, correct = rng.random(200), labels == guesses
    counted = Tally.count(
        loss,
        correct,
        labels=labels,
        domain=np.zeros(200, dtype=int),
        held_out=np.zeros(200, dtype=bool),
        domains=DOMAINS,
        classes=CLASSES,
    )
    assert counted.accuracy() == pytest.approx(accuracy_score(labels, guesses))
    assert counted.balanced_accuracy("photo", "in") == pytest.approx(balanced_accuracy_score(labels, guesses))
    plain = scores(loss, correct, labels)
    assert plain["n"] == 200
    assert plain["loss"] == pytest.approx(loss.mean())
    assert plain["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, guesses))


def test_no_images_give_nan():
    empty = scores(np.array([]), np.array([], dtype=bool), np.array([], dtype=int))
    assert empty["n"] == 0
    assert all(math.isnan(empty[name]) for name in ("loss", "accuracy", "balanced_accuracy"))


def test_a_loss_that_is_no_number_stays_in_its_cell():
    counted = tally([(math.nan, False, 0, 0, False), (1.0, True, 0, 1, False)])
    assert math.isnan(counted.mean_loss("photo"))
    assert counted.mean_loss("cartoon") == 1.0


def test_predictions_of_some_rows_of_a_task():
    task = SimpleNamespace(
        images=SimpleNamespace(
            labels=np.array([0, 1, 2, 3, 0]), domain=np.array([0, 0, 1, 2, 2]), domains=DOMAINS, classes=CLASSES
        ),
        split=SimpleNamespace(held_out=np.array([True, False, True, False, False])),
    )
    predictions = Predictions(
        rows=np.array([4, 0, 2]), loss=np.array([0.5, 1.0, 2.0]), correct=np.array([True, False, True])
    )
    counted = Tally.of(predictions, task)
    assert counted.n[2, 0, 0] == counted.n[0, 1, 0] == counted.n[1, 1, 2] == 1
    assert counted.n.sum() == 3
    assert counted.mean_loss(["photo", "cartoon"], "out") == 1.5
    assert counted.accuracy("sketch") == 1.0
    kept = predictions.where(np.array([True, False, True]))
    assert kept.rows.tolist() == [4, 2]
    assert len(kept) == 2


def test_unknown_names():
    with pytest.raises(InputError, match="Did you mean 'sketch'"):
        tally([]).accuracy("sketches")
    with pytest.raises(InputError, match="part of the split"):
        tally([]).accuracy("sketch", "test")
