"""Exported awkward code executed: on flat columns, and on objects as NanoEvents and as uproot's branches have them."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
from export_corpus import FEATURES, corpus, expected

from cutflow_cli.errors import UsageError
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.export.awkward import Awkward
from cutflow_cli.export.dialect import Selections
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.parse import parse
from cutflow_cli.selection.tree import names

CASES = corpus(40, 60, seed=5)
EVENTS = 200
#: Numbers that meet often, so that boundaries are hit.
VALUES = [np.nan, np.inf, -np.inf, 0.0, 0.5, 1.0, 1.5, 2.0, 20.0, 30.0, 50.0]
#: Names that have one value for each object; the others of objects have one for the event.
COLLECTIONS = ("jet.pt", "jet:2.pt", "jet1:3.eta", "fatjet.mass", "Jet_pt")
OBSERVABLES = (
    *COLLECTIONS, "jet0.pt", "jet1.eta", "fatjet0.mass", "fatjet0.tau21", "missinget0.pt", "met.pt", "jet.size",
    "jet1:3.size", "fatjet0.msoftdrop",
)  # fmt: skip
CONDITIONS = (
    "jet.pt > 20 [any]",
    "jet.pt > 20 and jet.pt < 50 [all]",
    "jet.pt > 0.5",
    "veto jet.pt > 30 [any]",
    "not (jet.pt > missinget0.pt [any]) or met.pt > 1",
    "count(jet:2.pt != 20) >= 2",
    "sum(jet.pt) > 50 or max(jet.pt) >= 30",
    "min(jet1:3.eta) < 1 and jet1:3.size > 0",
    "jet.size == 3 or jet1:3.size != 1",
    "fatjet0.mass > 1 and not fatjet0.tau21 < 0.5",
    "max(fatjet.mass) - min(fatjet.mass) > 0.5",
    "max(where(jet.pt > 20, jet.pt, missinget0.pt)) > 25 or jet0.pt < jet1.eta",
    "min(jet.pt, 30) > 20 [any]",
    "fatjet0.msoftdrop >= 30 or fatjet0.mass * 2 <= 3",
    "float32(jet.pt / 3) < 0.35 [any]",
    "(jet.pt > 0 or x < 1) [any]",
    "Jet_pt > 20 [any]",
    "veto jet.pt > 1e30",
    "x > 0 [any]",
)


def load(selections: Selections) -> dict:
    """Execute an exported module."""
    namespace: dict = {}
    exec(compile(Awkward().render(selections), "selection.py", "exec"), namespace)
    return namespace


def objects(rng: np.random.Generator, counts: np.ndarray, *attributes: str) -> ak.Array:
    """Draw collections whose attributes are single precision."""
    flat = {name: rng.choice(VALUES, int(counts.sum())).astype(np.float32) for name in attributes}
    return ak.unflatten(ak.zip(flat), counts)


def nano(seed: int) -> ak.Array:
    """Draw events with jets, fat jets, missing energy and a flat column."""
    rng = np.random.default_rng(seed)
    return ak.zip(
        {
            "Jet": objects(rng, rng.integers(0, 5, EVENTS), "pt", "eta"),
            "FatJet": objects(rng, rng.integers(0, 3, EVENTS), "mass", "tau1", "tau2", "msoftdrop"),
            "MET": ak.zip({"pt": rng.choice(VALUES, EVENTS).astype(np.float32)}),
            "x": rng.choice(VALUES, EVENTS),
        },
        depth_limit=1,
    )


def branches(events: ak.Array) -> ak.Array:
    """Spell the same events as uproot reads them."""
    parts = {f"{name}_{key}": events[name, key] for name in ("Jet", "FatJet", "MET") for key in events[name].fields}
    return ak.zip(parts | {"x": events["x"]}, depth_limit=1)


def observables(events: ak.Array) -> dict[str, object]:
    """Compute the observables one event after the other."""
    jets, fatjets, met = events["Jet"].tolist(), events["FatJet"].tolist(), events["MET"].tolist()

    def nth(rows: list, index: int, key: str) -> np.ndarray:
        return np.array([row[index][key] if index < len(row) else np.nan for row in rows], dtype=np.float64)

    def lists(rows: list, key: str, start: int = 0, stop: int | None = None) -> ak.Array:
        counts = [len(row[start:stop]) for row in rows]
        return ak.unflatten(np.array([one[key] for row in rows for one in row[start:stop]], dtype=np.float64), counts)

    with np.errstate(all="ignore"):
        tau21 = nth(fatjets, 0, "tau2") / nth(fatjets, 0, "tau1")
    missing = np.array([one["pt"] for one in met])
    return {
        "jet.pt": lists(jets, "pt"), "Jet_pt": lists(jets, "pt"), "jet:2.pt": lists(jets, "pt", 0, 2),
        "jet1:3.eta": lists(jets, "eta", 1, 3), "fatjet.mass": lists(fatjets, "mass"), "jet0.pt": nth(jets, 0, "pt"),
        "jet1.eta": nth(jets, 1, "eta"), "fatjet0.mass": nth(fatjets, 0, "mass"), "fatjet0.tau21": tau21,
        "missinget0.pt": missing, "met.pt": missing, "jet.size": np.array([float(len(row)) for row in jets]),
        "jet1:3.size": np.array([float(len(row[1:3])) for row in jets]),
        "fatjet0.msoftdrop": nth(fatjets, 0, "msoftdrop"), "x": np.asarray(events["x"]),
    }  # fmt: skip


@pytest.mark.parametrize("case", range(len(CASES)))
def test_flat_columns(case):
    selections, source = CASES[case]
    mask = load(selections)["select"](ak.Array(source))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, expected(selections, source))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_objects(condition):
    selections = Selections("objects", "none", (CutFlow(()),), FEATURES, (condition,), OBSERVABLES)
    select = load(selections)["select"]
    events = nano(1)
    known = observables(events)
    wanted = evaluate(parse(condition), known, EVENTS)
    assert set(names(parse(condition))) <= set(known)
    if "Jet_pt" not in condition:
        np.testing.assert_array_equal(select(events), wanted)
    np.testing.assert_array_equal(select(branches(events)), wanted)
    assert 0 < wanted.mean() < 1 or "1e30" in condition


def test_cuts_on_features_that_are_made_of_objects():
    features = (FeatureInfo("m", expression="fatjet0.mass"), FeatureInfo("t", expression="fatjet0.tau21 * 2"))
    flow = CutFlow((LearnedCut(Cut("m", Region.INSIDE, 0.5, 50.0)), LearnedCut(Cut("t", Region.ABOVE, 1.0))))
    module = load(Selections("objects", "none", (flow,), features, ("jet.pt > 0 [any]",), OBSERVABLES))
    events = nano(3)
    known = observables(events)
    with np.errstate(all="ignore"):
        columns = {"m": known["fatjet0.mass"].astype("f4"), "t": (known["fatjet0.tau21"] * 2).astype("f4")}
    wanted = flow.mask(columns, EVENTS) & evaluate(parse("jet.pt > 0 [any]"), known, EVENTS)
    assert wanted.any()
    np.testing.assert_array_equal(module["select"](events), wanted)
    assert list(module["cuts"](events)) == ["preselection: jet.pt > 0.0 [any]", "0.5 < m < 50.0", "t > 1.0"]
    assert not module["select"](events[:0]).size


def test_an_observable_that_is_a_feature_is_rounded_like_its_column():
    """A ratio in double precision lies beside the number in single precision that the cut was counted with."""
    events = nano(4)
    known = observables(events)["fatjet0.tau21"]
    with np.errstate(all="ignore"):
        single = known.astype("f4")
        beside = known[np.isfinite(known) & (known > single)]
    assert beside.size
    flow = CutFlow((LearnedCut(Cut("fatjet0.tau21", Region.ABOVE, float(np.float32(beside[0])))),))
    features = (FeatureInfo("fatjet0.tau21"),)
    module = load(Selections("objects", "none", (flow,), features, (), OBSERVABLES))
    wanted = flow.mask({"fatjet0.tau21": single}, EVENTS)
    np.testing.assert_array_equal(module["select"](events), wanted)
    assert (wanted != (known > flow.cuts[0].lower)).any()


def test_what_is_missing_is_no_number():
    flow = CutFlow((LearnedCut(Cut("x", Region.BELOW, upper=2.0)),))
    module = load(Selections("missing", "none", (flow,), FEATURES))
    assert module["select"](ak.Array({"x": [1.0, None, 3.0, np.nan]})).tolist() == [True, False, False, False]
    with pytest.raises(KeyError, match="no jet with pt"):
        load(Selections("none", "none", (flow,), FEATURES, ("jet0.pt > 1",), ("jet0.pt",)))["select"](
            ak.Array({"x": [1]})
        )


@pytest.mark.parametrize("name", ["muon0,muon1.inv_mass", "jet0,jet1.delta_r", "fatjet0.constituents.pt", "lepton0.pt"])
def test_what_nanoaod_does_not_store_is_refused(name):
    selections = Selections("objects", "none", (CutFlow(()),), FEATURES, (f"{name} > 1",), (name,))
    with pytest.raises(
        UsageError, match=f"`{name}` is of several objects.* awkward code has no word; add --columns feat"
    ):
        Awkward().render(selections)


def test_packed_selection():
    """Of the names of cuts PackedSelection makes a cut flow; coffea itself need not be installed elsewhere."""
    pytest.importorskip("coffea", reason="coffea is not installed; `cuts` and `select` need awkward alone")
    selections, source = next(case for case in CASES if len(case[0].flow.cuts) > 1)
    packed = load(selections)["packed"](ak.Array(source))
    np.testing.assert_array_equal(packed.all(*packed.names), expected(selections, source))
