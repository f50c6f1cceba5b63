"""The text of each dialect for one selection, letter by letter, so that a change is seen and meant.

After a change that is meant, write the files anew with `python tests/export/test_export_golden.py`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cutflow_cli import __version__
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.export.cut_flow_table import CutFlowLine, CutFlowTable, Expected
from cutflow_cli.export.dialect import Selections
from cutflow_cli.export.registry import DIALECTS
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

GOLDEN = Path(__file__).parent / "golden"
FEATURES = (
    FeatureInfo("m_jet", unit="GeV"),
    FeatureInfo("tau21", expression="fatjet_tau2 / fatjet_tau1"),
    FeatureInfo("n_jets", "float64"),
    FeatureInfo("d2"),
    FeatureInfo("c2"),
)
FLOW = CutFlow(
    (
        LearnedCut(
            Cut("m_jet", Region.INSIDE, 68.34, 101.2),
            lower_error=0.4123,
            upper_error=0.7249,
            agreement=1.0,
            importance=0.51,
            n_minus_1_loss=0.0312,
        ),
        LearnedCut(Cut("tau21", Region.BELOW, upper=0.35), upper_error=0.0041, agreement=0.9, importance=0.38),
        LearnedCut(Cut("n_jets", Region.OUTSIDE, 1.5, 4.5), agreement=0.6, importance=0.07, n_minus_1_loss=-0.0004),
        LearnedCut(Cut("d2", Region.ABOVE, 1.2), False, agreement=0.7, importance=0.04, note="importance below 0.05"),
        LearnedCut(Cut("c2", Region.ALL), False, agreement=0.5, note="replicas disagree, no region has a majority"),
    ),
    kind="consensus",
    replica=-1,
).rounded({feature.name: feature.dtype for feature in FEATURES})
PRESELECTION = ("fatjet_pt > 200 and -2 < fatjet_eta < 2", "n_leptons != 1 or not m_jet / fatjet_pt > 1")
SELECTIONS = Selections(
    "lcf", "lcf-parallel", (FLOW,), FEATURES, PRESELECTION, replicas=10, seed=1, data="events.parquet"
)
EXPECTED = (
    ("fatjet_pt > 200 and -2 < fatjet_eta < 2", 120.46, 1.5, 1234567.8, 8123.4),
    ("n_leptons != 1 or not m_jet / fatjet_pt > 1", 110.2, 1.4, 934567.8, 7123.4),
    ("before any cut", 110.2, 1.4, 934567.8, 7123.4),
    (str(FLOW.cuts[0]), 80.06, 1.1, 54321.0, 1234.0),
    (str(FLOW.cuts[1]), 61.25, 0.9, 4321.0, 321.0),
    (str(FLOW.cuts[2]), 60.001, 0.0, None, None),
)
TABLE = CutFlowTable(
    "report",
    "test",
    139.0,
    (("WZ", "signal"), ("QCD", "background")),
    tuple(
        CutFlowLine(position, cut, (Expected(s, ds), Expected(b, db)))
        for position, (cut, s, ds, b, db) in enumerate(EXPECTED, start=-2)
    ),
)


def rendered(name: str) -> str:
    table = None if DIALECTS[name].report == "none" else TABLE
    return DIALECTS[name].render(replace(SELECTIONS, table=table)).replace(__version__, "VERSION")


@pytest.mark.parametrize("name", DIALECTS)
def test_golden(name):
    assert rendered(name) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_every_golden_file_has_its_dialect():
    assert {path.stem for path in GOLDEN.iterdir()} == set(DIALECTS)


if __name__ == "__main__":
    for dialect in DIALECTS:
        (GOLDEN / f"{dialect}.txt").write_text(rendered(dialect), encoding="utf-8")
