"""Cut layers, soft counts and figures of merit on CUDA, against the same on the CPU."""

import io

import numpy as np
import pytest
import torch

from cutflow_cli.layers import CutLayer, figure_of_counts, soft_counts
from cutflow_cli.metrics.objectives import parse_objective
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here")

FLOW = CutFlow((
    LearnedCut(Cut("a", Region.BELOW, None, 0.7), True), LearnedCut(Cut("b", Region.ABOVE, -0.5), True),
    LearnedCut(Cut("c", Region.INSIDE, -1.0, 1.4), True), LearnedCut(Cut("d", Region.OUTSIDE, -0.3, 0.4), True),
    LearnedCut(Cut("e", Region.ALL), False),
))  # fmt: skip
NAMES = ("a", "b", "c", "d", "e")


def events(dtype=np.float64):
    x = np.random.default_rng(4).normal(size=(5000, len(NAMES))).astype(dtype)
    x[::50, 1], x[::70, 4], x[3, 0] = np.nan, np.nan, 0.7
    return torch.from_numpy(x)


def layer(device, **options):
    return CutLayer.from_flow(FLOW, NAMES, 0.3, device=device, **options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_hard_mask_is_the_flows_own(dtype):
    x = events(dtype)
    kept = layer("cuda").eval()(x.cuda())
    assert kept.device.type == "cuda"
    expected = FLOW.mask({name: x[:, i].numpy() for i, name in enumerate(NAMES)}, len(x))
    assert np.array_equal(kept.cpu().numpy().astype(bool), expected)


@pytest.mark.parametrize("straight_through", [False, True])
@pytest.mark.parametrize(
    ("objective", "systematic"),
    [("asimov", 0.1), ("s-sqrt-b", 0), ("punzi", 0), ("accuracy", 0), ("s / sqrt(s + b + sigma_b**2)", 0.1)],
)
def test_soft_figures_and_gradients_are_those_of_the_cpu(objective, systematic, straight_through):
    x, goal = events(), parse_objective(objective, systematic)
    label = torch.arange(len(x)) % 2
    weight = torch.linspace(0.5, 1.5, len(x), dtype=torch.float64)
    found = []
    for device in ("cpu", "cuda"):
        one = layer(device, straight_through=straight_through)
        counts = soft_counts(one(x.to(device)), weight.to(device), label.to(device))
        value = figure_of_counts(goal, counts)
        value.backward()
        found.append([tensor.detach().cpu().numpy() for tensor in (value, one.shift_lower.grad, one.shift_upper.grad)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-12)


def test_a_layer_that_moved_is_the_same_and_is_saved_and_loaded():
    moved = layer("cpu").cuda()
    assert {tensor.device.type for tensor in moved.state_dict().values()} == {"cuda"}
    with torch.no_grad():
        moved.shift_upper += 0.25
    file = io.BytesIO()
    torch.save(moved.state_dict(), file)
    file.seek(0)
    back = layer("cpu")
    back.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    assert back.to_flow() == moved.to_flow()
    assert moved.to_flow().steps[0].cut.upper == pytest.approx(0.7 + 0.25 * 0.3)
