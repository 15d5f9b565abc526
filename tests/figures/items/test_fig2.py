"""Figure 2: every number on it is the run's."""

from collections.abc import Callable

import pytest

from landscape.checkpoint import Checkpoint
from landscape.errors import InputError
from landscape.figures.items import fig2
from landscape.figures.machinery.study import Study
from landscape.figures.numbers.anatomy import anatomy


def test_shapes_and_counts_are_those_of_the_saved_tensors(study: Study) -> None:
    run = study.need(["fgmix"], "sketch", 0)["fgmix"]
    checkpoint = Checkpoint.load(run.find(run.config.steps))
    parts = anatomy(checkpoint)
    saved, config = checkpoint.algorithm, run.config
    sizes = {
        part: sum(tensor.numel() for name, tensor in saved.items() if name.startswith(part))
        for part in ("policy/score", "policy/scale", "discriminator/")
    }
    assert [parts.parameters[name] for name in ("score", "scale", "discriminator")] == list(sizes.values())
    classes, width = checkpoint.model["classifier.weight"].shape
    assert parts.parameters["classifier"] == classes * (width + 1) == parts.gradients[1]
    assert parts.codes == (3 * config.batch_size, width)
    assert parts.images == (3 * config.batch_size, 3, config.image_size, config.image_size)
    assert parts.weights == parts.groups == (config.mixup.codes, 3)
    assert parts.mixed == (config.mixup.codes, width)
    assert parts.logits == (3 * config.batch_size + config.mixup.codes, classes)
    assert parts.pairs == (6 * config.mixup.codes, 2 * parts.gradients[1])
    assert parts.score_layers == (2 * saved["policy/score.weight"].shape[2], 8, 8, 1)
    assert parts.discriminator_layers == (saved["discriminator/layers.0.weight"].shape[1], 8, 1)
    assert parts.scale == saved["policy/scale"].item()
    assert parts.factors == ((parts.codes[0], classes), (parts.codes[0], width + 1))


def test_the_item(study: Study) -> None:
    product = fig2.make(study)
    words = {text.get_text() for ax in product.figures[""].axes for text in ax.texts}
    assert f"{product.data['']['parameters']['score']:,} parameters" in words
    assert "target sketch" in product.caption
    assert "4 policy steps from 3" in product.finding


def test_without_a_run_it_says_how_to_make_one(make_study: Callable[..., Study], study: Study) -> None:
    with pytest.raises(InputError, match="got no finished run of FGMix"):
        fig2.make(make_study())
    run = study.need(["erm"], "sketch", 0)["erm"]
    with pytest.raises(InputError, match="has no policy with a discriminator"):
        anatomy(Checkpoint.load(run.find(run.config.steps)))
