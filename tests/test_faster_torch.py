"""What a captured step computes in place of PyTorch's functions: the same numbers, gradients and ties."""

import pytest

from kact import backend

if backend.name() != "torch":
    pytest.skip("PyTorch's functions", allow_module_level=True)

import torch
import torch.nn.functional as F

from kact.engine.capture import capture
from kact.layers import convolution_torch, faster_torch
from kact.layers.convolution_torch import convolve
from kact.layers.faster_torch import Faster
from kact.layers.max_pool_torch import max_pool, maxima_pay
from kact.layers.mish_torch import tanh_of_softplus


@pytest.fixture(autouse=True)
def vectors_of_16(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")


def maps(*shape):
    return torch.randn(shape).contiguous(memory_format=torch.channels_last).requires_grad_()


def calls_of_ours(output):
    """The names of our own functions behind an output."""
    found, open_ends = [], [output.grad_fn]
    while open_ends:
        node = open_ends.pop()
        found += [node.name()] if node.name().startswith("_") else []
        open_ends += [before for before, _ in node.next_functions if before is not None]
    return found


@pytest.mark.parametrize(
    ("shape", "kernel", "padding"),
    [
        ((3, 3, 32, 32), (6, 3, 5, 5), 0),
        ((3, 6, 14, 14), (16, 6, 5, 5), 0),  # only the gradient of the input in pairs
        ((2, 4, 12, 12), (6, 4, 3, 3), 1),
        ((2, 4, 9, 10), (8, 4, 3, 3), (1, 1)),
        ((2, 6, 10, 8), (6, 6, 5, 5), (2, 2)),
        ((2, 3, 9, 10), (5, 3, 3, 5), (0, 2)),
        ((1, 2, 4, 4), (2, 2, 1, 1), 0),
        ((1, 7, 6, 4), (8, 7, 1, 1), (2, 1)),  # more padding than kernel: the gradient as PyTorch has it
    ],
)
def test_convolutions_in_pairs_of_pixels_are_convolutions(shape, kernel, padding):
    torch.manual_seed(0)
    images, weights = maps(*shape), torch.randn(kernel, requires_grad=True)
    ours, theirs = convolve(images, weights, stride=1, padding=padding), F.conv2d(images, weights, padding=padding)
    assert calls_of_ours(ours) == ["_PairsBackward"]
    given = torch.randn_like(theirs)
    for one, other in zip(
        (ours, *torch.autograd.grad(ours, (images, weights), given)),
        (theirs, *torch.autograd.grad(theirs, (images, weights), given)),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-6 * float(other.detach().abs().max()))


@pytest.mark.parametrize(
    "settings", [{"stride": (2, 2)}, {"dilation": 2}, {"groups": 2}, {"padding": (0, 1)}, {"channels": 9}], ids=str
)
def test_other_convolutions_are_left_to_pytorch(settings):
    """Strides and groups, rows of an odd number of pixels, more maps than two fit into a vector."""
    kernel = torch.randn(settings.pop("channels", 6), 10 // settings.get("groups", 1), 3, 3)
    assert calls_of_ours(convolve(maps(1, 10, 9, 9), kernel, **settings)) == []


def test_convolutions_are_left_to_pytorch_where_vectors_are_shorter(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert convolution_torch._pays(6, 8)
    assert calls_of_ours(convolve(maps(1, 3, 10, 10), torch.randn(6, 3, 3, 3))) == []


def test_of_equal_pixels_the_first_gets_the_gradient():
    torch.manual_seed(0)
    images = torch.randint(0, 3, (4, 6, 8, 10)).float()  # most windows tie
    images = images.contiguous(memory_format=torch.channels_last).requires_grad_()
    ours, theirs = max_pool(images), F.max_pool2d(images, 2)
    assert torch.equal(ours, theirs)
    given = torch.randn_like(theirs)
    assert torch.equal(torch.autograd.grad(ours, images, given)[0], torch.autograd.grad(theirs, images, given)[0])


def test_maxima_are_for_few_maps_and_for_predictions():
    assert maxima_pay(maps(1, 6, 4, 4)) and not maxima_pay(maps(1, 16, 4, 4)) and not maxima_pay(maps(1, 6, 5, 4))
    with torch.no_grad():
        assert maxima_pay(maps(1, 16, 4, 4))


def test_the_factor_of_mish_is_as_exact_as_its_formula():
    x = torch.cat([torch.linspace(-100, 100, 100_001), torch.tensor([1e-20, -1e-20])]).requires_grad_()
    exact = x.detach().double().requires_grad_()
    ours, theirs = tanh_of_softplus(x), torch.tanh(F.softplus(exact, threshold=1000))
    torch.testing.assert_close(ours.double(), theirs, rtol=4e-7, atol=1e-37)
    slopes = [torch.autograd.grad(one.sum(), given)[0].double() for one, given in ((ours, x), (theirs, exact))]
    torch.testing.assert_close(*slopes, rtol=0, atol=3e-7)
    ends = tanh_of_softplus(torch.tensor([float("inf"), -float("inf"), float("nan")]))
    assert ends[:2].tolist() == [1, 0] and ends[2].isnan()


@pytest.mark.parametrize(
    ("border", "settings", "convolved_with"),
    [([0, 0, 1, 1, 2, 2], {}, (2, 1)), ([0, 0, 1, 1, 2, 2], {"value": 1.0}, 0), ([0, 0, 0, 1, 0, 1], {}, 0)],
    ids=str,
)
def test_padding_goes_into_the_convolution(monkeypatch, border, settings, convolved_with):
    """With other numbers than zeros, or unevenly, it stays what it is."""
    images, kernel = torch.randn(2, 6, 8, 12), torch.randn(12, 12, 3, 3)

    def padded():
        return F.conv2d(torch.permute(F.pad(images, border, **settings), (0, 3, 1, 2)), kernel, padding=0)

    seen = []
    monkeypatch.setattr(faster_torch, "convolve", lambda *given, **how: seen.append(how) or F.conv2d(*given, **how))
    with Faster():
        found = padded()
    assert [how["padding"] for how in seen] == [convolved_with]
    torch.testing.assert_close(found, padded(), rtol=1e-5, atol=1e-5)


def test_a_replay_writes_into_the_same_memory_each_time():
    """Nothing of one step is left in the next, and what is still to be read is not overwritten."""

    def step(x):
        doubled = x * 2
        added = doubled + 1  # in the place of nothing: `doubled` is read again
        wide = added.t().reshape(-1)
        return (wide.view(3, 4).t() - doubled) * torch.cat([doubled, added], 1)[:, :3]

    replay = capture(step, [], [torch.zeros(4, 3)])
    places = set()
    for seed in range(3):
        x = torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))
        found = replay(x)[0]
        assert torch.equal(found, step(x))
        places.add(found.data_ptr())
    assert len(places) == 1
