"""Which names a file answers to: aliases, case, formats, slices, and what is said of those that it does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fake_source import FakeSource, compute, make_sample

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.observables import bind
from cutflow_cli.observables.quantities import CATALOGUE, OF_SEVERAL, canonical
from cutflow_cli.selection.observable import OF_SEVERAL_OBJECTS

NANO = make_sample("nanoaod", events=20).source
DELPHES = make_sample("delphes", events=20).source

#: The names that hep-ml-lab 0.4.3 has for each observable (its table, with `px` and the like as here).
HML = {
    "px": ["Px", "MomentumX", "momentum_x", "px"], "py": ["Py", "MomentumY", "momentum_y", "py"],
    "pz": ["Pz", "MomentumZ", "momentum_z", "pz"], "e": ["E", "Energy", "energy", "e"],
    "pt": ["Pt", "TransverseMomentum", "transverse_momentum", "pt", "PT", "pT"],
    "eta": ["Eta", "Pseudorapidity", "PseudoRapidity", "pseudorapidity", "eta"],
    "phi": ["Phi", "AzimuthalAngle", "azimuthal_angle", "phi"], "m": ["M", "Mass", "mass", "m"],
    "charge": ["Charge", "charge"], "b_tag": ["BTag", "b_tag"], "tau_tag": ["TauTag", "tau_tag"],
    "size": ["Size", "size"],
    "inv_mass": ["InvariantMass", "invariant_mass", "InvMass", "inv_mass", "InvM", "inv_m"],
    "delta_r": ["AngularDistance", "angular_distance", "DeltaR", "delta_r"],
    "tau1": ["tau1", "tau_1", "Tau1", "NSubjettiness1", "n_subjettiness_1"],
    "tau21": ["tau21", "tau_21", "Tau21", "NSubjettinessRatio21", "n_subjettiness_ratio_21"],
}  # fmt: skip


def refused(source, name, words, **options):
    with pytest.raises(InputError) as caught:
        bind([name], source, where="a.root", **options)
    message = str(caught.value)
    assert message.startswith("a.root: ")
    assert "\n" not in message
    assert words in message


@pytest.mark.parametrize(("short", "alias"), [(short, alias) for short, names in HML.items() for alias in names])
def test_every_alias_of_hml_is_the_same_observable(short, alias):
    assert canonical(alias) == short
    taus = {f"FatJet.Tau[{5}]": [[[3.0, 2.0, 1.0, 1.0, 1.0]], []]}
    source = FakeSource({"FatJet.PT": [[30.0], []], "FatJet.Eta": [[1.0], []], "FatJet.Phi": [[1.0], []],
                         "FatJet.Mass": [[9.0], []], "FatJet.Charge": [[1.0], []], "FatJet.BTag": [[1.0], []],
                         "FatJet.TauTag": [[0.0], []], "FatJet_size": np.array([1, 0]), **taus})  # fmt: skip
    objects = {"delta_r": "fatjet,fatjet", "size": "fatjet"}.get(short, "fatjet0")
    found = compute(source, f"{objects}.{short}", f"{objects}.{alias}")
    assert str(found[f"{objects}.{short}"]) == str(found[f"{objects}.{alias}"])


def test_the_grammar_knows_all_observables_of_several_objects():
    assert {canonical(name) for name in OF_SEVERAL_OBJECTS} == set(OF_SEVERAL)
    assert set(OF_SEVERAL) < set(CATALOGUE)


@pytest.mark.parametrize("name", ["missinget0.met", "met.pt", "missinget.pt", "MissingET0.PT", "met0.met", "MET.MET"])
@pytest.mark.parametrize("source", [NANO, DELPHES], ids=["nanoaod", "delphes"])
def test_missing_energy_goes_by_all_its_names(source, name):
    expected = compute(source, "MET_pt" if source is NANO else "MissingET.MET")
    assert compute(source, name) == expected


def test_of_single_objects_in_lists_a_column_gives_one_number_per_event():
    found = compute(DELPHES, "Event.Weight", "event.weight", "scalarht.ht", "MissingET.Phi")
    assert found["Event.Weight"] == found["event.weight"] == [1.5] * 20
    assert found["scalarht.ht"] == [99.0] * 20  # the branch, not the sum of pT


def test_objects_and_observables_go_in_any_case():
    for name in ("JET0.PT", "Jet0.pT", "jet0.pt"):
        assert str(compute(NANO, name)) == str(compute(NANO, "jet0.pt"))
    assert str(compute(NANO, "mu0.pt")) == str(compute(NANO, "Muon0.pt"))


def test_exact_case_wins_where_two_differ_by_case_alone():
    source = FakeSource({"Jet_pt": [[1.0]], "Jet_PT": [[2.0]], "jet_pt": [[3.0]]})
    assert compute(source, "Jet0.pt", "Jet0.PT", "jet0.pt") == {"Jet0.pt": [1.0], "Jet0.PT": [2.0], "jet0.pt": [3.0]}
    refused(source, "JET0.pt", "the file has Jet and jet; write the one that is meant")
    refused(source, "Jet0.Pt", "Jet has pt and PT; write the one")


def test_columns_go_by_their_own_names_and_types():
    source = FakeSource({"event": np.array([2**60 + 1, 2], dtype=np.uint64), "Jet_pt": [[1.0], []],
                         "flag": np.array([True, False]), "LHEScaleWeight": [[1.0, 2.0], [3.0, 4.0]]})  # fmt: skip
    bound = bind(["event", "Jet_pt", "flag", "LHEScaleWeight"], source, where="file")
    found = bound.compute(source.data)
    assert found["event"].dtype == np.uint64
    assert found["event"][0] == 2**60 + 1
    assert found["flag"].dtype == np.bool_
    assert found["Jet_pt"].tolist() == [[1.0], []]
    assert [bound.per_object(name) for name in ("event", "Jet_pt", "LHEScaleWeight")] == [False, True, True]
    assert [bound.is_column(name) for name in ("event", "Jet_pt")] == [True, False]


def test_a_collection_whose_name_ends_in_digits_is_looked_for_first():
    source = FakeSource({"FatJetAK8_pt": [[9.0, 8.0]], "FatJetAK_pt": [[1.0]], "nFatJetAK8": np.array([2])})
    found = compute(source, "fatjetak8.pt", "FatJetAK80.pt", "fatjetak81.pt", "fatjetak0.pt", "fatjetak81:.pt")
    assert list(found.values()) == [[[9.0, 8.0]], [9.0], [8.0], [1.0], [[8.0]]]


def test_a_counted_name_with_underscores_is_one_object():
    source = FakeSource({"nMuon_good": np.array([1]), "Muon_good_pt": [[5.0]], "nMuon": np.array([2]),
                         "Muon_pt": [[7.0, 8.0]], "Muon_pfRelIso03_all": [[0.1, 0.2]]})  # fmt: skip
    found = compute(source, "muon_good0.pt", "muon1.pt", "muon1.pfRelIso03_all")
    assert found == {"muon_good0.pt": [5.0], "muon1.pt": [8.0], "muon1.pfRelIso03_all": [0.2]}


def test_a_branch_comes_before_what_could_be_computed():
    source = FakeSource({"Jet_pt": [[30.0]], "Jet_eta": [[0.0]], "Jet_phi": [[0.0]], "Jet_mass": [[4.0]],
                         "Jet_px": [[-1.0]], "Jet_tau21": [[0.25]], "Jet_mt": [[55.0]]})  # fmt: skip
    found = compute(source, "jet0.px", "jet0.tau21", "jet0.mt", "jet0.mass", "jet0.m")
    assert list(found.values()) == [[-1.0], [0.25], [55.0], [4.0], [4.0]]


@pytest.mark.parametrize(
    ("columns", "format", "expected"),
    [
        ({"Jet.PT": [[1.0]], "Jet_size": np.array([1])}, "ROOT", "Delphes"),
        ({"Event.Weight": [[1.0]]}, "Parquet", "Delphes"),
        ({"nJet": np.array([1]), "Jet_pt": [[1.0]]}, "ROOT", "NanoAOD"),
        ({"Jet_pt": [[1.0]]}, "Parquet", "NanoAOD"),
        ({"NMuon": np.array([1]), "Muon_Px": [[1.0]]}, "ROOT", "NanoAOD"),
        ({"Jet_pt": [[1.0]]}, "LHE", "LHE"),
        ({"jet_pt": np.array([1.0]), "m_jet": np.array([1.0])}, "Parquet", "flat"),
        ({"njet": np.array([1]), "jet_pt": np.array([1.0])}, "CSV", "flat"),
        ({"px1": np.array([1.0]), "_collection0.Muon_pt": np.array([1.0])}, "RNTuple", "flat"),
    ],
)
def test_the_format_is_recognised(columns, format, expected):
    assert bind([], FakeSource(columns, format), where="file").format == expected


def test_a_format_that_is_named_decides():
    source = FakeSource({"Jet_pt": [[1.0]], "met_pt": np.array([2.0])})
    assert bind(["met.pt"], source, where="f", event_format="nanoaod").format == "NanoAOD"
    refused(source, "jet0.pt", "a flat table has no objects", event_format="flat")
    refused(source, "jet0.pt", "read as Delphes, this file has no objects", event_format="Delphes")
    with pytest.raises(UsageError, match="no event format 'root'; there are: Delphes, NanoAOD, LHE, flat"):
        bind([], source, where="f", event_format="root")


def test_only_what_is_needed_is_read_and_described():
    wide = {f"HLT_path{number}": np.array([True]) for number in range(50)}
    columns = {"nJet": np.array([1]), "Jet_pt": [[1.0]], "Jet_eta": [[1.0]], "Jet_phi": [[1.0]], "Jet_mass": [[1.0]],
               "MET_pt": np.array([1.0]), "MET_phi": np.array([1.0])}  # fmt: skip
    source = FakeSource({**wide, **columns})

    def needed(*names):
        return {column.name for column in bind(names, source, where="file").columns}

    assert needed("jet0.pt") == needed("jet:4.ht") == needed("jet.pt", "Jet_pt") == {"Jet_pt"}
    assert needed("jet.size") == {"nJet"}
    assert needed("jet0,met.mt") == {"Jet_pt", "Jet_phi", "MET_pt", "MET_phi"}
    assert needed("jet0,jet1.inv_mass") == {"Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass"}
    assert not any(name.startswith("HLT") for name in source.described)
    bound = bind(["jet0.pt", "jet.size", "jet0,met.mt"], source, where="file")
    assert [column.name for column in bound.columns_of(["jet.size", "jet0.pt"])] == ["Jet_pt", "nJet"]
    assert list(bound.compute(source.data, ["jet.size"])) == ["jet.size"]


def test_counters_are_believed_only_where_the_format_keeps_them_true():
    columns = {"nJet": np.array([5, 5]), "Jet_pt": [[1.0, 2.0], []]}  # cut down, the counter forgotten
    assert compute(FakeSource(columns, "Parquet"), "jet.size") == [2.0, 0.0]
    assert compute(FakeSource(columns, "ROOT"), "jet.size") == [5.0, 5.0]


def test_single_precision_is_enough_for_what_comes_from_single_precision():
    columns = {"Jet_pt": [[1.0]], "Jet_phi": [[1.0]]}
    single, double = FakeSource(columns, dtype="float32"), FakeSource(columns)
    for name in ("jet0.pt", "jet.px", "jet0,jet0.delta_phi"):
        assert bind([name], single, where="f").fits_float32(name)
        assert not bind([name], double, where="f").fits_float32(name)
    source = FakeSource({"nJet": np.array([1]), "Jet_pt": [[1.0]], "number": np.array([1])})
    bound = bind(["jet.size", "number"], source, where="f")
    assert bound.fits_float32("jet.size")
    assert not bound.fits_float32("number")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("jte0.pt", "observable 'jte0.pt': no objects 'jte'; did you mean Jet"),
        ("dog0.pt", "no objects 'dog'; there are: Jet, Muon, Electron, MET, lepton"),
        ("jet0.ptt", "Jet has no 'ptt'; did you mean pt"),
        ("jet0.size", "size is of a collection, and jet0 is one object; write jet.size"),
        ("met.size", "there is always one"),
        ("jet,muon.size", "size is of one collection; write jet.size + muon.size"),
        ("jet0.delta_r", "delta_r is between two objects, and one is named; write two, as in jet0,jet1.delta_r"),
        ("muon0.mt", "write two, as in muon0,missinget0.mt"),
        ("jet0,jet1,jet2.delta_phi", "3 are named"),
        ("jet0,jet1.pt", "pt is of one object or collection; write each by itself (jet0.pt, jet1.pt)"),
        ("jet0,jet1.btagDeepB", "no observable 'btagDeepB' of several objects"),
        ("jet.min_delta_phi", "write jet,missinget0.min_delta_phi"),
        ("met,jet.min_delta_phi", "is to the last object, and jet is a collection"),
        ("met.pz", "along the beam is not measured"),
        ("met.eta", "along the beam is not measured"),
        ("muon0,met.inv_mass", "write muon0,met.mt"),
        ("jet0,met.delta_r", "write delta_phi"),
        ("met1.pt", "there is always one MET per event; write met without index"),
        ("met:2.pt", "write met without index"),
        ("jet3:3.pt", "jet3:3 keeps no objects"),
        ("jet:0.pt", "keeps no objects"),
        ("jet0.b_tag", "Jet has no b_tag; it has pt, eta, phi, mass, charge"),
        ("jet0.tau21", "Jet has no tau2"),
        ("jet0.tau_n", "does not say which; write tau1"),
        ("jet0.constituents.pt", "Jet has no objects 'constituents' in this file; Delphes has them as"),
        ("jet0.constituents.daughters.pt", "goes down two levels"),
        ("lepton0.constituents.pt", "has no objects of its own"),
        ("jet0", "is an object, not an observable; write jet0.pt"),
        ("inv_mass", "is an observable without object, and no column; write jet0.inv_mass"),
        ("Jet_ptt", "no column 'Jet_ptt'; did you mean Jet_pt"),
    ],
)
def test_what_can_not_be_had_is_refused_in_one_line(name, words):
    refused(NANO, name, words)


def test_messages_say_what_needs_a_name():
    with pytest.raises(InputError, match=r"^f: no column 'Jet_ptt' \(feature 'x'\); did you mean Jet_pt"):
        bind(["Jet_ptt"], NANO, where="f", users={"Jet_ptt": "feature 'x'"})
    with pytest.raises(InputError, match=r"^f: observable 'jet0\.q' \(a feature\): Jet has no 'q'"):
        bind(["jet0.q"], NANO, where="f", users={"jet0.q": "a feature"})


def test_columns_that_are_no_numbers_are_refused():
    source = FakeSource({"name": np.array(["1", "b"], dtype=object), "FatJet.Tau[5]": [[[1.0]]], "FatJet.PT": [[1.0]],
                         "FatJet_size": np.array([1])})  # fmt: skip
    refused(source, "name", "column 'name' holds text ('b' in row 2), numbers were expected")
    refused(source, "FatJet.Tau[5]", "one number per event or one per object")
    refused(source, "fatjet0.tau", "write fatjet0.tau1 and so on")
    refused(source, "fatjet0.tau6", "FatJet.Tau[5] holds tau1 to tau5")
    refused(source, "fatjet0.eta", "FatJet has no eta, nor px, py and pz")
    refused(source, "fatjet0.m,x", "is not <object>.<observable>")


def test_tags_and_scores_are_not_confused():
    source = FakeSource({"Jet_pt": [[1.0]], "Jet_btagDeepB": [[0.7]], "Jet_btagDeepFlavB": [[0.6]],
                         "Jet_number": np.array([1.0])})  # fmt: skip
    refused(source, "jet.b_tag", "discriminators: btagDeepB, btagDeepFlavB; cut on one of them, as in jet0.btagDeepB")
    refused(source, "jet.number", "Jet_number is one number per event, not one per Jet; write Jet_number")
    assert compute(source, "jet0.btagdeepflavb") == [0.6]


def test_leptons_need_electrons_and_muons():
    refused(FakeSource({"Muon_pt": [[1.0]]}), "lepton0.pt", "there is only Muon here; write muon")
    refused(FakeSource({"Jet_pt": [[1.0]]}), "lepton0.pt", "there is neither here")
    refused(FakeSource({"Muon_pt": [[1.0]], "Electron_pt": [[1.0]], "Muon_iso": [[1.0]]}), "lepton.iso",
            "Electron has no 'iso'")  # fmt: skip
    own = FakeSource({"Lepton_pt": [[3.0]], "Muon_pt": [[1.0]], "Electron_pt": [[1.0]]})
    assert compute(own, "lepton0.pt") == [3.0]


def test_objects_without_four_momentum_say_what_they_lack():
    source = FakeSource({"Track_pt": [[1.0]], "Track_phi": [[1.0]], "Vertex_z": [[1.0]]})
    refused(source, "track0,track1.inv_mass", "Track has no eta, so it has no four-momentum")
    refused(source, "vertex0.pt", "Vertex has no pt, nor px and py to compute it from")
    refused(source, "vertex0.e", "Vertex has no pt, eta and phi, so it has no four-momentum")


def test_missing_objects_are_missing_values():
    assert all(math.isnan(value) for value in compute(NANO, "jet99.pt"))
    assert all(math.isnan(value) for value in compute(NANO, "jet0,jet99.inv_mass"))
