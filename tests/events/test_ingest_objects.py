"""Objects through ingest: real files of every format, and features that a reference computed elsewhere."""

import gzip
import shutil
import sys

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.ingest import ingest
from cutflow_cli.events.settings_file import validate

NANO = ["dimuon = muon0,muon1.inv_mass", "jet0.pt", "n = jet.size", "met.pt", "apart = jet0,jet1.delta_r"]
MUONS = ["dimuon = muon0,muon1.inv_mass", "muon0.pt", "n = muon.size"]


@pytest.fixture(scope="module")
def data(root):
    directory = root.parent / "shared" / "data"
    if not directory.is_dir():
        pytest.skip("the realistic samples are not beside the checkout")
    return directory


def read(path, features, tmp_path, **rest):
    """Ingest a file as signal, beside a copy of it as background; return the signal's rows and what was made."""
    copy = tmp_path / f"copy{''.join(path.suffixes[-2:])}"
    shutil.copy(path, copy)
    raw = {
        "features": features,
        "processes": {"S": {"role": "signal", "files": str(path)}, "B": {"role": "background", "files": str(copy)}},
        **rest,
    }
    done = ingest(validate(raw), tmp_path / "o.parquet")
    rows = pq.read_table(tmp_path / "o.parquet").to_pandas()
    signal, background = (rows[rows.process == name].reset_index(drop=True) for name in ("S", "B"))
    names = [feature.name for feature in done.metadata.features]
    assert signal[names].equals(background[names])
    return signal, done


def mass(pt, eta, phi, m):
    """Invariant mass of two particles, by the definition."""
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    energy = np.sqrt(px**2 + py**2 + pz**2 + m**2)
    return np.sqrt(energy.sum() ** 2 - px.sum() ** 2 - py.sum() ** 2 - pz.sum() ** 2)


@pytest.mark.parametrize(
    ("name", "features", "form", "events"),
    [
        ("nanoAOD_2015_CMS_Open_Data_ttbar.root", NANO, "NanoAOD ROOT", 200),
        ("cmsopendata2015_ttbar_19980_NANOAOD_RNTupleImporter_rntuple_v1-0-0-1.root", NANO, "NanoAOD RNTuple", 10),
        ("Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root", MUONS, "NanoAOD RNTuple", 1000),
        ("uproot-HZZ.root", [*MUONS, "met.pt", "tag = jet0.btag"], "NanoAOD ROOT", 2421),
        ("uproot-Zmumu.root", ["M", "balance = pt1 / pt2"], "flat ROOT", 2304),
    ],
)
def test_real_files_are_read_with_their_objects(data, tmp_path, name, features, form, events):
    path = data / "third_party" / name
    rows, done = read(path, features, tmp_path)
    assert set(done.formats.values()) == {form}
    assert len(rows) == events
    if form.startswith("flat"):
        with uproot.open(path) as file:
            own = file["events"].arrays(["M", "pt1", "pt2"], library="np")
        np.testing.assert_array_equal(rows.M, own["M"])
        np.testing.assert_array_equal(rows.balance, own["pt1"] / own["pt2"])
        return
    assert rows.n.sum() > 0
    two = rows.dimuon.notna()
    assert 0 < two.sum() < len(rows)
    assert (rows.dimuon[two] > 0.2).all()
    if "Muons" in name:
        assert two.sum() == (rows.n >= 2).sum()
        assert ((rows.dimuon > 80) & (rows.dimuon < 100)).sum() > 0.05 * len(rows)  # the Z is there
    if name.startswith("nanoAOD"):
        with uproot.open(path) as file:
            muons = file["Events"].arrays([f"Muon_{key}" for key in ("pt", "eta", "phi", "mass")])
        assert (ak.num(muons["Muon_pt"]) >= 2).to_list() == two.to_list()
        for event in np.flatnonzero(two):
            parts = [ak.to_numpy(muons[event, field][:2]).astype(float) for field in muons.fields]
            assert rows.dimuon[event] == pytest.approx(mass(*parts), rel=1e-5)


def test_the_realistic_samples_have_the_features_computed_when_they_were_made(data, tmp_path):
    raw = {
        "features": ["m_jet = fatjet0.mass", "tau21 = fatjet0.tau21", "jet_pt = fatjet0.pt", "jet_eta = fatjet0.eta"],
        "spectators": ["event"],
        "processes": {
            "S": {"role": "signal", "files": str(data / "signal.root")},
            "B": {"role": "background", "files": str(data / "background.root")},
        },
    }
    ingest(validate(raw), tmp_path / "o.parquet")
    mine = pq.read_table(tmp_path / "o.parquet").to_pandas().set_index("event")
    reference = pq.read_table(data / "diboson.parquet").to_pandas().set_index("event").loc[mine.index]
    assert len(mine) == 20_000
    assert (mine.label == reference.label).all()
    for name in ("m_jet", "jet_pt", "jet_eta"):
        np.testing.assert_array_equal(mine[name], reference[name])
    # The reference divided doubles and rounded the ratio; the ROOT files hold tau1 and tau2 rounded to float32, each
    # by half a unit in the last place at most, so the ratio may be off by 2^-24 twice, and is rounded once more.
    assert mine.tau21.dtype == np.float32
    np.testing.assert_allclose(mine.tau21, reference.tau21, rtol=3 * 2.0**-24)


