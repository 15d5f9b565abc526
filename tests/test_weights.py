"""Weight space: the arithmetic against NumPy and exact sums, and models that stay what they were."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from landscape.errors import InputError
from landscape.weights import Combination, borrowed, combine, dot, load_weights, norm, size, subtract, weights_of

NAMES = {"conv.weight": (4, 3, 2, 2), "conv.bias": (4,), "scale": ()}


def some(seed: int, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator).to(dtype) for name, shape in NAMES.items()}


def flat(weights: dict[str, torch.Tensor]) -> np.ndarray:
    return np.concatenate([tensor.double().numpy().ravel() for tensor in weights.values()])


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))


def test_size_counts_coordinates() -> None:
    assert size(some(0)) == 4 * 3 * 2 * 2 + 4 + 1


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_dot_and_norm_are_exact_sums(a: int, b: int) -> None:
    x, y = flat(some(a)), flat(some(b))
    assert dot(some(a), some(b)) == pytest.approx(math.fsum(x * y), rel=1e-12, abs=1e-12)
    assert norm(some(a)) == pytest.approx(math.sqrt(math.fsum(x * x)), rel=1e-14)


def test_dot_of_many_coordinates_survives_float32() -> None:
    # Big terms that cancel, and small ones that remain: in float32 the small ones are rounded away.
    n = 200_000
    big, small = torch.full((n,), 30.0), torch.full((n,), 1e-2)
    a = {"w": torch.cat([big, small, big])}
    b = {"w": torch.cat([big, small, -big])}
    assert np.cumsum((a["w"] * b["w"]).numpy(), dtype=np.float32)[-1] != pytest.approx(n * 1e-4, rel=0.1)
    assert dot(a, b) == pytest.approx(n * 1e-4, rel=1e-3)


@given(st.integers(0, 1000), st.floats(-10, 10), st.floats(-10, 10))
def test_combinations_are_those_of_vectors(seed: int, p: float, q: float) -> None:
    a, b = some(seed), some(seed + 1)
    result = combine((p, a), (q, b))
    assert list(result) == list(a)
    assert all(tensor.dtype == torch.float64 for tensor in result.values())
    np.testing.assert_allclose(flat(result), p * flat(a) + q * flat(b), rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(flat(subtract(a, b)), flat(a) - flat(b))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_combination_holds_no_numbers_of_its_own_and_changes_none(dtype) -> None:
    a, b = some(0, dtype), some(1, dtype)
    before = flat(a), flat(b)
    inner = Combination((1.0, a), (-1.0, b))
    outer = Combination((0.5, inner), (1.0, b))
    for _ in range(2):  # reading changes nothing
        np.testing.assert_allclose(flat(dict(outer)), 0.5 * (before[0] - before[1]) + before[1], rtol=1e-14)
        np.testing.assert_array_equal(flat(a), before[0])
        np.testing.assert_array_equal(flat(b), before[1])
    assert (len(outer), list(outer)) == (len(a), list(a))
    assert "scale" in outer
    assert "nothing" not in outer
    with pytest.raises(ValueError, match=r"shapes of 'conv\.bias' differ"):
        combine((1.0, a), (1.0, {**b, "conv.bias": b["conv.bias"][:1]}))
    assert norm(outer) == pytest.approx(np.linalg.norm(flat(dict(outer))), rel=1e-14)
    a["scale"] += 1.0
    assert inner["scale"] == a["scale"].double() - b["scale"].double()
    copy = Combination((1.0, a))["scale"]
    copy += 1.0
    assert copy != a["scale"]


def test_combination_of_three_in_another_dtype() -> None:
    a, b, c = some(1), some(2), some(3)
    result = combine((1.0, a), (-2.0, b), (0.5, c), dtype=torch.float32)
    assert result["scale"].dtype == torch.float32
    expected = (flat(a) - 2 * flat(b) + 0.5 * flat(c)).astype(np.float32)
    np.testing.assert_array_equal(flat(result).astype(np.float32), expected)


def test_weights_are_a_copy_of_parameters_only() -> None:
    network = model().to(memory_format=torch.channels_last)
    weights = weights_of(network)
    assert list(weights) == [name for name, _ in network.named_parameters()]
    assert not any("running" in name for name in weights)
    assert all(tensor.is_contiguous() and not tensor.requires_grad for tensor in weights.values())
    weights["0.bias"] += 1
    assert not torch.equal(weights["0.bias"], network[0].bias)


def test_shared_parameters_are_one_coordinate() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    network[1].weight = network[0].weight
    assert size(weights_of(network)) == 9 + 3 + 3


def test_loading_keeps_layout_dtype_and_identity() -> None:
    network = model().to(memory_format=torch.channels_last)
    parameters = list(network.parameters())
    layout = network[0].weight.stride()
    target = combine((1.0, weights_of(network)))
    target["0.weight"] += 1.0
    load_weights(network, target)
    assert all(p is q for p, q in zip(parameters, network.parameters(), strict=True))
    assert network[0].weight.stride() == layout
    assert network[0].weight.dtype == torch.float32
    assert network[0].weight.requires_grad
    assert all(torch.equal(tensor, target[name].float()) for name, tensor in weights_of(network).items())


def test_a_shape_that_would_be_broadcast_is_refused_and_nothing_is_written() -> None:
    network = model()
    before, wrong = weights_of(network), weights_of(network)
    wrong["0.weight"] += 1
    wrong["2.bias"] = torch.zeros(1)
    with pytest.raises(InputError, match=r"'2\.bias' have shape \(1,\); this network expects \(2,\)"):
        load_weights(network, wrong)
    del wrong["2.bias"]
    with pytest.raises(InputError, match=r"no weights for '2\.bias'"):
        load_weights(network, wrong)
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights_of(network).items())


class Owned(nn.Module):
    """Parts in different modes, one of them frozen, a shared parameter, and a buffer that is replaced, not written."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        self.norm = nn.BatchNorm2d(4).eval()
        self.head, self.tied = nn.Linear(4, 4), nn.Linear(4, 4)
        self.tied.weight = self.head.weight
        self.head.bias.requires_grad_(False)
        self.register_buffer("calls", torch.zeros(()))
        self.told: list[bool] = []

    def train(self, mode: bool = True) -> "Owned":
        self.told.append(mode)
        return super().train(mode)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls = self.calls + 1
        return self.tied(self.head(self.norm(self.conv(x)).mean((2, 3))))


