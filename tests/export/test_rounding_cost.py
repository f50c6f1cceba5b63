"""What rounding costs, counted again by other means, and boundaries as round as a loss allows."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cutflow_cli.apply.cuts_file import read_cuts
from cutflow_cli.artifacts import file_digest
from cutflow_cli.commands.export_cuts import export_cuts as command
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.evaluation.evaluate import evaluate_runs
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.export.choose import Choice
from cutflow_cli.export.handover import export_cuts
from cutflow_cli.export.round_to_loss import rounder
from cutflow_cli.export.rounding import Rounding
from cutflow_cli.metrics.significance import asimov_significance
from cutflow_cli.runs import CUTS, RunManifest, open_run, write_cut_flows
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

FEATURES = (FeatureInfo("m", unit="GeV"), FeatureInfo("r", "float64"))
DTYPES = {"m": "float32", "r": "float64"}
STEPS = (
    LearnedCut(Cut("m", Region.INSIDE, 68.34, 101.17), lower_error=0.41, upper_error=0.72),
    LearnedCut(Cut("r", Region.BELOW, upper=0.3517), upper_error=0.0041),
)
FLOW = CutFlow(STEPS, kind="consensus", replica=-1).rounded(DTYPES)


def frame(events=12000, seed=1):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, events)
    found = pd.DataFrame({"m": np.where(label, rng.normal(85, 12, events), rng.exponential(80, events))})
    found["m"] = found["m"].astype(np.float32)
    found["r"] = np.where(label, rng.beta(2, 5, events), rng.beta(4, 4, events))
    found.loc[::50, "r"] = np.nan
    found["label"] = label
    found["weight"] = (
        np.where(label, 0.02, 0.5) * rng.uniform(0.5, 1.5, events) * np.where(rng.random(events) < 0.1, -1, 1)
    )
    found["split"] = rng.choice(["train", "validation", "test"], events, p=[0.5, 0.2, 0.3])
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("rounding")
    path = directory / "events.parquet"
    frame().to_parquet(path, index=False)
    (directory / "par").mkdir()
    data = {"path": str(path), "digest": file_digest(path)}
    RunManifest("lcf-parallel", {}, FEATURES, data, "d1", replicas=(0, 2)).write(directory / "par")
    members = [replace(FLOW, kind="replica", replica=number) for number in range(2)]
    write_cut_flows(directory / "par" / CUTS, [*members, FLOW])
    return open_run(directory / "par")


def numbers(cuts, split, events=None):
    """Count S, B, Z with pandas alone, the split scaled to the whole sample."""
    whole = frame() if events is None else events
    part = whole[whole["split"] == split]
    scale = whole.groupby("label")["weight"].sum() / part.groupby("label")["weight"].sum()
    kept = pd.Series(True, index=part.index)
    for cut in cuts:
        values, boundaries = part[cut["observable"]], (cut["lower"], cut["upper"])
        kept &= (boundaries[0] is None) | (values > (boundaries[0] or 0.0))
        kept &= (boundaries[1] is None) | (values < (boundaries[1] or 0.0))
    weight = part["weight"] * part["label"].map(scale)
    S, B = (weight[kept & (part["label"] == label)].sum() for label in (1, 0))
    sigma = math.sqrt((weight[kept & (part["label"] == 0)] ** 2).sum())
    return {
        "signal": S,
        "background": B,
        "asimov": float(asimov_significance(S, B, sigma)),
        "kept": kept,
        "weight": weight,
    }


def cuts_of(export):
    (flow,) = json.loads(export.text)["cut_flows"]
    return flow["cuts"], flow


@pytest.mark.parametrize(
    "rounding", [Rounding(), Rounding(0.05), Rounding(loss=0.02), Rounding(loss=0.02, fom="s_over_sqrt_b")]
)
def test_the_cost_is_what_pandas_counts(run, rounding):
    learned, _ = cuts_of(export_cuts(run, "json"))
    cuts, flow = cuts_of(export_cuts(run, "json", rounding=rounding))
    cost = flow["rounding_cost"]
    assert (cost["data"], cost["split"]) == (run.manifest.data["path"], "test")
    before, after = numbers(learned, "test"), numbers(cuts, "test")
    for name in ("signal", "background", "asimov"):
        assert cost[name]["before"] == pytest.approx(before[name], rel=1e-9)
        assert cost[name]["after"] == pytest.approx(after[name], rel=1e-9)
    assert cost["asimov"]["change"] == pytest.approx(after["asimov"] - before["asimov"], rel=1e-6)
    # most events are common to both, so that the change is known better than either number
    assert 0 < cost["asimov"]["change_error"] < 0.8 * cost["asimov"]["before_error"]


def test_the_error_of_the_change_is_that_of_repeated_experiments(run):
    """Against a bootstrap of the test events, in which both selections see the same events."""
    learned, _ = cuts_of(export_cuts(run, "json"))
    cuts, flow = cuts_of(export_cuts(run, "json", rounding=Rounding(0.05)))
    sides = [numbers(these, "test") for these in (learned, cuts)]
    label = frame().loc[sides[0]["weight"].index, "label"]
    rng, changes = np.random.default_rng(5), []
    for _ in range(300):
        drawn = sides[0]["weight"] * rng.poisson(1.0, len(label))
        squares = drawn * sides[0]["weight"]
        z = [
            asimov_significance(
                drawn[side["kept"] & (label == 1)].sum(),
                drawn[side["kept"] & (label == 0)].sum(),
                math.sqrt(squares[side["kept"] & (label == 0)].sum()),
            )
            for side in sides
        ]
        changes.append(z[1] - z[0])
    assert flow["rounding_cost"]["asimov"]["change_error"] == pytest.approx(np.std(changes), rel=0.25)


@pytest.mark.parametrize("loss", [0.001, 0.01, 0.1])
def test_no_boundary_could_be_rounder_at_this_price(run, loss):
    learned, _ = cuts_of(export_cuts(run, "json"))
    cuts, flow = cuts_of(export_cuts(run, "json", rounding=Rounding(loss=loss)))
    chosen, before = flow["rounding_cost"]["chosen"], numbers(learned, "validation")["asimov"]
    assert (chosen["split"], chosen["allowed_loss"]) == ("validation", loss)
    assert chosen["before"] == pytest.approx(before)
    assert chosen["after"] == pytest.approx(numbers(cuts, "validation")["asimov"])
    assert chosen["after"] >= (1 - loss) * before
    for position, side in ((0, "lower"), (0, "upper"), (1, "upper")):
        now, start = cuts[position][side], learned[position][side]
        dtype = DTYPES[cuts[position]["observable"]]
        width = (
            np.diff(np.nanquantile(frame().query("split == 'validation'")[cuts[position]["observable"]], [0.16, 0.84]))[
                0
            ]
            / 2
        )
        ladder = rounder(start, width, dtype)
        assert now in ladder
        for rounder_still in ladder[ladder.index(now) + 1 :]:
            moved = [dict(cut) for cut in cuts]
            moved[position][side] = rounder_still
            if moved[0]["lower"] < moved[0]["upper"]:
                assert numbers(moved, "validation")["asimov"] < (1 - loss) * before


def test_test_events_decide_nothing(run, tmp_path):
    """Whatever happens in the test split, the same boundaries are taken; and they are those of a wrong cost there."""
    other = frame()
    test = other["split"] == "test"
    other.loc[test, "r"] = 1 - other.loc[test, "r"]
    other.to_parquet(tmp_path / "other.parquet", index=False)
    rounding = Rounding(loss=0.02)
    mine, its = (export_cuts(run, "json", rounding=rounding, data=data) for data in (None, tmp_path / "other.parquet"))
    assert cuts_of(mine)[0] == cuts_of(its)[0]
    assert cuts_of(mine)[1]["rounding_cost"]["asimov"] != cuts_of(its)[1]["rounding_cost"]["asimov"]
    assert f"{tmp_path / 'other.parquet'}: holds other events than the run was trained on" in its.notes


def test_text_shows_the_cost_and_other_dialects_note_it(run, tmp_path):
    text = export_cuts(run, "text", rounding=Rounding(loss=0.05)).text
    assert f"cost of rounding (split test of {run.manifest.data['path']})" in text
    assert "allowed" in text.splitlines()[-1]
    for row in ("  S ", "  B ", "  Asimov Z "):
        assert any(line.startswith(row) for line in text.splitlines())
    notes = export_cuts(run, "root", rounding=Rounding()).notes
    assert any(note.startswith("cost of rounding on split test of ") and "Asimov Z" in note for note in notes)
    every = export_cuts(run, "csv", rounding=Rounding(), choice=Choice(every_replica=True))
    assert sum(" cost of rounding on split test" in note for note in every.notes) == 3
    (tmp_path / "cuts.json").write_text(export_cuts(run, "json", rounding=Rounding()).text)
    assert read_cuts(tmp_path / "cuts.json").flows[0].cuts[1].upper == 0.35


def test_the_cut_flow_of_rounded_cuts_is_counted_anew(run, tmp_path):
    """With the events, or with a report whose events are there still."""
    report = tmp_path / "report"
    evaluate_runs([run.path], run.path.parent / "events.parquet", report)
    by_report = export_cuts(run, "hepdata", rounding=Rounding(), report=report)
    by_data = export_cuts(run, "hepdata", rounding=Rounding(), data=run.path.parent / "events.parquet")
    assert by_report.text == by_data.text
    _, table = yaml.safe_load_all(by_data.text)
    assert [one["value"] for one in table["independent_variables"][0]["values"]] == [
        "before any cut", "68 < m < 101 GeV", "r < 0.35",
    ]  # fmt: skip
    signal, background = (one["values"][-1]["value"] for one in table["dependent_variables"])
    after = numbers(cuts_of(export_cuts(run, "json", rounding=Rounding()))[0], "test")
    assert (signal, background) == (pytest.approx(after["signal"]), pytest.approx(after["background"]))
    learned = export_cuts(run, "latex", report=report).text
    assert learned == export_cuts(run, "latex", data=run.path.parent / "events.parquet").text
    assert learned != export_cuts(run, "latex", rounding=Rounding(), report=report).text
    stale = json.loads((report / "report.json").read_text())
    stale["data"]["digest"] = "0"
    (report / "report.json").write_text(json.dumps(stale))
    with pytest.raises(InputError, match=r"events\.parquet: has changed since .*report evaluated it; evaluate again"):
        export_cuts(run, "latex", rounding=Rounding(), report=report)
    stale["data"]["path"] = str(tmp_path / "gone.parquet")
    (report / "report.json").write_text(json.dumps(stale))
    with pytest.raises(InputError, match=r"gone\.parquet: the events that .*report evaluated are not there"):
        export_cuts(run, "latex", rounding=Rounding(), report=report)


def test_events_that_are_absent_or_other(run, tmp_path):
    gone = replace(run, manifest=replace(run.manifest, data={"path": str(tmp_path / "gone.parquet")}))
    export = export_cuts(gone, "text", rounding=Rounding())
    assert "68 < m < 101 GeV" in export.text
    (note,) = export.notes
    assert note.startswith("what rounding costs was not computed: ")
    assert note.endswith("the events that the run was trained on are not there; give them with --data")
    with pytest.raises(InputError, match=r"gone\.parquet: the events that the run was trained on are not there"):
        export_cuts(gone, "text", rounding=Rounding(loss=0.1))
    unknown = replace(run, manifest=replace(run.manifest, data={}))
    assert "does not say what it was trained on" in export_cuts(unknown, "text", rounding=Rounding()).notes[0]
    changed = replace(run, manifest=replace(run.manifest, data=run.manifest.data | {"digest": "0"}))
    notes = export_cuts(changed, "text", rounding=Rounding()).notes
    assert notes == (f"{run.manifest.data['path']}: has changed since the run was trained on it",)
    frame().drop(columns="r").to_parquet(tmp_path / "less.parquet")
    with pytest.raises(InputError, match="was trained on feature 'r', which these events lack"):
        export_cuts(run, "text", rounding=Rounding(), data=tmp_path / "less.parquet")
    frame().query("split != 'validation'").to_parquet(tmp_path / "two.parquet")
    with pytest.raises(
        InputError, match=r"split 'validation' holds no signal event \(there are: train \d+, validation 0"
    ):
        export_cuts(run, "text", rounding=Rounding(loss=0.1), data=tmp_path / "two.parquet")
    assert "cost of rounding" in export_cuts(run, "text", rounding=Rounding(), data=tmp_path / "two.parquet").text
    mass = replace(run, flows=(replace(FLOW, hypothesis=3.0),))
    assert "has no signal of hypothesis 3; there are: none" in export_cuts(mass, "text", rounding=Rounding()).notes[0]


def test_a_selection_without_significance_can_lose_none(run):
    nothing = replace(FLOW, steps=(LearnedCut(Cut("r", Region.ABOVE, 5.0)),))
    with pytest.raises(InputError, match=r"\(working point default\) has no Asimov Z on split validation that"):
        export_cuts(replace(run, flows=(nothing,)), "text", rounding=Rounding(loss=0.1))
    scan = replace(run, flows=(FLOW, replace(nothing, working_point="tight")))
    export = export_cuts(scan, "text", rounding=Rounding(loss=0.1))  # one of several does not stop the others
    _, note = export.notes
    assert note.startswith("not rounded: ")
    assert "working point tight) has no Asimov Z" in note
    assert "r > 5" in export.text
    round_already = replace(FLOW, steps=(LearnedCut(Cut("m", Region.BELOW, upper=100.0)),))
    export = export_cuts(replace(run, flows=(round_already,)), "text", rounding=Rounding(loss=1e-9))
    assert export.warnings[0].endswith("no boundary was rounded, every rounder one costs more than 0.00%")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"round_loss": 1.5}, r"--round-loss 1\.5: a fraction of the figure of merit"),
        ({"round_loss": 0.1, "round_within": 0.1}, "--round-within and --round-loss exclude each other"),
        ({"round_loss": 0.1, "fom": "asimof"}, "--fom asimof: no such figure of merit; did you mean asimov"),
        ({"round_": True, "fom": "asimov"}, "--fom is what --round-loss may lose of"),
        ({"data": "events.parquet"}, "--data is what rounding is counted on"),
    ],
)
def test_options_that_make_no_sense(run, options, message):
    with pytest.raises(UsageError, match=message):
        command(run.path, **options)


@settings(max_examples=150, deadline=None)
@given(
    st.floats(-1e6, 1e6, allow_subnormal=False).filter(lambda value: value == 0 or abs(value) > 1e-6),
    st.floats(0, 1e4),
    st.sampled_from(["float32", "float64"]),
)
def test_a_ladder_of_rounder_numbers(value, width, dtype):
    value = float(np.float32(value)) if dtype == "float32" else value
    ladder = rounder(value, width, dtype)
    assert value not in ladder
    assert len(set(ladder)) == len(ladder)
    assert all(abs(number - value) <= max(abs(value), width) * (1 + 1e-6) for number in ladder)
    digits = [
        len(f"{np.float32(number):.7g}".strip("-").replace(".", "").strip("0").partition("e")[0]) for number in ladder
    ]
    assert not digits or digits[-1] <= 1
    if ladder and width <= abs(value):
        assert ladder[-1] != 0
