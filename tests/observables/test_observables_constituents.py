"""Objects of objects: Delphes' references and PFNano's indices, against loops over events, jets and constituents."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from fake_source import FakeSource, compute

from cutflow_cli.errors import InputError
from cutflow_cli.events.readers import open_source
from cutflow_cli.observables import bind

NAN = math.nan
STORED = Path(__file__).resolve().parent.parent / "events" / "data" / "delphes.root"


class Random:
    """Random jets with constituents among towers and tracks, in Delphes' or PFNano's way."""

    def __init__(self, seed=3, events=40):
        rng = np.random.default_rng(seed)
        self.towers, self.tracks, self.jets = [], [], []
        for _ in range(events):
            ids = iter(rng.permutation(np.arange(1, 40)))  # as TProcessID does: small numbers, of this event alone
            self.towers.append([self.particle(rng, int(next(ids))) for _ in range(rng.integers(0, 5))])
            self.tracks.append([self.particle(rng, int(next(ids))) for _ in range(rng.integers(0, 5))])
            everything = self.towers[-1] + self.tracks[-1]
            self.jets.append([
                [everything[place] for place in rng.permutation(len(everything))[: rng.integers(0, 4)]]
                for _ in range(rng.integers(0, 4))
            ])  # fmt: skip

    @staticmethod
    def particle(rng, number):
        return {"id": number, "pt": float(rng.exponential(5.0)), "eta": float(rng.normal()),
                "phi": float(rng.uniform(-3.0, 3.0)), "charge": float(rng.choice([-1, 1]))}  # fmt: skip

    def column(self, objects, name):
        return [[item[name] for item in event] for event in objects]

    def delphes(self, process=0):
        references = [[[item["id"] for item in jet] for jet in event] for event in self.jets]
        return FakeSource({
            "FatJet.PT": [[100.0 - place for place in range(len(event))] for event in self.jets],
            "FatJet.Constituents": references,
            "FatJet_size": np.array([len(event) for event in self.jets]),
            "Tower.fUniqueID": [[item["id"] + process for item in event] for event in self.towers],
            "Tower.ET": self.column(self.towers, "pt"), "Tower.Eta": self.column(self.towers, "eta"),
            "Tower.Phi": self.column(self.towers, "phi"), "Tower.E": self.column(self.towers, "pt"),
            "Tower_size": np.array([len(event) for event in self.towers]),
            "EFlowTrack.fUniqueID": [[item["id"] + process for item in event] for event in self.tracks],
            "EFlowTrack.PT": self.column(self.tracks, "pt"), "EFlowTrack.Eta": self.column(self.tracks, "eta"),
            "EFlowTrack.Phi": self.column(self.tracks, "phi"), "EFlowTrack.Charge": self.column(self.tracks, "charge"),
            "EFlowTrack_size": np.array([len(event) for event in self.tracks]),
        })  # fmt: skip

    def pfnano(self, seed=5):
        rng = np.random.default_rng(seed)
        everything = [towers + tracks for towers, tracks in zip(self.towers, self.tracks, strict=True)]
        place = [{item["id"]: index for index, item in enumerate(event)} for event in everything]
        rows = [
            [(number, place[event][item["id"]]) for number, jet in enumerate(jets) for item in jet] + [(-1, 0)]
            for event, jets in enumerate(self.jets)
        ]
        for row in rows:  # jets need not lie one after the other, only each one's constituents in their order
            keys = {number: rng.random() for number, _ in row}
            row.sort(key=lambda pair, keys=keys: keys[pair[0]])
        return FakeSource({
            "nFatJet": np.array([len(event) for event in self.jets]),
            "FatJet_pt": [[100.0 for _ in event] for event in self.jets],
            "FatJetPFCands_jetIdx": [[jet for jet, _ in row] for row in rows],
            "FatJetPFCands_pFCandsIdx": [[item for _, item in row] for row in rows],
            "FatJetPFCands_weight": [[float(jet) for jet, _ in row] for row in rows],
            "PFCands_pt": self.column(everything, "pt"), "PFCands_eta": self.column(everything, "eta"),
            "PFCands_phi": self.column(everything, "phi"),
        })  # fmt: skip


SAMPLE = Random()


@pytest.fixture(params=["delphes", "pfnano", "other process"], scope="module")
def source(request):
    if request.param == "pfnano":
        return SAMPLE.pfnano()
    return SAMPLE.delphes(process=0 if request.param == "delphes" else 7 << 24)


def nth(values, index, missing):
    return values[index] if index < len(values) else missing


def test_constituents_are_one_list_per_event(source):
    names = (
        "fatjet0.constituents:2.pt",
        "fatjet.constituents.eta",
        "fatjet1:.constituents1:.pt",
        "fatjet2.constituents.pt",
    )
    found = compute(source, *names)
    for event, leading, everything, tails, third in zip(SAMPLE.jets, *found.values(), strict=True):
        assert leading == [item["pt"] for item in nth(event, 0, [])[:2]]
        assert everything == [item["eta"] for jet in event for item in jet]
        assert tails == [item["pt"] for jet in event[1:] for item in jet[1:]]
        assert third == [item["pt"] for item in nth(event, 2, [])]


def test_single_constituents(source):
    found = compute(source, "fatjet1.constituents0.pt", "fatjet.constituents0.pt")
    for event, one, each in zip(SAMPLE.jets, *found.values(), strict=True):
        expected = [jet[0]["pt"] if jet else NAN for jet in event]
        assert each == pytest.approx(expected, nan_ok=True)  # one for each jet, to be compared with fatjet.pt
        assert one == pytest.approx(nth(expected, 1, NAN), nan_ok=True)


def test_what_constituents_have_together(source):
    names = ("fatjet0.constituents.size", "fatjet.constituents:2.size", "fatjet0.constituents.ht",
             "fatjet0.constituents.inv_mass", "fatjet0,fatjet0.constituents.delta_r")  # fmt: skip
    found = compute(source, *names[:4])
    for event, size, sizes, ht, mass in zip(SAMPLE.jets, *found.values(), strict=True):
        leading = nth(event, 0, None)
        assert size == pytest.approx(NAN if leading is None else len(leading), nan_ok=True)
        assert sizes == sum(min(len(jet), 2) for jet in event)
        assert ht == pytest.approx(math.fsum(item["pt"] for item in leading or []))
        px, py, pz = (math.fsum(axis) for axis in (
            [item["pt"] * math.cos(item["phi"]) for item in leading or []],
            [item["pt"] * math.sin(item["phi"]) for item in leading or []],
            [item["pt"] * math.sinh(item["eta"]) for item in leading or []]))  # fmt: skip
        energy = math.fsum(item["pt"] * math.cosh(item["eta"]) for item in leading or [])
        expected = math.sqrt(max(energy**2 - px**2 - py**2 - pz**2, 0.0)) if leading else NAN
        assert mass == pytest.approx(expected, rel=1e-6, abs=1e-5, nan_ok=True)


def test_what_a_sort_of_constituents_lacks_is_missing():
    charges = compute(SAMPLE.delphes(), "fatjet.constituents.charge")
    for event, tracks, found in zip(SAMPLE.jets, SAMPLE.tracks, charges, strict=True):
        ids = [item["id"] for item in tracks]
        expected = [item["charge"] if item["id"] in ids else NAN for jet in event for item in jet]
        assert found == pytest.approx(expected, nan_ok=True)


def test_the_table_of_indices_may_have_columns_of_its_own():
    found = compute(SAMPLE.pfnano(), "fatjet.constituents.weight")
    assert found == [[float(number) for number, jet in enumerate(event) for _ in jet] for event in SAMPLE.jets]


@pytest.mark.parametrize("rows", [7, 13])
def test_chunks_do_not_mix_events(source, rows):
    names = ("fatjet0.constituents:2.pt", "fatjet.constituents0.phi")
    assert str(compute(source, *names, rows=rows)) == str(compute(source, *names))


def test_references_to_what_the_file_does_not_hold_are_missing():
    source = FakeSource({"Jet.PT": [[9.0]], "Jet.Constituents": [[[3, 0, 5]]], "Jet_size": np.array([1]),
                         "Tower.fUniqueID": [[0, 5]], "Tower.ET": [[7.0, 2.0]],
                         "Tower_size": np.array([2])})  # fmt: skip
    assert compute(source, "jet0.constituents.pt")[0] == pytest.approx([NAN, NAN, 2.0], nan_ok=True)
    bare = FakeSource({"Jet.PT": [[9.0]], "Jet.Constituents": [[[3]]], "Jet_size": np.array([1])})
    with pytest.raises(InputError, match=r"Jet\.Constituents refers to objects that this file does not hold"):
        bind(["jet0.constituents.pt"], bare, where="f")
    with pytest.raises(InputError, match="Tower has no 'q'"):
        bind(["jet0.constituents.q"], source, where="f")
    with pytest.raises(InputError, match="keeps no objects"):
        bind(["jet0.constituents2:2.pt"], source, where="f")


def test_indices_that_point_outside_the_candidates_are_missing():
    source = FakeSource({"FatJet_pt": [[9.0], [8.0]], "FatJetPFCands_jetIdx": [[0, 0, 0, 3], []],
                         "FatJetPFCands_pFCandsIdx": [[-1, 5, 1, 0], []],
                         "PFCands_pt": [[1.0, 2.0], [3.0]]})  # fmt: skip
    found = compute(source, "fatjet.constituents.pt")
    assert found[0] == pytest.approx([NAN, NAN, 2.0], nan_ok=True)
    assert found[1] == []


def test_a_file_of_root_with_delphes_classes():
    """Jet k of n has every n-th tower, from the k-th on; tower i has ET = i + 1; see make_root_files.C."""
    source = open_source(STORED, None)
    names = ["fatjet0.constituents.pt", "fatjet.constituents:1.pt", "fatjet1.constituents0.pt",
             "fatjet.constituents.size", "fatjet0.tau21", "fatjet.b_tag", "missinget0.met", "MissingET0.PT",
             "event.weight", "muon0,met.mt"]  # fmt: skip
    bound = bind(names, source, where=source.where)
    assert bound.format == "Delphes"
    found = {name: [] for name in names}
    for chunk in source.chunks(bound.columns, 5):
        for name, values in bound.compute(chunk).items():
            found[name] += values.tolist()
    for event in range(12):
        towers = [float(number + 1) for number in range(event % 5 + 2)]
        number = event % 3
        jets = [towers[place::number] for place in range(number)]
        assert found["fatjet0.constituents.pt"][event] == nth(jets, 0, [])
        assert found["fatjet.constituents:1.pt"][event] == [jet[0] for jet in jets]
        assert found["fatjet1.constituents0.pt"][event] == pytest.approx(2.0 if number > 1 else NAN, nan_ok=True)
        assert found["fatjet.constituents.size"][event] == (len(towers) if jets else 0)
        assert found["fatjet0.tau21"][event] == pytest.approx(0.5 if jets else NAN, nan_ok=True)
        assert found["fatjet.b_tag"][event] == [float(place) for place in range(number)]
        assert found["missinget0.met"][event] == found["MissingET0.PT"][event] == 10.0 * event
        assert found["event.weight"][event] == 1.0
        expected = math.sqrt(2 * 20 * 10 * event * (1 - math.cos(0.5))) if event % 2 else NAN
        assert found["muon0,met.mt"][event] == pytest.approx(expected, rel=1e-6, nan_ok=True)
    source.close()
