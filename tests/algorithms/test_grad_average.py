"""The mean of the domains' gradients is the gradient of the pooled loss."""

import pytest
import torch
from small import SOURCES, batch, made, network, run, weights


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_it_is_erm_on_the_pooled_views(optimizer: str) -> None:
    nets = {}
    for name in ("erm", "grad-average"):
        nets[name] = network()
        # Three views of one source lie as three sources do.
        algorithm = made(nets[name], run(name, optimizer=optimizer, views=SOURCES), sources=1)
        losses = [float(algorithm.update(batch(), step)["loss"]) for step in (1, 2, 3)]
        assert losses[0] > losses[2]
    for a, b in zip(weights(nets["erm"]).values(), weights(nets["grad-average"]).values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 if optimizer == "adam" else 1e-6)


def test_it_asks_for_three_views() -> None:
    assert run("grad-average").views_per_image == 3
    assert run("grad-average", views=5).views_per_image == 5
