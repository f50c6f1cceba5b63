"""What cuts are worth, counted in parts, against the same counted the long way round."""

from __future__ import annotations

import numpy as np
import pytest

from cutflow_cli.models.streaming.flows import Worth
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

EVENTS = 5000
CUTS = (
    Cut("a", Region.ABOVE, lower=-0.5),
    Cut("b", Region.INSIDE, lower=-1.0, upper=1.5),
    Cut("c", Region.BELOW, upper=0.7),
    Cut("d", Region.ALL),
)


@pytest.fixture
def events():
    rng = np.random.default_rng(4)
    columns = {name: rng.normal(size=EVENTS).astype(np.float32) for name in "abcd"}
    columns["b"][::40] = np.nan
    label, weight = (rng.random(EVENTS) < 0.4).astype(np.int8), rng.choice([-0.5, 0.3, 1.0], EVENTS)
    return columns, label, weight


def test_each_cut_is_worth_what_the_others_would_keep_without_it(events):
    columns, label, weight = events
    flow = CutFlow(tuple(LearnedCut(cut) for cut in CUTS))
    found = Worth(flow)
    for part in np.split(np.arange(EVENTS), [17, 17, 2000]):  # one of them empty
        found.add({name: values[part] for name, values in columns.items()}, label[part], weight[part])

    def kept(cuts):
        mask = np.all([cut.passes(columns[cut.observable]) for cut in cuts], axis=0)
        return mask, np.array([weight[mask & (label == one)].sum() for one in (0, 1)])

    mask, whole = kept(CUTS)
    np.testing.assert_allclose(found.kept, whole, rtol=1e-12)
    assert found.events.tolist() == [np.count_nonzero(mask & (label == one)) for one in (0, 1)]
    total = np.array([weight[label == one].sum() for one in (0, 1)])
    np.testing.assert_allclose(found.total, total, rtol=1e-12)
    for number, step in enumerate(found.filled_in().steps[:3]):
        without = kept(CUTS[:number] + CUTS[number + 1 :])[1]
        np.testing.assert_allclose(found.alone[number], without - whole, rtol=1e-9)
        background, signal = (without - whole) / total
        assert step.n_minus_1_loss == pytest.approx((background - signal) / 2, rel=1e-9)
    assert len(found.alone) == 3  # a cut that keeps everything is none
