"""The preset `hml` against its scan written down a second time, with masks and loops, from HEP ML LAB's source."""

import itertools

import numpy as np
import pytest
from lcf_cases import make_sample, mock_sample

from cutflow_cli.models.cut_and_count.model import CutAndCount
from cutflow_cli.models.cut_and_count.settings import PRESETS, CutAndCountSettings
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.models.settings import resolve_settings
from cutflow_cli.selection.cut import Region


def published_cut(x, y, bins):
    """Return the mask-making rule of the least loss: (case, left, right), or None without a candidate."""
    edges = np.linspace(x.min(), x.max(), bins + 1).astype(np.float32)
    hist = [
        [int(((lo <= x[y == c]) & (x[y == c] <= hi)).sum()) for lo, hi in itertools.pairwise(edges)] for c in (0, 1)
    ]
    found = set()
    for one, other in (hist, hist[::-1]):
        for i in range(bins - 1):
            if (one[i] > other[i]) != (one[i + 1] > other[i + 1]) and one[i] > 0:
                found.add(edges[i + 1])
    candidates = sorted(found)
    if not candidates:
        return None
    if len(candidates) == 1:
        candidates.append(x.max())
    best = None
    for b in candidates:
        for a in candidates:
            if a < b:
                for case in range(4):
                    wrong = int((selected(x, case, a, b) != (y == 1)).sum())
                    if best is None or wrong < best[0]:
                        best = wrong, (case, a, b)
    return best[1]


def selected(x, case, a, b):
    return [x <= a, x >= a, (x >= a) & (x <= b), (x <= a) | (x >= b)][case]


def fit(sample, **chosen):
    settings, _ = resolve_settings(CutAndCountSettings, PRESETS, {"preset": "hml", **chosen})
    return CutAndCount(settings).fit(sample, TrainingContext())


@pytest.mark.parametrize("kinds", ["left right middle edge", "weak noise middle", "edge weak"])
@pytest.mark.parametrize("strategy", ["parallel", "sequential"])
def test_every_event_is_selected_as_published(kinds, strategy):
    sample = mock_sample(3000, seed=2, kinds=kinds)
    flow = fit(sample, strategy=strategy).flows[-1]
    mask = np.ones(len(sample), dtype=bool)
    for k, name in enumerate(sample.features):
        x, seen = sample.x[:, k], mask if strategy == "sequential" else np.ones(len(sample), dtype=bool)
        case, a, b = published_cut(x[seen], sample.label[seen], 50)
        passed = selected(x, case, a, b)
        cut = flow.steps[k].cut
        assert cut.observable == name
        assert np.array_equal(cut.passes(x), passed)
        mask = mask & passed
    assert np.array_equal(flow.mask(sample.columns, len(sample)), mask)


def test_values_on_an_edge_stay_on_the_published_side():
    """Integers between 0 and 10 in 10 bins lie on the edges, where its comparisons hold and strict ones would not."""
    rng = np.random.default_rng(5)
    label = np.arange(400) % 2
    x = np.clip(rng.poisson(np.where(label == 1, 3.0, 6.0)), 0, 10).astype(np.float32)
    sample = make_sample(x[:, None], label)
    cut = fit(sample, bins=10).flows[-1].steps[0].cut
    case, a, b = published_cut(x, label, 10)
    assert np.array_equal(cut.passes(x), selected(x, case, a, b))
    assert cut.region is (Region.BELOW, Region.ABOVE, Region.INSIDE, Region.OUTSIDE)[case]
    assert not float(cut.upper).is_integer()  # the next number beyond the edge


def test_the_mask_of_a_sequential_flow_is_not_overwritten():
    """hml trains cut k on what cut k-1 alone keeps; here, and in its paper, on what all before it keep."""
    sample = mock_sample(6000, seed=1)
    flow = fit(sample, strategy="sequential").flows[-1]
    third = flow.steps[2].cut.passes(sample.x[:, 2])
    everything = third & flow.steps[1].cut.passes(sample.x[:, 1]) & flow.steps[0].cut.passes(sample.x[:, 0])
    x, y, rule = sample.x[:, 3], sample.label, []
    for seen in (everything, third):
        case, a, b = published_cut(x[seen], y[seen], 50)
        rule.append(selected(x, case, a, b))
    last = flow.steps[3].cut.passes(x)
    assert np.array_equal(last, rule[0])
    assert not np.array_equal(rule[0], rule[1])  # so that the two can be told apart


def test_missing_and_infinite_values_do_not_stop_it():
    sample = mock_sample(2000, kinds="left right")
    sample.x[:10, 0] = np.nan
    sample.x[10:14, 1] = np.inf
    flow = fit(sample).flows[-1]
    assert len(flow.cuts) == 2
    assert not flow.steps[0].cut.passes(sample.x[:10, 0]).any()


def test_classes_that_cross_nowhere_leave_no_cut():
    label = np.repeat([0, 1], [3000, 300])
    values = np.concatenate([np.linspace(0.0, 1.0, 3000), np.linspace(0.1, 0.9, 300)])
    step = fit(make_sample(values[:, None], label)).flows[-1].steps[0]
    assert not step.active
    assert "bin edge" in step.note


def test_a_cut_is_made_even_where_none_would_be_better():
    """As published, so that noise is cut on: the default search refuses it."""
    sample = mock_sample(4000, seed=3, kinds="noise")
    assert fit(sample).flows[-1].steps[0].active
    chosen = CutAndCountSettings(fom="accuracy")
    assert not CutAndCount(chosen).fit(sample, TrainingContext()).flows[-1].steps[0].active
