"""Cuts as a torch module: hard masks event by event, soft masks and their gradients, there and back."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cutflow_cli
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.layers import CutLayer, half_widths
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

#: Values that meet each other often, and what comparisons go wrong at.
VALUES = st.one_of(
    st.sampled_from([0.0, -0.0, 0.1, float(np.float32(0.1)), 1.0, -1.0, 1e300, -1e300, np.inf, -np.inf]),
    st.floats(-3, 3, width=32),
    st.floats(-3, 3),
)


def cut_on(name, region, first, second):
    low, high = sorted((first, second)) if region is Region.INSIDE else (first, second)
    return Cut(name, region, low if region.has_lower else None, high if region.has_upper else None)


@st.composite
def flows(draw):
    names = ["a", "b", "a"][: draw(st.integers(1, 3))]
    return CutFlow(
        tuple(
            LearnedCut(
                cut_on(name, draw(st.sampled_from(list(Region))), draw(VALUES), draw(VALUES)), draw(st.booleans())
            )
            for name in names
        )
    )


@given(flows(), st.lists(st.tuples(VALUES | st.just(np.nan), VALUES | st.just(np.nan)), min_size=1, max_size=8),
       st.sampled_from(["float32", "float64"]))  # fmt: skip
def test_the_hard_mask_is_the_flows_own(flow, rows, dtype):
    with np.errstate(over="ignore"):
        x = np.array(rows, dtype=dtype)
    columns = {"a": x[:, 0], "b": x[:, 1]}
    layer = CutLayer.from_flow(flow, ["a", "b"])
    expected = flow.mask(columns, len(x))
    assert np.array_equal(layer.hard(torch.from_numpy(x)).numpy(), expected)
    back = layer.to_flow(dict.fromkeys("ab", dtype))
    assert np.array_equal(back.mask(columns, len(x)), expected)
    assert np.array_equal(back.rounded(dict.fromkeys("ab", dtype)).mask(columns, len(x)), expected)
    assert CutLayer.from_flow(back, ["a", "b"]).to_flow(dict.fromkeys("ab", dtype)) == back


@given(flows(), st.lists(st.tuples(VALUES | st.just(np.nan), VALUES), min_size=1, max_size=6))
@settings(max_examples=20)
def test_soft_masks_and_gradients_are_numbers_whatever_the_values(flow, rows):
    layer = CutLayer.from_flow(flow, ["a", "b"], scale=0.5)
    x = torch.tensor(rows, dtype=torch.float64, requires_grad=True)
    soft = layer.soft(x)
    assert ((soft >= 0) & (soft <= 1)).all()
    (soft.sum() + layer.log_soft(x).clamp_min(-50).sum()).backward()
    for gradient in (x.grad, layer.shift_lower.grad, layer.shift_upper.grad):
        assert not gradient.isnan().any()
    for row, event in enumerate(rows):
        if np.isnan(event[0]) and any(cut.observable == "a" for cut in flow.cuts):
            assert soft[row] == 0


def all_regions():
    cuts = [
        Cut("a", Region.BELOW, None, 1.0), Cut("b", Region.ABOVE, -0.5), Cut("c", Region.INSIDE, -1.0, 2.0),
        Cut("d", Region.OUTSIDE, -0.3, 0.4), Cut("e", Region.ALL),
    ]  # fmt: skip
    return CutLayer(cuts, scale={"a": 1.0, "b": 2.0, "c": 0.5, "d": 0.7, "e": 1.0}, steepness=3.0)


def test_the_soft_mask_is_the_product_of_logistic_functions():
    x = np.random.default_rng(0).normal(size=(50, 5))

    def above(value, edge, scale):
        return 1 / (1 + np.exp(-3 * (value - edge) / scale))

    a, b, c, d, _ = x.T
    expected = (
        above(-a, -1.0, 1.0)
        * above(b, -0.5, 2.0)
        * above(c, -1.0, 0.5)
        * above(-c, -2.0, 0.5)
        * (1 - above(d, -0.3, 0.7) * above(-d, -0.4, 0.7))
    )
    layer = all_regions()
    assert np.allclose(layer.soft(torch.from_numpy(x)).detach(), expected, rtol=1e-12)
    assert np.allclose(layer.log_soft(torch.from_numpy(x)).detach(), np.log(expected), rtol=1e-12)


def test_gradients_are_finite_differences_and_the_log_keeps_what_the_product_loses():
    layer = all_regions()
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(3, 5)))

    def masks(lower, upper, values):
        shifts = {"shift_lower": lower, "shift_upper": upper}
        return torch.func.functional_call(layer, shifts, (values,))

    inputs = [torch.zeros(5, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(masks, (*inputs, x.requires_grad_()))
    far = torch.full((1, 5), 900.0, dtype=torch.float64)
    assert layer.soft(far) == 0
    assert layer.log_soft(far).item() == pytest.approx(-3 * 899 - 3 * 898 / 0.5)


@pytest.mark.parametrize("steepness", [1e3, 1e6])
def test_steep_soft_masks_are_the_hard_mask(steepness):
    layer = all_regions()
    layer.steepness.fill_(steepness)
    x = torch.from_numpy(np.random.default_rng(2).normal(size=(500, 5)))
    assert (layer.soft(x) - layer.hard(x).double()).abs().mean() < 2 / steepness  # but for values close to a boundary


def test_crossed_boundaries_do_what_the_hard_cut_does():
    x = torch.linspace(-5, 5, 101, dtype=torch.float64)[:, None]
    for region, share in ((Region.INSIDE, 0.0), (Region.OUTSIDE, 1.0)):
        layer = CutLayer([Cut("x", region, 1.0, -1.0)], steepness=20.0)
        assert layer.hard(x).double().mean() == share
        assert layer.soft(x).mean().item() == pytest.approx(share, abs=1e-6)


def test_training_anneals_and_evaluation_is_hard():
    layer = CutLayer([Cut("x", Region.ABOVE, 0.0)], steepness=1.0)
    x = torch.tensor([[-1.0], [0.0], [1.0]])
    assert torch.allclose(layer(x), torch.sigmoid(x[:, 0]))
    assert layer(x).dtype == torch.float32
    layer.anneal(0.5, 1.0, 100.0)
    assert layer.steepness.item() == pytest.approx(10.0)
    assert torch.allclose(layer(x), torch.sigmoid(10 * x[:, 0]))
    layer.eval()
    assert layer(x).tolist() == [0.0, 0.0, 1.0]  # the boundary itself is not passed
    assert layer(torch.tensor([[-1], [0], [1]])).tolist() == [0.0, 0.0, 1.0]


def test_straight_through_has_the_hard_value_and_the_soft_gradient():
    x = torch.tensor([[-0.2], [0.3]], dtype=torch.float64)
    gradients = []
    for straight in (False, True):
        layer = CutLayer([Cut("x", Region.ABOVE, 0.0)], steepness=2.0, straight_through=straight)
        mask = layer(x)
        mask.sum().backward()
        gradients.append(layer.shift_lower.grad.item())
    assert mask.tolist() == [0.0, 1.0]
    assert gradients[0] == gradients[1] != 0


def test_replicas_are_a_leading_dimension():
    rows = [[Cut("a", Region.ABOVE, 0.0), Cut("b", Region.BELOW, None, 1.0)],
            [Cut("a", Region.ALL), Cut("b", Region.OUTSIDE, -1.0, 1.0)]]  # fmt: skip
    layer = CutLayer(rows, steepness=5.0)
    x = torch.from_numpy(np.random.default_rng(3).normal(size=(40, 2)))
    assert layer.soft(x).shape == layer.hard(x).shape == (2, 40)
    for row, cuts in enumerate(rows):
        single = CutLayer(cuts, steepness=5.0)
        assert torch.equal(layer.hard(x)[row], single.hard(x))
        assert torch.allclose(layer.soft(x)[row], single.soft(x))
        assert torch.allclose(layer.soft(x.expand(2, -1, -1))[row], single.soft(x))
        assert layer.to_flows()[row].cuts == single.to_flow().cuts
    assert [flow.replica for flow in layer.to_flows()] == [0, 1]
    with pytest.raises(UsageError, match="to_flows"):
        layer.to_flow()
    with pytest.raises(InputError, match="same observables"):
        CutLayer([rows[0], rows[1][:1]])


def test_the_state_comes_back_on_another_layer_and_in_another_precision():
    layer = all_regions()
    torch.nn.init.normal_(layer.shift_lower)
    torch.nn.init.normal_(layer.shift_upper)
    stored = io.BytesIO()
    torch.save(layer.state_dict(), stored)
    stored.seek(0)
    other = CutLayer([Cut(name, Region.ALL) for name in "abcde"])
    other.load_state_dict(torch.load(stored, weights_only=True))
    x = torch.from_numpy(np.random.default_rng(4).normal(size=(30, 5)))
    assert torch.equal(layer.soft(x), other.soft(x))
    assert other.to_flow() == layer.to_flow()
    assert "a < " in repr(other)
    single = other.to(torch.float32)
    assert single.soft(x.float()).dtype == torch.float32
    assert torch.allclose(single.soft(x.float()).double(), layer.soft(x), atol=1e-5)


def test_a_flow_keeps_what_it_was_trained_for_and_rounds_its_boundaries():
    flow = CutFlow((LearnedCut(Cut("x", Region.ABOVE, 0.1)),), "signal_efficiency=0.5", 0.5, 300.0, replica=7)
    layer = cutflow_cli.CutLayer.from_flow(flow)
    back = layer.to_flow({"x": "float32"}, like=flow)
    assert (back.working_point, back.target, back.hypothesis, back.replica) == ("signal_efficiency=0.5", 0.5, 300.0, 7)
    assert back.steps[0].cut.lower == float(np.float32(0.1))
    assert layer.to_flow().steps[0].cut.lower == 0.1


def test_scales_are_half_widths_of_the_observables():
    rng = np.random.default_rng(5)
    found = half_widths(
        {"x": np.append(rng.normal(3, 2, 20000), np.nan), "mostly": np.array([0.0] * 99 + [1.0]), "one": np.ones(5)}
    )
    assert found["x"] == pytest.approx(2.0, rel=0.05)
    assert found["mostly"] == pytest.approx(np.sqrt(0.99 * 0.01))
    assert found["one"] == 1.0


@pytest.mark.parametrize(
    ("options", "said"),
    [({"features": ["y", "xx"]}, "no feature of the layer"), ({"scale": 0.0}, "above 0"),
     ({"scale": {"y": 1.0}}, "no scale"), ({"steepness": -1.0}, "steepness")],
)  # fmt: skip
def test_what_cannot_be_is_said(options, said):
    with pytest.raises((InputError, UsageError), match=said):
        CutLayer([Cut("x", Region.ABOVE, 0.0)], **options)
