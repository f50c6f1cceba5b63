"""A cut with bins: one rule for masks, expressions and words; what is outside the bins fails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutflow_cli.errors import InputError
from cutflow_cli.runs import read_cut_flows, write_cut_flows
from cutflow_cli.selection.binned import BinnedCut, bin_title
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut, consensus
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.parse import parse_condition
from cutflow_cli.selection.text import render

EDGES = (300.0, 325.0, 350.0, 400.0)
ABOVE = BinnedCut.of("pt", EDGES, [Cut("m", Region.ABOVE, value) for value in (1.5, 2.5, 3.5)])
values = st.floats(-10, 10, width=32)


@st.composite
def members(draw, region=None):
    chosen = region or draw(st.sampled_from(list(Region)))
    low, high = sorted(draw(st.tuples(values, values)))
    return Cut("m", chosen, low if chosen.has_lower else None, high if chosen.has_upper else None)


@st.composite
def binned_cuts(draw):
    edges = sorted(draw(st.sets(values, min_size=2, max_size=5)))
    region = draw(st.none() | st.sampled_from(list(Region)))  # the same everywhere, or any
    return BinnedCut.of("pt", edges, [draw(members(region)) for _ in edges[1:]])


@settings(max_examples=60)
@given(binned_cuts(), st.data())
def test_expression_and_mask_keep_the_same_events(cut, data):
    numbers = st.one_of(values, st.sampled_from([*cut.edges, np.nan, np.inf, -np.inf]))
    rows = data.draw(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=20))
    columns = dict(zip(("pt", "m"), np.array(rows, dtype=np.float32).T, strict=True))
    kept = cut.keeps(columns)
    by_hand = [
        any(low <= pt < high and one.passes(np.array([m], dtype=np.float32))[0]
            for low, high, one in zip(cut.edges, cut.edges[1:], cut.members, strict=False))
        for pt, m in zip(*columns.values(), strict=True)
    ]  # fmt: skip
    assert kept.tolist() == by_hand
    assert evaluate(cut.expression(), columns, len(rows)).tolist() == by_hand
    assert evaluate(parse_condition(render(cut.expression())), columns, len(rows)).tolist() == by_hand


def test_bins_hold_their_lower_edge_and_nothing_is_kept_outside():
    pt = np.array([299.9, 300, 324.9, 325, 399.9, 400, np.nan, np.inf], dtype=np.float32)
    assert ABOVE.bin_of(pt).tolist() == [-1, 0, 0, 1, 2, -1, -1, -1]
    assert ABOVE.keeps({"pt": pt, "m": np.full(8, 9, dtype=np.float32)}).tolist() == [False, *[True] * 4, *[False] * 3]
    inside = BinnedCut.range_of("pt", EDGES)
    assert inside.is_range
    assert inside.keeps({"pt": pt}).tolist() == inside.passes(pt).tolist() == [False, *[True] * 4, *[False] * 3]


def test_words():
    assert str(ABOVE) == "m > (1.5, 2.5, 3.5) for pt in (300, 325, 350, 400)"
    assert str(BinnedCut.range_of("pt", EDGES)) == "300 <= pt < 400"
    some = replace(ABOVE, members=(ABOVE.members[0], Cut("m", Region.ALL), ABOVE.members[2]))
    assert str(some) == "m > (1.5, –, 3.5) for pt in (300, 325, 350, 400)"
    window = BinnedCut.of("pt", (0.5, 1, 2), [Cut("m", Region.INSIDE, 1, 2), Cut("m", Region.INSIDE, 3, 4)])
    assert str(window) == "(1.0, 3.0) < m < (2.0, 4.0) for pt in (0.5, 1, 2)"
    mixed = BinnedCut.of("pt", (0, 1, 2), [Cut("m", Region.BELOW, None, 1), Cut("m", Region.ABOVE, 3)])
    assert str(mixed) == "(m < 1.0; m > 3.0) for pt in (0, 1, 2)"
    assert render(ABOVE.expression()) == (
        "pt >= 300.0 and pt < 400.0 and m > where(pt < 325.0, 1.5, where(pt < 350.0, 2.5, 3.5))"
    )
    assert bin_title(EDGES, 1) == "325–350"
    assert bin_title((-1.0, 0.5), 0) == "-1 to 0.5"
    assert bin_title((float(np.float32(0.1)), 0.7), 0) == "0.1–0.7"


@pytest.mark.parametrize(
    ("edges", "said"),
    [
        ((1.0, 2.0), "3 cuts need 4 edges, not 2"),
        ((1.0, 3.0, 2.0, 4.0), "must be finite and rise"),
        ((1.0, 1.0, 2.0, 4.0), "must be finite and rise"),
        ((1.0, 2.0, 3.0, np.inf), "must be finite and rise"),
    ],
)
def test_impossible_bins_are_refused(edges, said):
    with pytest.raises(InputError, match=said):
        replace(ABOVE, edges=edges)


def test_other_impossible_cuts_are_refused():
    with pytest.raises(InputError, match="a bin cuts on x instead"):
        BinnedCut.of("pt", (0, 1, 2), [Cut("m", Region.ALL), Cut("x", Region.ALL)])
    with pytest.raises(InputError, match="needs pt too"):
        ABOVE.passes(np.zeros(1))
    flow = CutFlow((LearnedCut(ABOVE),))
    with pytest.raises(InputError, match="cuts on 'pt', which the events lack"):
        flow.mask({"m": np.zeros(1)}, 1)
    with pytest.raises(InputError, match="cuts on 'pt', whose type is not known"):
        flow.rounded({"m": "float32"})


def test_boundaries_and_edges_are_rounded_to_their_own_columns():
    cut = BinnedCut.of("pt", (0.1, 0.2), [Cut("m", Region.ABOVE, 0.3)])
    rounded = CutFlow((LearnedCut.from_bins("pt", cut.edges, (LearnedCut(cut.members[0]),)),)).rounded(
        {"pt": "float32", "m": "float64"}
    )
    (step,) = rounded.steps
    assert step.cut.edges == (float(np.float32(0.1)), float(np.float32(0.2)))
    assert step.cut.members == (Cut("m", Region.ABOVE, 0.3),)
    assert step.bins[0].cut == step.cut.members[0]


def learned(boundaries, **more):
    return LearnedCut.from_bins(
        "pt", EDGES, tuple(LearnedCut(Cut("m", Region.ABOVE, value), **more) for value in boundaries)
    )


def test_consensus_goes_bin_by_bin_with_errors():
    flows = [
        CutFlow((learned([1 + shift, 2, 3 - shift]),), replica=number) for number, shift in enumerate((0, 0.1, 0.4))
    ]
    flows[2] = replace(flows[2], steps=(
        LearnedCut.from_bins("pt", EDGES, (*flows[2].steps[0].bins[:2], LearnedCut(Cut("m", Region.ALL), False))),
    ))  # fmt: skip
    (step,) = consensus(flows).steps
    assert [one.cut.lower for one in step.bins] == [1.1, 2, 2.95]
    assert step.cut.members == tuple(one.cut for one in step.bins)
    assert step.bins[0].lower_error == pytest.approx(0.2)  # half the range of (1, 1.1, 1.4)
    assert [one.agreement for one in step.bins] == [1.0, 1.0, pytest.approx(2 / 3)]
    assert step.agreement == pytest.approx(2 / 3)
    other = replace(flows[1], steps=(LearnedCut.from_bins("eta", EDGES, flows[1].steps[0].bins),))
    with pytest.raises(InputError, match="not repeats of one training"):
        consensus([flows[0], other])


def test_binned_flows_survive_the_disk(tmp_path):
    inside = LearnedCut.from_bins("pt", EDGES, tuple(LearnedCut(Cut("pt", Region.ALL), False) for _ in range(3)))
    assert inside.active
    step = replace(learned([1, 2, 3], lower_error=0.1, agreement=0.9, note="as it is"), importance=0.5)
    plain = LearnedCut(Cut("x", Region.BELOW, None, 1.0), n_minus_1_loss=0.25)
    flows = (CutFlow((inside, plain, step), "signal_efficiency=0.5", 0.5),)
    write_cut_flows(tmp_path / "cuts.parquet", flows)
    assert read_cut_flows(tmp_path / "cuts.parquet") == flows


def test_a_run_of_before_bins_is_read(tmp_path):
    import pyarrow.parquet as pq

    flows = (CutFlow((LearnedCut(Cut("x", Region.BELOW, None, 1.0)),)),)
    path = tmp_path / "cuts.parquet"
    write_cut_flows(path, flows)
    pq.write_table(pq.read_table(path).drop_columns(["binned_in", "bin", "bin_low", "bin_high"]), path)
    assert read_cut_flows(path) == flows


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bin": [0, 2, 1]}, "do not follow"),
        ({"bin": [0, 0, 1]}, "do not make one"),
        ({"binned_in": ["a", "b", "c"]}, "do not make one"),
    ],
)
def test_damaged_bins_are_refused(tmp_path, change, said):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "cuts.parquet"
    write_cut_flows(path, [CutFlow((learned([1, 2, 3]),))])
    table = pq.read_table(path)
    for name, cells in change.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(cells, table.schema.field(name).type))
    pq.write_table(table, path)
    with pytest.raises(InputError, match=said):
        read_cut_flows(path)
