"""Run directories: what `train` writes is what every later command reads; damage is said plainly."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutflow_cli import runs
from cutflow_cli.errors import InputError
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.runs import RunManifest, open_run, read_cut_flows, write_cut_flows
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut, consensus

MANIFEST = RunManifest(
    method="lcf-parallel",
    settings={"epochs": 200, "learning_rate": 1e-3, "center": {"x": 0.5}, "bootstrap": False, "preset": None},
    features=(FeatureInfo("x", "float32", "GeV"), FeatureInfo("r", "float64", None, None, "a / b")),
    data={"path": "events.parquet", "digest": "abc"},
    digest="d",
    preselection=("fatjet.size > 0",),
    per_object=("fatjet.size",),
    seed=2**63,
    replicas=(5, 10),
    timings={"training": 1.5},
    versions={"cutflow": "0.1.0"},
    warnings=("a sentence",),
    command="cutflow train …",
)
FLOWS = (
    CutFlow(
        (
            LearnedCut(Cut("x", Region.INSIDE, 0.1, 0.2), importance=0.7, n_minus_1_loss=-0.01),
            LearnedCut(Cut("r", Region.BELOW, upper=3.0), active=False, importance=0.3, note="importance below 5 %"),
        ),
        replica=5,
    ),
    CutFlow(
        (LearnedCut(Cut("x", Region.ALL), active=False), LearnedCut(Cut("r", Region.OUTSIDE, -1.0, 1.0))),
        replica=6,
    ),
)

numbers = st.none() | st.floats(allow_nan=False)


@st.composite
def flows(draw):
    steps = []
    for name in draw(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=4, unique=True)):
        region = draw(st.sampled_from(Region))
        low, high = draw(st.floats(allow_nan=False)), draw(st.floats(allow_nan=False))
        cut = Cut(name, region, low if region.has_lower else None, high if region.has_upper else None)
        steps.append(
            LearnedCut(cut, draw(st.booleans()), *(draw(numbers) for _ in range(5)), draw(st.none() | st.text()))
        )
    return CutFlow(tuple(steps), draw(st.text(max_size=5)), draw(numbers), draw(numbers))


@settings(max_examples=25)
@given(st.lists(flows(), max_size=3))
def test_cut_flows_survive_the_disk(tmp_path_factory, learned):
    path = tmp_path_factory.mktemp("runs") / runs.CUTS
    learned = [replace(flow, replica=number) for number, flow in enumerate(learned)]
    write_cut_flows(path, learned)
    assert list(read_cut_flows(path)) == learned


def test_replicas_and_their_consensus_are_kept_apart(tmp_path):
    written = (*FLOWS, consensus(FLOWS))
    write_cut_flows(tmp_path / runs.CUTS, written)
    assert read_cut_flows(tmp_path / runs.CUTS) == written


def test_other_tools_read_the_cuts(tmp_path):
    write_cut_flows(tmp_path / runs.CUTS, FLOWS)
    frame = pd.read_parquet(tmp_path / runs.CUTS)
    assert list(frame["observable"]) == ["x", "r", "x", "r"]
    assert list(frame["region"]) == ["inside", "below", "all", "outside"]
    assert list(frame["position"]) == [0, 1, 0, 1]
    assert list(frame["replica"]) == [5, 5, 6, 6]
    assert frame["lower"].isna().tolist() == [False, True, True, False]


def test_a_run_is_opened(tmp_path):
    directory = tmp_path / "par"
    directory.mkdir()
    MANIFEST.write(directory)
    write_cut_flows(directory / runs.CUTS, FLOWS)
    runs.write_table(directory / runs.HISTORY, {"replica": [5, 5], "epoch": [0, 1], "loss": [0.7, 0.6]})
    run = open_run(str(directory))
    assert run.manifest == MANIFEST
    assert run.manifest.dtypes == {"x": "float32", "r": "float64"}
    assert run.flows == FLOWS
    assert (run.name, run.features) == ("par", ("x", "r"))
    assert run.history().to_pydict() == {"replica": [5, 5], "epoch": [0, 1], "loss": [0.7, 0.6]}


def test_a_method_that_gives_a_score_has_no_flows(tmp_path):
    MANIFEST.write(tmp_path)
    assert open_run(tmp_path).flows == ()
    with pytest.raises(InputError, match=r"history\.parquet: no such file; the run is incomplete"):
        open_run(tmp_path).history()


def test_a_run_that_is_not_there_is_named_with_its_neighbours(tmp_path):
    (tmp_path / "parallel").mkdir()
    MANIFEST.write(tmp_path / "parallel")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no such run directory; did you mean parallel\?"):
        open_run(tmp_path / "paralel")
    with pytest.raises(InputError, match=r"is no run directory \(no run\.json\)"):
        open_run(tmp_path / "empty")
    with pytest.raises(InputError, match="no such run directory; there are none"):
        open_run(tmp_path / "nowhere" / "par")


def test_what_was_taken_for_a_run_is_said(tmp_path):
    for name in ("lcf", "bdt"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / runs.MANIFEST).write_text("{}")
    with pytest.raises(InputError, match=r"is no run directory but holds 2; name them: \S+/runs/bdt, \S+/runs/lcf"):
        open_run(tmp_path / "runs")
    (tmp_path / "events.parquet").write_text("")
    with pytest.raises(InputError, match=r"events\.parquet: is a file, a run directory was expected"):
        open_run(tmp_path / "events.parquet")
    (tmp_path / "punzi.partial").mkdir()
    with pytest.raises(InputError, match=r"punzi: its training is not finished; the same `cutflow train` command"):
        open_run(tmp_path / "punzi")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"schema_version": 3}, "schema version 3, this cutflow reads up to 2; train again"),
        ({"schema_version": None}, "schema version None"),
        ({"features": None}, "damaged"),
        ({"features": [{"nom": "x"}]}, "damaged"),
        ({"replicas": 3}, "damaged"),
        ({"surprise": 1}, "damaged"),
    ],
)
def test_a_damaged_manifest_names_the_file(tmp_path, changes, complaint):
    MANIFEST.write(tmp_path)
    path = tmp_path / runs.MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(InputError, match=complaint) as caught:
        open_run(tmp_path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).endswith("train again")


def test_a_manifest_that_lacks_what_it_needs_is_damaged(tmp_path):
    MANIFEST.write(tmp_path)
    path = tmp_path / runs.MANIFEST
    content = json.loads(path.read_text())
    for name in ("method", "features", "data", "preselection"):
        path.write_text(json.dumps({key: value for key, value in content.items() if key != name}))
        with pytest.raises(InputError, match=f"damaged .*{name}"):
            open_run(tmp_path)


def rows(**changes: object) -> pa.Table:
    """A table of cuts with one row, changed."""
    row = {
        "working_point": "default", "target": None, "hypothesis": None, "kind": "replica", "replica": 0, "position": 0,
        "observable": "x", "region": "below", "lower": None, "upper": 1.0, "lower_error": None, "upper_error": None,
        "agreement": None, "importance": None, "n_minus_1_loss": None, "active": True, "note": None,
    }  # fmt: skip
    return pa.Table.from_pylist([{**row, **changes}])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"region": "left"}, "'left' is not a valid Region"),
        ({"upper": None}, "region below needs upper boundary, got None"),
        ({"lower": 0.0}, "region below has no lower boundary"),
        ({"upper": float("nan")}, "needs upper boundary, got nan"),
        ({"upper": "one"}, "one"),
        ({"position": None}, "int()"),
        ({"active": "perhaps"}, "perhaps"),
    ],
)
def test_damaged_cuts_name_the_file(tmp_path, changes, complaint):
    path = tmp_path / runs.CUTS
    pq.write_table(rows(), path)
    assert len(read_cut_flows(path)) == 1
    pq.write_table(rows(**changes), path)
    with pytest.raises(InputError) as caught:
        read_cut_flows(path)
    assert str(caught.value).startswith(f"{path}: damaged (")
    assert complaint in str(caught.value)


def test_cuts_of_another_version_or_kind_are_refused(tmp_path):
    path = tmp_path / runs.CUTS
    pq.write_table(rows().drop_columns(["agreement"]), path)
    with pytest.raises(InputError, match="no column 'agreement'; written by another version"):
        read_cut_flows(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="damaged"):
        read_cut_flows(path)
    with pytest.raises(InputError, match="no such file; the run is incomplete"):
        read_cut_flows(tmp_path / "absent.parquet")


@given(data=st.data())
def test_a_turned_bit_is_the_files_fault_or_harmless(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damage") / runs.CUTS
    write_cut_flows(path, FLOWS)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        read_cut_flows(path)
    except InputError as error:
        assert str(path) in str(error)