def state(module: nn.Module) -> list[object]:
    tensors = [*module.parameters(), *module.buffers()]
    facts = [(id(each), each.data_ptr(), each.stride(), each.dtype, each.requires_grad) for each in tensors]
    return [facts, [each.tolist() for each in tensors], [part.training for part in module.modules()]]


@pytest.mark.parametrize("error", [None, RuntimeError("broken"), KeyboardInterrupt()])
def test_a_borrowed_module_comes_back(error: BaseException | None) -> None:
    module = Owned()
    before, x = state(module), torch.randn(5, 3, 6, 6)

    def use() -> None:
        with borrowed(module) as lent:
            assert not any(part.training for part in module.modules())
            assert list(lent.weights) == [name for name, _ in module.named_parameters()]
            for _ in range(2):
                module.train().requires_grad_(True)
                module(x)  # updates running statistics, too
                load_weights(module, {name: 2 * tensor for name, tensor in lent.weights.items()})
                module.to(memory_format=torch.channels_last).double()
                assert state(module)[:2] != before[:2]
                lent.put_back()
                assert state(module)[1] == before[1]
            module.conv.to(memory_format=torch.contiguous_format)
            if error is not None:
                raise error

    if error is None:
        use()
    else:
        with pytest.raises(type(error)):
            use()
    assert state(module) == before
    assert module.tied.weight is module.head.weight
    assert module.told == [False, True, True, True]


def test_without_values_only_the_modes_come_back() -> None:
    module = Owned()
    before = state(module)
    with borrowed(module, values=False) as lent:
        assert not lent.weights
        module.train().requires_grad_(True)
    assert state(module) == before
    with borrowed(module, values=False), torch.no_grad():
        module.conv.bias.fill_(7.0)
    assert module.conv.bias.tolist() == [7.0] * 4