LHE = {
    "madgraph": ("pylhe-testfile-madgraph-2.0.0-wbj.lhe", 50.109086),
    "powheg": ("pylhe-testfile-powheg-box-v2-Zj.lhe", 141.939),
    "pythia": ("pylhe-testfile-pythia-8.3.14-weakbosons.lhe", 48.76776),
}


def lhe_settings(files, **changes):
    """A process for each file, the first of them the signal, normalised by its header."""
    of_each = {"cross_section": "header", "weight": "weight", **changes}
    roles = ["signal"] + ["background"] * (len(files) - 1)
    return {
        "features": ["jet0.pt", "n = jet.size", "met.pt", "leptons = electron.size + muon.size"],
        "luminosity": 10.0,
        "processes": {
            name: {"role": role, "files": str(path), **of_each}
            for role, (name, path) in zip(roles, files.items(), strict=True)
        },
    }


def test_generator_files_are_normalised_by_their_headers_zipped_or_not(data, tmp_path):
    pytest.importorskip("pylhe")
    files = {name: data / "third_party" / file for name, (file, _) in LHE.items()}
    zipped = tmp_path / "powheg.lhe.gz"
    zipped.write_bytes(gzip.compress(files["powheg"].read_bytes()))
    done = ingest(validate(lhe_settings({**files, "powheg": zipped})), tmp_path / "o.parquet")
    assert done.formats == dict.fromkeys(files, "LHE")
    assert "generator weights" not in " ".join(done.notes)
    for process in done.metadata.processes:
        assert process.cross_section == pytest.approx(LHE[process.name][1], rel=1e-7)
        assert process.total.sumw == pytest.approx(LHE[process.name][1] * 10_000, rel=1e-7)
    rows = pq.read_table(tmp_path / "o.parquet").to_pandas()
    assert rows.groupby("process", observed=True).size().to_dict() == {"madgraph": 59, "powheg": 100, "pythia": 100}
    assert (rows.n[rows.process == "madgraph"] == 2).all()  # W b j, the W to quarks is not in the file
    plain = ingest(validate(lhe_settings(files)), tmp_path / "plain.parquet")
    assert plain.metadata.processes == done.metadata.processes


def test_a_header_holds_for_all_events_of_its_file_and_for_lhe_files_only(data, tmp_path):
    pytest.importorskip("pylhe")
    madgraph, powheg = (data / "third_party" / LHE[name][0] for name in ("madgraph", "powheg"))
    own, text = "0.50109086E+02", madgraph.read_text()
    assert own in text
    for other, says in (
        (own, None),
        ("0.50209086E+02", None),  # within the errors
        ("0.70109086E+02", r"from 50\.1\d* to 70\.1\d* pb, so they are different samples"),
        ("-.50109086E+02", "a file's header gives the cross section -50"),
    ):
        (tmp_path / "other.lhe").write_text(text.replace(own, other))
        raw = lhe_settings({"a": madgraph, "b": powheg})
        raw["processes"]["a"]["files"] = [str(madgraph), str(tmp_path / "other.lhe")]
        if says is None:
            done = ingest(validate(raw), tmp_path / "o.parquet", force=True)
            wanted = (float(own) + float(other)) / 2
            assert done.metadata.processes[0].cross_section == pytest.approx(wanted, rel=1e-7)
            assert done.metadata.processes[0].total.sumw == pytest.approx(wanted * 10_000)
            continue
        with pytest.raises(InputError, match=says):
            ingest(validate(raw), tmp_path / "x.parquet")
    pq.write_table(pa.table({"met.pt": [1.0]}), tmp_path / "flat.parquet")
    raw = lhe_settings({"a": tmp_path / "flat.parquet", "b": powheg}, weight=None)
    raw["features"] = ["met.pt"]
    with pytest.raises(InputError, match=r"flat.parquet: a Parquet file has no header with a cross section; give"):
        ingest(validate(raw), tmp_path / "x.parquet")
    assert not (tmp_path / "x.parquet").exists()


def test_without_pylhe_it_is_said_what_to_install(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pylhe", None)
    files = {name: data / "third_party" / file for name, (file, _) in LHE.items()}
    with pytest.raises(UsageError, match=r"lhe: .* are read by pylhe, install it: pip install 'cutflow-cli\[lhe\]'"):
        ingest(validate(lhe_settings(files)), tmp_path / "o.parquet")
