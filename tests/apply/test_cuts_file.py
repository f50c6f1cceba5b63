"""Files of cuts: what is read, and what is refused in one line that names the place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cutflow_cli.apply.cuts_file import MAX_BYTES, read_cuts
from cutflow_cli.errors import InputError
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.export.dialect import Selections
from cutflow_cli.export.json import Json
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

CUT = {"observable": "x", "region": "below", "upper": 1}


def written(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def full(**changes: object) -> dict:
    return {"schema_version": 1, "cut_flows": [{"cuts": [CUT]}], **changes}


def one_cut(**changes: object) -> dict:
    return full(cut_flows=[{"cuts": [{**CUT, **changes}]}])


def test_what_is_exported_is_read_back(tmp_path):
    steps = tuple(
        LearnedCut(cut)
        for cut in (
            Cut("a", Region.INSIDE, -0.10000000149011612, 3.0), Cut("b", Region.OUTSIDE, 1.0, 2.0),
            Cut("a", Region.ABOVE, 0.25), Cut("b", Region.BELOW, None, 1e30),
        )
    )  # fmt: skip
    flows = tuple(
        CutFlow(steps[number:], f"p={number}", float(number), mass, kind, replica)
        for number, (mass, kind, replica) in enumerate([(None, "consensus", -1), (2.5, "replica", 7)])
    )
    features = (FeatureInfo("a", "float32", "GeV", None, "u / v"), FeatureInfo("b", "float64"))
    text = Json().render(Selections("run", "lcf", flows, features, ("u > 0",)))
    cuts = read_cuts(written(tmp_path / "cuts.json", text))
    assert cuts.flows == flows
    assert cuts.preselection == ("u > 0",)
    assert [(f.name, f.expression, f.unit, f.dtype) for f in cuts.features.values()] == [
        ("a", "u / v", "GeV", "float32"), ("b", None, None, "float64"),
    ]  # fmt: skip


def test_by_hand_it_may_be_short(tmp_path):
    raw = {"cuts": ["60 < m < 110", CUT, "tau2 / tau1 < 0.5"], "preselection": ["n > 0"]}
    cuts = read_cuts(written(tmp_path / "mine.json", raw))
    (flow,) = cuts.flows
    assert (flow.kind, flow.replica, flow.working_point) == ("consensus", -1, "default")
    assert [str(cut) for cut in flow.cuts] == ["60 < m < 110", "x < 1.0", "tau2 / tau1 < 0.5"]
    assert cuts.feature("x").tree is None
    assert read_cuts(written(tmp_path / "again.json", raw)).digest == cuts.digest


def test_what_was_rounded_may_be_recorded(tmp_path):
    rounded = [{"observable": "x", "side": "upper", "before": 1.01, "after": 1.0}]
    assert read_cuts(written(tmp_path / "r.json", full(cut_flows=[{"cuts": [CUT], "rounded": rounded}]))).flows


BAD = {
    "no JSON": ("{", "is no JSON: Expecting property name"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "a list": ([1], "holds no JSON object; the shortest file of cuts is"),
    "a key twice": ('{"cuts": ["a < 1"], "cuts": []}', "key 'cuts' comes twice"),
    "nothing": ({}, "has neither cut_flows nor cuts"),
    "both": (full(cuts=["a < 1"]), "has cuts and cut_flows; leave one away"),
    "misspelt": ({"schema_version": 1, "flows": []}, "has neither cut_flows nor cuts; did you mean flows?"),
    "no version": ({"cut_flows": [{"cuts": [CUT]}]}, "schema_version: is missing; this layout is 1"),
    "version": (full(schema_version=3), "schema_version 3, this cutflow reads up to 2"),
    "a true version": (full(schema_version=True), "schema_version True, this cutflow reads up to 2"),
    "no flows": (full(cut_flows=[]), "cut_flows: is empty"),
    "region": (one_cut(region="belo"), r"cut_flows[0].cuts[0].region: no region 'belo'; did you mean below?"),
    "key": (one_cut(uper=2), r"cut_flows[0].cuts[0].uper: no such key; did you mean upper?"),
    "key of a flow": (full(cut_flows=[{"cut": []}]), r"cut_flows[0].cut: no such key; did you mean cuts?"),
    "key of a feature": (full(features={"x": {"expr": "a"}}), "features.x.expr: no such key; did you mean expression?"),
    "type": (full(features={"x": {"dtype": "half"}}), "features.x.dtype: must be 'float32' or 'float64'"),
    "missing": (full(cut_flows=[{"cuts": [{"region": "all"}]}]), r"cut_flows[0].cuts[0].observable: is missing"),
    "NaN": (one_cut(upper=float("nan")), r"cut_flows[0].cuts[0].upper: is nan, a finite number is needed"),
    "infinity": (one_cut(upper=float("inf")), "a finite number is needed; leave the boundary away"),
    "overflow": ('{"cuts": [{"observable": "x", "region": "below", "upper": 1e999}]}', "cuts[0].upper: is inf"),
    "text": (one_cut(upper="1"), r"upper: must be a number (got '1')"),
    "truth": (one_cut(upper=True), r"upper: must be a number (got True)"),
    "superfluous": (one_cut(lower=0), r"cuts[0]: cut on x: region below has no lower boundary"),
    "lacking": (one_cut(region="inside"), r"cuts[0]: cut on x: region inside needs lower boundary"),
    "crossed": (one_cut(region="inside", lower=3), "lower 3.0 is above upper 1.0, so the cut on x keeps nothing"),
    "crossed outside": (one_cut(region="outside", lower=3), "so the cut on x keeps everything"),
    "a number": (full(cut_flows=[{"cuts": [CUT, 3]}]), r"cuts[1]: is 3; give an object with observable and region"),
    "twice": (full(cut_flows=[{"cuts": [CUT]}] * 2), "cut_flows[0] and cut_flows[1] have the same working_point"),
    "an expression": ({"cuts": ["60 < m < "]}, "cuts[0]: a value is missing before the end\n  60 < m < \n           ^"),
    "a number for a condition": ({"cuts": ["m + 1"]}, "cuts[0]: this is a number, a condition is needed"),
    "no column": ({"cuts": ["1 < 2"]}, "cuts[0]: this names no column"),
    "a preselection": (full(preselection=["a && b"]), "preselection[0]: `&&` is not in the language: write `and`"),
    "a feature": (full(features={"x": {"expression": "a <"}}), "features.x.expression: a value is missing"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused(tmp_path, name):
    content, message = BAD[name]
    path = written(tmp_path / "cuts.json", content)
    with pytest.raises(InputError) as error:
        read_cuts(path)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{path}: ")
    assert len(str(error.value).splitlines()) in (1, 3)  # a caret under an expression takes two more


def test_what_is_no_file_of_cuts(tmp_path):
    written(tmp_path / "mine.json", {"cuts": ["a < 1"]})
    (tmp_path / "run").mkdir()
    written(tmp_path / "run" / "run.json", "{}")
    (tmp_path / "events.parquet").write_bytes(b"PAR1" + bytes(100))
    (tmp_path / "large.json").write_bytes(b" " * (MAX_BYTES + 1))
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    for name, message in {
        "mime.json": "no such file; did you mean mine.json",
        "run": "is a run; `cutflow export-cuts",
        "events.parquet": "is a Parquet file; the cuts, a JSON file, come first",
        "large.json": "is larger than 32 MB",
        "binary.json": "is no text",
    }.items():
        with pytest.raises(InputError, match="^" + str(tmp_path / name)) as error:
            read_cuts(tmp_path / name)
        assert message in str(error.value)
