"""correctionlib gives the boundaries of each bin, and selects the events that cutflow selects, event by event."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from export_corpus import FEATURES, binned_corpus, corpus, feature_columns

from cutflow_cli.apply.cuts_file import read_cuts
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.export.correctionlib import Correctionlib
from cutflow_cli.export.csv import Csv
from cutflow_cli.export.dialect import Selections
from cutflow_cli.export.json import Json
from cutflow_cli.export.latex import Latex
from cutflow_cli.export.text import Text
from cutflow_cli.selection.binned import BinnedCut, members_of
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

CASES = [*binned_corpus(24, 120), *corpus(12, 120)]
EDGES = (300.0, 325.0, 350.0, 400.0)


def in_bins(name, values, **more):
    bins = tuple(
        LearnedCut(Cut(name, Region.ALL if value is None else Region.ABOVE, value), value is not None, **more)
        for value in values
    )
    return LearnedCut.from_bins("pt", EDGES, bins)


FLOW = CutFlow((
    in_bins("pt", [None] * 3),
    in_bins("m", [1.5, None, 3.25], lower_error=0.125, agreement=0.9),
    *(in_bins(name, [0.5, 1.0, 1.5]) for name in "abcd"),
    LearnedCut(Cut("e", Region.OUTSIDE, -2.5e-07, 1e20)),
), kind="consensus", replica=-1)  # fmt: skip
SELECTIONS = Selections("r", "cabin-scan", (FLOW,), (FeatureInfo("m", unit="GeV"), FeatureInfo("pt", unit="GeV")))


def is_finite(selections):
    cuts = [one for cut in selections.flow.cuts for one in (cut, *members_of(cut))]
    return all(edge is None or np.isfinite(edge) for cut in cuts for edge in (cut.lower, cut.upper))


def evaluator(selections):
    library = pytest.importorskip("correctionlib", reason="correctionlib is not installed; its text is checked alone")
    return library.CorrectionSet.from_string(Correctionlib().render(selections))


@pytest.mark.parametrize("case", range(len(CASES)))
def test_masks_are_the_engines(case):
    selections, source = CASES[case]
    if not is_finite(selections):
        with pytest.raises(UsageError, match="can't say the infinite boundary"):
            Correctionlib().render(selections)
        return
    values = feature_columns(source, FEATURES)
    wanted = selections.flow.mask(values, len(source["a"]))
    correction = evaluator(selections)["selection"]
    columns = [values[one.name].astype(np.float64) for one in correction.inputs]
    mask = correction.evaluate(*columns) if columns else np.ones(len(wanted))
    np.testing.assert_array_equal(np.broadcast_to(mask, wanted.shape) == 1, wanted)


def test_boundaries_are_functions_of_the_bins_observable():
    found = evaluator(SELECTIONS)
    assert sorted(found) == ["a_lower", "b_lower", "c_lower", "d_lower", "m_lower", "selection"]
    assert found["m_lower"].evaluate(np.array([300.0, 324.9, 399.0])).tolist() == [1.5, 1.5, 3.25]
    assert found["m_lower"].evaluate(330.0) < -1e308
    with pytest.raises(RuntimeError, match="above bounds"):
        found["m_lower"].evaluate(400.0)
    rng = np.random.default_rng(0)
    pt = rng.uniform(290, 410, 3000)
    columns = {
        "pt": pt,
        **{name: rng.uniform(0, 6, 3000) for name in "mabcd"},
        "e": rng.choice([-1.0, 1.0, 2e20], 3000),
    }
    pt[:3] = np.nan, 400.0, 300.0
    mask = found["selection"].evaluate(*(columns[one.name] for one in found["selection"].inputs)) == 1
    wanted = FLOW.mask(columns, 3000)
    assert 100 < wanted.sum() < 2500
    np.testing.assert_array_equal(mask, wanted)


def test_it_is_what_the_schema_says():
    schema = pytest.importorskip("correctionlib.schemav2", reason="correctionlib is not installed")
    schema.CorrectionSet.model_validate_json(Correctionlib().render(SELECTIONS))


def test_several_binnings_are_refused():
    other = LearnedCut.from_bins("eta", (0.0, 1.0), (LearnedCut(Cut("m", Region.ABOVE, 1.0)),))
    with pytest.raises(UsageError, match="can't say cuts in several binnings"):
        Correctionlib().render(replace(SELECTIONS, flows=(replace(FLOW, steps=(*FLOW.steps, other)),)))


def test_json_is_read_back_as_it_was(tmp_path):
    path = tmp_path / "cuts.json"
    path.write_text(Json().render(SELECTIONS))
    assert json.loads(path.read_text())["schema_version"] == 2
    (flow,) = read_cuts(path).flows
    assert flow.cuts == FLOW.cuts


def test_tables_have_a_row_for_each_bin():
    rows = Csv().render(SELECTIONS).splitlines()
    assert rows[0].endswith("n_minus_1_loss,binned_in,bin_low,bin_high")
    assert rows[1] == "default,,,-1,1,cut,pt,,float32,GeV,inside,299.9999694824219,400.0,,,,,,pt,300.0,400.0"
    assert rows[2] == "default,,,-1,2,cut,m,,float32,GeV,above,1.5,,0.125,,0.9,,,pt,300.0,325.0"
    assert rows[3] == "default,,,-1,2,cut,m,,float32,GeV,all,,,,,0.9,,,pt,325.0,350.0"
    assert rows[-1].startswith("default,,,-1,7,cut,e,,float32,,outside")
    text = Text().render(SELECTIONS)
    for line in ("300 <= pt < 400 GeV", "m, by pt", "300–325: m > 1.5 GeV", "325–350: no cut (inactive)", "± 0.12"):
        assert line in text
    latex = Latex().render(SELECTIONS)
    assert r" & \quad \texttt{m} $> 3.25$\,GeV for $350 \leq$ \texttt{pt} $< 400$\,GeV & $\pm 0.12$ \\" in latex


@pytest.mark.parametrize("case", range(24))
def test_rows_of_a_table_keep_the_same_events(case):
    """Apply the rows one by one, as somebody would who knows no more than the table and how it compares."""
    selections, source = CASES[case]
    values = feature_columns(source, FEATURES)
    kept = np.ones(len(next(iter(values.values()))), dtype=bool)
    steps = {}
    for row in csv.DictReader(io.StringIO(Csv().render(selections))):
        steps.setdefault(row["position"], []).append(row)
    for rows in steps.values():
        passing = np.zeros_like(kept)
        for row in rows:
            column = values[row["observable"]]
            low, high = (column.dtype.type(row[side] or np.nan) for side in ("lower", "upper"))
            region = {
                "above": column > low, "below": column < high, "inside": (column > low) & (column < high),
                "outside": (column < low) | (column > high), "all": np.ones_like(kept),
            }[row["region"]]  # fmt: skip
            if row["binned_in"]:
                binned = values[row["binned_in"]]
                region &= (binned >= binned.dtype.type(row["bin_low"])) & (binned < binned.dtype.type(row["bin_high"]))
            passing |= region
        kept &= passing
    np.testing.assert_array_equal(kept, selections.flow.mask(values, len(kept)))


def test_the_range_of_the_bins_needs_no_more_than_its_boundaries():
    (row,) = [row for row in csv.DictReader(io.StringIO(Csv().render(SELECTIONS))) if row["observable"] == "pt"]
    edges = np.array([300.0, 400.0], dtype=np.float32)
    values = np.concatenate([np.nextafter(edges, np.float32(0)), edges, np.nextafter(edges, np.float32(1e9))])
    inside = (values > np.float32(row["lower"])) & (values < np.float32(row["upper"]))
    np.testing.assert_array_equal(inside, FLOW.cuts[0].keeps({"pt": values}))


def test_a_binned_cut_of_a_file_is_checked(tmp_path):
    path = tmp_path / "cuts.json"
    whole = {"observable": "m", "binned_in": "pt", "edges": [1, 2], "bins": [{"region": "above", "lower": 1}]}
    for change, said in (
        ({"edges": [1, 2, 3]}, r"cuts\[0\]: cut on m in bins of pt: 1 cuts need 2 edges, not 3"),
        ({"bins": [{"region": "abov", "lower": 1}]}, "no region 'abov'; did you mean above"),
        ({"bins": [{"region": "above"}]}, r"cuts\[0\].bins\[0\]: cut on m: region above needs lower boundary"),
        ({"edge": 1}, "no such key; did you mean edges"),
    ):
        path.write_text(json.dumps({"cuts": [whole | change]}))
        with pytest.raises(InputError, match=said):
            read_cuts(path)
    path.write_text(json.dumps({"cuts": [whole]}))
    (flow,) = read_cuts(path).flows
    assert isinstance(flow.cuts[0], BinnedCut)
