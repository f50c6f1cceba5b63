"""One pass over the file counts what each flow's own mask counts, whatever the batches."""

from __future__ import annotations

import numpy as np
import pytest

from cutflow_cli.errors import InputError
from cutflow_cli.evaluation import cut_sums, depth_counter
from cutflow_cli.evaluation import tally as module
from cutflow_cli.evaluation.tally import tally
from cutflow_cli.events.ranges import RowRange
from cutflow_cli.events.schema import SPLITS
from cutflow_cli.events.table import open_events


def direct(sample, cuts, process, split, hypothesis=None):
    """Count, sum and square-sum the plain way: one mask over all events."""
    batch = sample.batch
    mask = (batch.process == process) & (batch.split == SPLITS.index(split))
    for cut in cuts:
        mask &= cut.passes(batch.columns[cut.observable])
    if batch.hypothesis is not None:
        mask &= np.isnan(batch.hypothesis) if hypothesis is None else batch.hypothesis == hypothesis
    return mask.sum(), batch.weight[mask].sum(), (batch.weight[mask] ** 2).sum()


@pytest.mark.parametrize("compiled_from", [0, 1e9])
def test_agrees_with_masks_at_every_stage(make_sample, make_flow, monkeypatch, compiled_from):
    monkeypatch.setattr(cut_sums, "COMPILED_FROM", compiled_from)
    sample = make_sample()
    flows = [make_flow(0.0, 0.5), make_flow(0.0, 1.0), make_flow(-0.3, 0.5)]
    found = tally(open_events(sample.path), flows)
    assert found.sums.shape == (6, 1, 3, 3, 3)  # two flows share their first stage, all share the start
    for flow in flows:
        for position in range(3):
            cuts = flow.cuts[:position]
            for process in range(3):
                for split in SPLITS:
                    counted = found.sums[found.prefixes[cuts], 0, process, SPLITS.index(split)]
                    assert counted == pytest.approx(direct(sample, cuts, process, split), rel=1e-12)


@pytest.mark.parametrize("rows", [1, 97, 100_000])
def test_batches_do_not_matter(make_sample, make_flow, rows):
    events = open_events(make_sample(events=200, hypotheses=(5.0, 1.0)).path)
    whole, batched = tally(events, [make_flow(0.0, 0.5)]), tally(events, [make_flow(0.0, 0.5)], rows=rows)
    assert whole.hypotheses == batched.hypotheses == (1.0, 5.0)
    np.testing.assert_array_equal(whole.sums[..., 0], batched.sums[..., 0])
    np.testing.assert_allclose(whole.sums, batched.sums, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("compiled_from", [0, 1e9])
def test_masks_held_at_a_time_do_not_matter(make_sample, make_flow, monkeypatch, compiled_from):
    monkeypatch.setattr(cut_sums, "COMPILED_FROM", compiled_from)
    events = open_events(make_sample(events=500, hypotheses=(5.0, 1.0)).path)
    flows = [make_flow(0.0, 0.1 * number) for number in range(6)]
    whole = tally(events, flows)
    monkeypatch.setattr(depth_counter, "_MASKS", 2)  # each flow has two
    monkeypatch.setattr(module, "AT_ONCE", 100)
    parts = tally(events, flows)
    np.testing.assert_array_equal(whole.sums[..., 0], parts.sums[..., 0])
    np.testing.assert_allclose(whole.sums, parts.sums, rtol=1e-12, atol=1e-12)


def test_mass_points_that_appear_late(make_sample, make_flow):
    sample = make_sample(events=400, hypotheses=(2.0, 1.0, 3.0))
    order = np.argsort(np.nan_to_num(sample.batch.hypothesis), kind="stable")[::-1]
    events, sample_batch, flow = open_events(sample.path), sample.batch.take(order), make_flow(0.0, 0.5)

    class Sorted:
        path, rows, processes = events.path, events.rows, events.processes

        def __init__(self, events_of_range):
            starts = range(0, 400, events_of_range)
            self.found = tuple(RowRange((start, start + 1), start, events_of_range) for start in starts)

        def ranges(self):
            return self.found

        def batches(self, columns, rows, *, part):
            for start in range(part.first_row, part.first_row + part.rows, 50):
                yield sample_batch.part(start, start + 50)

    plain = tally(events, [flow])
    for events_of_range in (400, 200, 50):
        found = tally(Sorted(events_of_range), [flow])
        assert found.hypotheses == plain.hypotheses == (1.0, 2.0, 3.0)
        np.testing.assert_array_equal(found.sums[..., 0], plain.sums[..., 0])
        np.testing.assert_allclose(found.sums, plain.sums, rtol=1e-12, atol=1e-12)


def test_hypotheses_are_kept_apart(make_sample, make_flow):
    sample = make_sample(hypotheses=(2.0, 1.0, 3.0))
    flow = make_flow(0.0, 0.5)
    found = tally(open_events(sample.path), [flow])
    assert found.hypotheses == (1.0, 2.0, 3.0)
    for position, hypothesis in enumerate((None, *found.hypotheses)):
        for process in range(3):
            counted = found.sums[found.prefixes[flow.cuts], position, process, 2]
            assert counted == pytest.approx(direct(sample, flow.cuts, process, "test", hypothesis))


def test_each_cut_is_evaluated_once_per_batch(make_sample, make_flow, monkeypatch):
    calls = []
    passes = depth_counter.Cut.passes

    def counting(cut, values):
        calls.append(cut)
        return passes(cut, values)

    monkeypatch.setattr(depth_counter.Cut, "passes", counting)
    tally(open_events(make_sample().path), [make_flow(0.0, 0.5, r) for r in range(5)] + [make_flow(0.1, 0.5)])
    assert len(calls) == 3  # x > 0, x > 0.1, y < 0.5


def test_progress_ends_at_one(make_sample, make_flow):
    seen = []
    tally(
        open_events(make_sample(events=100).path), [make_flow(0, 0)], 30, lambda done, text: seen.append((done, text))
    )
    assert [done for done, _ in seen] == pytest.approx([0.3, 0.6, 0.9, 1.0])
    assert seen[-1][1] == "100 of 100 events"


def test_continuous_hypothesis_is_refused(make_sample, make_flow):
    sample = make_sample(hypotheses=np.linspace(1, 2, 1500).tolist(), events=8000)
    with pytest.raises(InputError, match=r"events\.parquet: column 'hypothesis' holds more than 1000"):
        tally(open_events(sample.path), [make_flow(0, 0)])


def test_missing_feature(make_sample, make_flow):
    from dataclasses import replace

    flow = make_flow(0.0, 0.5)
    step = replace(flow.steps[0], cut=replace(flow.steps[0].cut, observable="xx"))
    with pytest.raises(InputError, match="no column 'xx'; did you mean x"):
        tally(open_events(make_sample().path), [replace(flow, steps=(step,))])
