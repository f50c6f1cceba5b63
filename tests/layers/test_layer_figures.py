"""Figures of merit of soft counts: equal to those of `metrics`, gradients by finite differences, and limits."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.errors import UsageError
from cutflow_cli.layers import SoftCounts, asimov, figure_of_counts, formula_value, soft_counts
from cutflow_cli.metrics.figures_of_merit import FIGURES_OF_MERIT, Yields
from cutflow_cli.metrics.formula import parse_formula
from cutflow_cli.metrics.objectives import parse_objective
from cutflow_cli.metrics.significance import asimov_significance
from cutflow_cli.selection.tree import Call, Name

FORMULAS = [
    "s / sqrt(b + sigma_b**2)",
    "Z = where(b > 10 and not s > 5, s/sqrt(b), sqrt(2*((s+b)*log(1+s/b)-s)))",
    "-min(s, b, sigma_s + 1) + max(s, 2.5) * abs(b - 3) % 7",
    "atan2(s, b) + float32(0.1) * log10(b) + sinh(s / (s + b)) ** 2 / exp(sigma_s) + floor(s) - ceil(b)",
]
OBJECTIVES = [*FIGURES_OF_MERIT, *FORMULAS]


def tensor(value):
    return torch.tensor(value, dtype=torch.float64)


def some_yields(rng, size=40):
    s, b = 10 ** rng.uniform(-4, 3, size), 10 ** rng.uniform(-2, 5, size)
    return Yields(s, b, b * 10 ** rng.uniform(-3, 1, size), 2e3, 2e5, s * 0.3)


def as_counts(yields, **leaves):
    given_ = {"S": yields.S, "B": yields.B, "B_variance": yields.B_variance, "S_variance": yields.S_variance, **leaves}
    tensors = {name: torch.as_tensor(value, dtype=torch.float64) for name, value in given_.items()}
    return SoftCounts(**tensors, S_total=tensor(yields.S_total), B_total=tensor(yields.B_total))


def objective_of(text):
    return parse_objective(text, 0.1 if text == "asimov" or "sigma_b" in text else 0.0)


@pytest.mark.parametrize("text", OBJECTIVES)
def test_values_are_those_of_metrics(text):
    objective, yields = objective_of(text), some_yields(np.random.default_rng(0))
    assert np.allclose(figure_of_counts(objective, as_counts(yields)), objective.values(yields), rtol=1e-12)


@pytest.mark.parametrize("text", OBJECTIVES)
def test_gradients_are_finite_differences_of_metrics(text):
    objective, yields = objective_of(text), some_yields(np.random.default_rng(1))
    if "floor" in text or "%" in text:  # steps, across which there is no difference quotient
        text = text.replace(" % 7", "").replace("floor(s) - ceil(b)", "0")
        objective = parse_objective(text, 0.1 if "sigma_b" in text else 0.0)
    names = ("S", "B", "B_variance", "S_variance")
    leaves = {name: torch.tensor(getattr(yields, name), requires_grad=True) for name in names}
    figure_of_counts(objective, as_counts(yields, **leaves)).sum().backward()
    for name in names:
        step = 1e-5 * getattr(yields, name)

        def at(shift, name=name):
            values = {each: getattr(yields, each) + (shift if each == name else 0.0) for each in names}
            return objective.values(
                Yields(values["S"], values["B"], values["B_variance"], 2e3, 2e5, values["S_variance"])
            )

        expected = (at(step) - at(-step)) / (2 * step)
        found = np.zeros_like(step) if leaves[name].grad is None else leaves[name].grad.numpy()
        rounding = 1e-10 * np.abs(at(0)) / step
        assert (np.abs(found - expected) <= 1e-5 * np.abs(expected) + rounding).all(), name


@given(st.floats(-12, 4), st.floats(-6, 6), st.floats(-6, 2))
def test_asimov_keeps_its_digits_at_all_scales(log_s, log_b, log_error):
    s, b = 10.0**log_s, 10.0**log_b
    sigma = 10.0**log_error * b
    leaf = tensor(s).requires_grad_()
    z = asimov(leaf, tensor(b), tensor(sigma))
    z.backward()
    assert z.item() == pytest.approx(float(asimov_significance(s, b, sigma)), rel=1e-11)
    assert np.isfinite(leaf.grad.item())
    assert leaf.grad.item() > 0


def test_asimov_without_signal_background_or_uncertainty():
    s = torch.tensor([0.0, -0.5, 1.0, 1.0, 2.0], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([4.0, 4.0, 0.0, 1e-100, 3.0], dtype=torch.float64, requires_grad=True)
    sigma = torch.tensor([1.5, 1.5, 1.0, 0.0, 0.0], dtype=torch.float64)
    z = asimov(s, b, sigma)
    z[[0, 1, 3, 4]].sum().backward()
    slope = 1 / np.sqrt(4 + 1.5**2)
    assert z[0] == 0
    assert s.grad[0].item() == pytest.approx(slope)
    assert z[1].item() == pytest.approx(-0.5 * slope)
    assert z[2] == -torch.inf
    assert z[3].item() == pytest.approx(np.sqrt(2 * (100 * np.log(10) - 1)))  # √(2(s ln(s/b) − s)) for b → 0
    assert z[4].item() == pytest.approx(np.sqrt(2 * (5 * np.log(5 / 3) - 2)))  # eq. 97 of the four
    assert torch.isfinite(s.grad).all()
    assert torch.isfinite(b.grad).all()
    single = asimov(torch.tensor([1e-7, 1.0]), torch.tensor([10.0, 1e-30]), torch.tensor([1.0, 0.0]))
    expected = asimov_significance([1e-7, 1.0], [10.0, 1e-30], [1.0, 0.0])
    assert np.allclose(single, expected, rtol=1e-5)


@pytest.mark.parametrize("name", FIGURES_OF_MERIT)
def test_without_background_values_are_those_of_metrics_and_gradients_are_numbers(name):
    objective = parse_objective(name)
    S = torch.tensor([2.0, 3.0], dtype=torch.float64, requires_grad=True)
    B = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    zero = torch.zeros(2, dtype=torch.float64)
    value = figure_of_counts(objective, SoftCounts(S, B, zero, zero, tensor(10.0), tensor(10.0)))
    expected = objective.values(Yields(S.detach().numpy(), np.zeros(2), np.zeros(2), 10, 10))
    np.testing.assert_allclose(value.detach(), expected, rtol=1e-15)  # a root may differ in its last bit
    value.sum().backward()
    assert not S.grad.isnan().any()


def test_soft_counts_of_a_hard_mask_are_plain_sums_and_replicas_lead():
    rng = np.random.default_rng(2)
    mask, weight, label = rng.random((3, 100)) < 0.4, rng.normal(1, 1, 100), rng.integers(0, 2, 100)
    counts = soft_counts(torch.from_numpy(mask), torch.from_numpy(weight), torch.from_numpy(label))
    for row in range(3):
        s, b = weight[mask[row] & (label == 1)], weight[mask[row] & (label == 0)]
        expected = s.sum(), b.sum(), (b**2).sum(), (s**2).sum()
        assert np.allclose([part[row] for part in counts[:4]], expected)
    assert counts.S_total.item() == pytest.approx(weight[label == 1].sum())
    assert counts.B_total.item() == pytest.approx(weight[label == 0].sum())
    single = soft_counts(torch.from_numpy(mask).float(), torch.from_numpy(weight), torch.from_numpy(label))
    assert torch.allclose(single.S, counts.S)
    assert single.S.dtype == torch.float64


def test_a_formula_is_walked_and_refuses_what_it_is_not():
    node = parse_formula("s + 1").node
    assert formula_value(node, tensor([1.0, 2.0]), tensor(1.0), tensor(0.0), tensor(0.0)).tolist() == [2.0, 3.0]
    assert formula_value(parse_formula("3").node, *(tensor([1.0, 2.0]),) * 4).tolist() == [3.0, 3.0]
    with pytest.raises(UsageError, match="no number"):
        formula_value(Call("sum", (Name("s"),)), *(tensor(1.0),) * 4)
    with pytest.raises(UsageError, match="condition"):
        formula_value(Call("where", (Name("s"), Name("s"), Name("b"))), *(tensor(1.0),) * 4)
