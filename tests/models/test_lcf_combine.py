"""Two neurons to one cut: the published table, the published runs, and three implementations that must agree."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from lcf_cases import make_sample, random_parameters, sigmoid, unit_prepared

from cutflow_cli.models.lcf import combine as rules
from cutflow_cli.models.lcf import kernel
from cutflow_cli.models.lcf.constants import BL, BU, WL, WU, K, logit
from cutflow_cli.models.lcf.flow import learned_flow
from cutflow_cli.models.lcf.settings import LcfSettings
from cutflow_cli.models.lcf.torch_path import applied_regions, passes

BELOW, ABOVE, INSIDE, OUTSIDE, ALL = rules.BELOW, rules.ABOVE, rules.INSIDE, rules.OUTSIDE, rules.ALL
#: Centre 1; boundaries "on their own side" are -2 (lower) and 3 (upper), directions -1 below, +1 above.
TABLE = [
    # both on their own side
    (-2, 3, -1, -1, (BELOW, None, -2)),
    (-2, 3, +1, +1, (ABOVE, 3, None)),
    (-2, 3, +1, -1, (INSIDE, -2, 3)),
    (-2, 3, -1, +1, (OUTSIDE, -2, 3)),
    # only the lower one, whatever the upper one passes
    (-2, 0, -1, -1, (BELOW, None, -2)),
    (-2, 0, -1, +1, (BELOW, None, -2)),
    (-2, 0, +1, -1, (ABOVE, -2, None)),
    (-2, 0, +1, +1, (ABOVE, -2, None)),
    (-2, 1, -1, +1, (BELOW, None, -2)),  # an upper boundary exactly at the centre
    # only the upper one
    (2, 3, -1, -1, (BELOW, None, 3)),
    (2, 3, +1, -1, (BELOW, None, 3)),
    (2, 3, -1, +1, (ABOVE, 3, None)),
    (2, 3, +1, +1, (ABOVE, 3, None)),
    (1, 1, +1, -1, (BELOW, None, 1)),  # both exactly at the centre
    # neither
    (2, 0, -1, -1, (BELOW, None, 2)),
    (2, 0, +1, +1, (ABOVE, 0, None)),
    (2, 0, +1, -1, (OUTSIDE, 0, 2)),
    (2, 0, -1, +1, (ALL, None, None)),  # x < 2 or x > 0: everything
    (1, 0, +1, -1, (OUTSIDE, 0, 1)),
]


@pytest.mark.parametrize(("lower", "upper", "low", "up", "expected"), TABLE)
def test_every_row_of_the_published_table(lower, upper, low, up, expected):
    code, below, above = rules.combine(float(lower), float(upper), low > 0, up > 0, 1.0)
    assert (code, *(None if math.isnan(x) else x for x in (below, above))) == expected


#: Centres of the published datasets.
CENTRES = {
    **{"x1": -2, "x2": 2, "x3": 0, "x4": 0, "x5": -1, "x6": -3, "x7": -5, "x8": 5, "x9": -1.8, "x10": -1.4},
    **{"Mjet": 80, "C2_beta1": 0.15, "C2_beta2": 0.025, "D2_beta1": 2, "D2_beta2": 2, "tau21_beta1": 0.3},
}
NAMES = {"left": BELOW, "right": ABOVE, "middle": INSIDE, "edge": OUTSIDE}


def published_cuts(root):
    results = json.loads((root / "tests/reference/lcf_published_results.json").read_text())["results"]
    for key, result in results.items():
        for cut in result["cuts"]:
            # Means over runs stand for the runs only where the runs agree on the case.
            mixed = cut["feature"] in ("x7", "x8") or max(cut["boundaries_std"]) > 1
            if cut["feature"] not in result["features_below_baseline"] and not mixed:
                yield key, cut


def test_the_cases_and_the_neurons_of_the_published_runs(root):
    compared = set()
    for key, cut in published_cuts(root):
        lower, upper = cut["boundaries_mean"]
        low, up = (direction > 0 for direction in cut["directions"])
        code, below, above = rules.combine(lower, upper, low, up, float(CENTRES[cut["feature"]]))
        assert code == NAMES[cut["case_name"]], (key, cut)
        applied = {BELOW: above, ABOVE: below}.get(code)
        if applied is not None:
            assert applied == cut["boundaries_mean"][cut["index"]], (key, cut)
        else:
            assert (below, above) == (lower, upper)
            assert cut["index"] == -1
        compared.add((key, cut["feature"]))
    assert len(compared) > 30


floats = st.floats(-50, 50)


@given(floats, floats, st.booleans(), st.booleans(), floats, st.floats(-60, 60))
def test_the_region_keeps_what_the_table_says(lower, upper, low, up, centre, x):
    def passed(boundary, above):
        return x > boundary if above else x < boundary

    code, below, above = rules.combine(lower, upper, low, up, centre)
    cut = rules.to_cut("x", code, below, above)
    if lower < centre < upper:
        expected = {
            (False, False): passed(lower, low),
            (True, True): passed(upper, up),
            (True, False): passed(lower, low) and passed(upper, up),
            (False, True): passed(lower, low) or passed(upper, up),
        }[low, up]
    elif lower < centre:
        expected = passed(lower, low)
    elif upper >= centre:
        expected = passed(upper, up)
    else:
        expected = {(False, False): passed(lower, low), (True, True): passed(upper, up)}.get(
            (low, up), passed(lower, low) or passed(upper, up)
        )
    assert bool(cut.passes(np.array([x]))[0]) == expected


@given(floats, floats, st.booleans(), st.booleans(), floats, st.floats(-60, 60))
def test_by_side_each_neuron_decides_about_its_own_side(lower, upper, low, up, centre, x):
    assume(x not in (centre, lower, upper))  # a cut has strict boundaries, and the centre is one
    assume(not (lower < centre < upper and low == up))  # two valid neurons of one direction: the published table
    code, below, above = rules.combine_by_side(lower, upper, low, up, centre)
    cut = rules.to_cut("x", code, below, above)
    boundary, above_it = (lower, low) if x < centre else (upper, up)
    expected = x > boundary if above_it else x < boundary
    wholes = lower >= centre and upper <= centre and low and not up  # both sides rejected: no cut, not an empty one
    assert bool(cut.passes(np.array([x]))[0]) == (expected or wholes)


@given(floats, floats, st.booleans(), st.booleans(), floats)
def test_by_side_is_the_published_rule_where_both_neurons_are_valid(lower, upper, low, up, centre):
    assume(lower < centre < upper)
    assert str(rules.combine_by_side(lower, upper, low, up, centre)) == str(
        rules.combine(lower, upper, low, up, centre)
    )


weights = st.one_of(st.floats(-8, -0.01), st.floats(0.01, 8))


@given(
    st.lists(st.tuples(st.floats(-2, 2), weights, floats, weights, floats, st.floats(-3, 3)), min_size=1, max_size=4),
    st.booleans(),
)
def test_torch_and_kernel_find_the_regions_that_combine_gives(rows, by_side):
    table = np.array(rows)
    params, centres = np.ascontiguousarray(table[:, [0, 1, 2, 3, 4]]), np.ascontiguousarray(table[:, 5])
    threshold, minimum = logit(0.6), 0.4
    share = np.exp(params[:, K]) / np.exp(params[:, K]).sum()
    found = applied_regions(torch.as_tensor(params)[None], torch.as_tensor(centres), threshold, minimum, by_side)
    region = np.empty((len(params), 3))
    kernel.regions(params, share, centres, threshold, minimum, region, by_side)
    combine = rules.combine_by_side if by_side else rules.combine
    for i, row in enumerate(params):
        low, up = row[WL] * share[i], row[WU] * share[i]
        ends = (threshold - row[BL]) / low - centres[i], (threshold - row[BU]) / up - centres[i]
        if min(abs(ends[0]), abs(ends[1])) < 1e-9:
            continue  # a boundary at the centre, to rounding
        code, lower, upper = combine(*ends, low > 0, up > 0, 0.0)
        if share[i] <= minimum / len(params):
            code = ALL
        for other in (tuple(float(part[0, i]) for part in found), tuple(region[i])):
            assert other[0] == code
            if code in (ABOVE, INSIDE, OUTSIDE):
                assert other[1] == pytest.approx(lower, rel=1e-9, abs=1e-9)
            if code in (BELOW, INSIDE, OUTSIDE):
                assert other[2] == pytest.approx(upper, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("combination", ["by-side", "published"])
def test_inference_applies_what_the_flow_of_training_keeps(combination):
    rng = np.random.default_rng(6)
    label = np.arange(2000) % 2
    sample = make_sample(rng.normal(np.where(label, -1.0, 1.0)[:, None] * [1, -2, 0.5], 2.0), label)
    settings = LcfSettings(strategy="sequential", scale="moments", tidy=False, combination=combination)
    by_side = combination == "by-side"
    data = unit_prepared(sample, {"x1": -1.0, "x2": 2.0, "x3": 0.3})
    seen = set()
    for seed in range(40):
        params = random_parameters(3, seed)
        params[:, K] *= 1.2
        share, region = np.empty(3), np.empty((3, 3))
        kernel.importance(params, share)
        kernel.regions(params, share, data.standard_centre, logit(0.5), settings.min_importance, region, by_side)
        flow = learned_flow(params, np.zeros(3, dtype=bool), data, sample, settings, 0)
        tensors = [part[0] for part in applied_regions(
            torch.as_tensor(params)[None], torch.as_tensor(data.standard_centre), logit(0.5), settings.min_importance,
            by_side,
        )]  # fmt: skip
        for i, step in enumerate(flow.steps):
            applied = step.cut.passes(sample.x[:, i]) if step.active else np.ones(2000, dtype=bool)
            u = data.u[:, i]
            near = np.zeros(2000, dtype=bool)
            for boundary in (step.cut.lower, step.cut.upper):
                if boundary is not None:  # rounding decides there
                    near |= np.abs(sample.x[:, i] - boundary) < 1e-5 * max(1.0, abs(boundary))
            kept = np.array([kernel._passes(float(value), int(region[i, 0]), *region[i, 1:]) for value in u[:400]])
            assert (kept == applied[:400])[~near[:400]].all()
            by_torch = passes(torch.as_tensor(u)[None], *(part[i].reshape(1, 1) for part in tensors))[0].numpy()
            assert (by_torch == applied)[~near].all()
            assert near.mean() < 0.01
            seen.add(step.cut.region if step.active else None)
    assert len(seen) == 5  # every region, and the inactive


def test_a_boundary_is_where_the_neuron_crosses_the_threshold():
    for weight, bias, threshold in ((2.0, 0.3, 0.5), (-1.5, 0.2, 0.7), (0.01, -3.0, 0.2)):
        z = rules.boundary(weight, bias, logit(threshold))
        assert sigmoid(weight * z + bias) == pytest.approx(threshold, rel=1e-12)


@pytest.mark.parametrize(("bias", "everything"), [(0.1, True), (-0.1, False)])
def test_a_neuron_without_weight_passes_all_or_nothing_as_its_constant_output_says(bias, everything):
    boundary = rules.boundary(0.0, bias, logit(0.5))
    x = np.array([-1e30, 0.0, 1e30])
    one_sided = rules.to_cut("x", *rules.combine(boundary, boundary, False, False, 0.0))  # a weight of 0 is not above
    assert (one_sided.passes(x) == everything).all()
