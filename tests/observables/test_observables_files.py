"""Observables of real files: the simulated samples beside the checkout, and public ones."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from cutflow_cli.events.readers import open_source
from cutflow_cli.observables import bind

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
PUBLIC = DATA / "third_party"
pytestmark = pytest.mark.skipif(not PUBLIC.is_dir(), reason="needs the samples in ../shared/data")


def read(path, *names, tree=None, events=2000):
    """Bind and compute for the first events of a file."""
    source = open_source(path, tree)
    bound = bind(names, source, where=source.where)
    found = bound.compute(next(iter(source.chunks(bound.columns, events))))
    source.close()
    return bound.format, found


@pytest.mark.parametrize("name", ["signal.root", "background.root"])
def test_jets_are_those_of_the_parquet_file(name):
    import pandas as pd

    columns = {"m_jet": "fatjet0.m", "tau21": "fatjet0.tau21", "jet_pt": "fatjet0.pt", "jet_eta": "fatjet0.eta"}
    form, found = read(DATA / name, "event", *columns.values(), events=10_000)
    assert form == "NanoAOD"
    table = pd.read_parquet(DATA / "diboson.parquet", columns=["event", *columns]).set_index("event")
    expected = table.loc[found["event"]]
    assert len(expected) == 10_000
    for column, observable in columns.items():
        np.testing.assert_allclose(found[observable], expected[column].to_numpy(np.float64), rtol=2e-6)


def test_hzz_tutorial_has_z_bosons():
    form, found = read(PUBLIC / "uproot-HZZ.root", "muon0,muon1.inv_mass", "muon0.charge", "muon1.charge", "met.pt",
                       "muon.size", "Muon_Px", "Muon_Py", "muon.pt", "muon.m")  # fmt: skip
    assert form == "NanoAOD"
    pairs = (found["muon.size"] == 2) & (found["muon0.charge"] != found["muon1.charge"])
    assert np.median(found["muon0,muon1.inv_mass"][pairs]) == pytest.approx(91.2, abs=2.0)
    assert np.isnan(found["muon0,muon1.inv_mass"]).tolist() == (found["muon.size"] < 2).tolist()
    assert (found["met.pt"] >= 0).all()
    for px, py, pt in zip(found["Muon_Px"], found["Muon_Py"], found["muon.pt"], strict=True):
        assert pt.tolist() == pytest.approx([math.hypot(x, y) for x, y in zip(px, py, strict=True)])
    assert abs(np.mean([mass for event in found["muon.m"].tolist() for mass in event]) - 0.106) < 0.05


@pytest.mark.parametrize(
    ("name", "tree"),
    [
        ("nanoAOD_2015_CMS_Open_Data_ttbar.root", "Events"),
        ("cmsopendata2015_ttbar_19980_NANOAOD_RNTupleImporter_rntuple_v1-0-0-1.root", "Events"),
    ],
)
def test_nanoaod_as_tree_and_as_rntuple(name, tree):
    form, found = read(
        PUBLIC / name, "jet.pt", "jet.size", "nJet", "lepton0.pt", "lepton0,met.mt", "met.met", "puppimet.pt",
        "jet0,jet1.inv_mass", "jet,met.min_delta_phi", "fatjet0.tau21", "muon0.miniPFRelIso_all", "genjetak80.pt",
        "jet0.btagDeepFlavB",
        tree=tree)  # fmt: skip
    assert form == "NanoAOD"
    assert found["jet.size"].tolist() == found["nJet"].tolist() == [len(event) for event in found["jet.pt"]]
    assert all(event.tolist() == sorted(event, reverse=True) for event in found["jet.pt"])
    assert np.nanmax(found["jet,met.min_delta_phi"]) <= math.pi
    assert (np.isnan(found["lepton0.pt"]) == np.isnan(found["lepton0,met.mt"])).all()
    tau21 = found["fatjet0.tau21"]
    assert ((tau21 > 0) & (tau21 < 1) | np.isnan(tau21)).all()
    assert (found["met.met"] > 0).all()


def test_dimuons_of_cms_open_data_have_the_masses_that_vector_gives():
    import vector

    name = "Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root"
    parts = [f"muon{index}.{axis}" for index in (0, 1) for axis in ("pt", "eta", "phi", "m")]
    _, found = read(PUBLIC / name, "muon0,muon1.inv_mass", *parts)
    for event in np.flatnonzero(~np.isnan(found["muon1.pt"]))[:50]:
        first, second = (
            vector.obj(**{axis: float(found[f"muon{index}.{axis}"][event]) for axis in ("pt", "eta", "phi", "m")})
            for index in (0, 1)
        )
        assert found["muon0,muon1.inv_mass"][event] == pytest.approx((first + second).m, rel=1e-9)


def test_a_flat_tree_has_no_objects():
    from cutflow_cli.errors import InputError

    path = PUBLIC / "uproot-Zmumu.root"
    form, found = read(path, "M", "pt1")
    assert form == "flat"
    assert np.median(found["M"]) == pytest.approx(91.0, abs=2.0)
    with pytest.raises(InputError, match=r"observable 'muon0\.pt': a flat table has no objects"):
        read(path, "muon0.pt")


@pytest.mark.parametrize("name", ["madgraph-2.0.0-wbj", "powheg-box-v2-Zj", "pythia-8.3.14-weakbosons"])
def test_momentum_is_conserved_in_les_houches_events(name):
    pytest.importorskip("pylhe")
    names = ("particle.px", "particle.py", "particle.e", "particle.m", "particle.inv_mass", "jet.ht", "jet.pt",
             "jet.size", "lepton.size", "met.pt", "weight")  # fmt: skip
    form, found = read(PUBLIC / f"pylhe-testfile-{name}.lhe", *names)
    assert form == "LHE"
    for event in range(len(found["weight"])):
        energy = sum(found["particle.e"][event])
        assert sum(found["particle.px"][event]) == pytest.approx(0.0, abs=1e-6 * energy)
        assert sum(found["particle.py"][event]) == pytest.approx(0.0, abs=1e-6 * energy)
        assert sum(found["particle.m"][event]) - 1e-6 * energy < found["particle.inv_mass"][event] < energy
        assert found["jet.ht"][event] == pytest.approx(sum(found["jet.pt"][event]))
        assert found["jet.size"][event] == len(found["jet.pt"][event])
