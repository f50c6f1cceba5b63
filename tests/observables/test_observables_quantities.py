"""Every observable against plain loops over the same events, for every way that a file spells them."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from fake_source import FakeSource, Sample, compute, four_momentum, make_sample

NAN = math.nan
SPELLINGS = ["nanoaod", "delphes", "cartesian"]


@pytest.fixture(scope="module", params=SPELLINGS)
def sample(request) -> Sample:
    return make_sample(request.param)


def same(found, expected, rel=1e-9):
    assert len(found) == len(expected)
    for left, right in zip(found, expected, strict=True):
        assert left == pytest.approx(right, rel=rel, abs=1e-9, nan_ok=True)


def nth(values, index):
    return values[index] if index < len(values) else NAN


def wrap(angle):
    """The textbook's way, another one than the program's."""
    return math.atan2(math.sin(angle), math.cos(angle))


def mass_of(items):
    px, py, pz, e = (math.fsum(axis) for axis in zip(*map(four_momentum, items), strict=True))
    return math.sqrt(max(e**2 - px**2 - py**2 - pz**2, 0.0))


def distance(a, b):
    return math.sqrt((a["eta"] - b["eta"]) ** 2 + wrap(a["phi"] - b["phi"]) ** 2)


def mt_of(a, b):
    return math.sqrt(2 * a["pt"] * b["pt"] * (1 - math.cos(a["phi"] - b["phi"])))


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("px", lambda item: four_momentum(item)[0]),
        ("py", lambda item: four_momentum(item)[1]),
        ("pz", lambda item: four_momentum(item)[2]),
        ("e", lambda item: four_momentum(item)[3]),
        ("pt", lambda item: item["pt"]),
        ("eta", lambda item: item["eta"]),
        ("phi", lambda item: item["phi"]),
        ("m", lambda item: item["mass"]),
        ("charge", lambda item: item["charge"]),
    ],
)
def test_what_one_object_has(sample, name, of):
    found = compute(sample.source, f"jet0.{name}", f"jet4.{name}", f"jet.{name}", f"jet1:3.{name}", f"jet:.{name}")
    values = [[of(item) for item in event] for event in sample.jets]
    rel = 1e-6 if name == "m" else 1e-9  # a mass from E and p loses the digits that they have in common
    same(found[f"jet0.{name}"], [nth(event, 0) for event in values], rel)
    same(found[f"jet4.{name}"], [nth(event, 4) for event in values], rel)
    same(found[f"jet.{name}"], values, rel)
    same(found[f"jet:.{name}"], values, rel)
    same(found[f"jet1:3.{name}"], [event[1:3] for event in values], rel)


def test_sizes(sample):
    found = compute(
        sample.source, "jet.size", "jet:4.size", "jet2:.size", "jet1:3.size", "lepton.size", "lepton:2.size"
    )
    numbers = [len(event) for event in sample.jets]
    leptons = [len(e) + len(m) for e, m in zip(sample.electrons, sample.muons, strict=True)]
    assert found["jet.size"] == numbers
    assert found["jet:4.size"] == [min(number, 4) for number in numbers]
    assert found["jet2:.size"] == [max(number - 2, 0) for number in numbers]
    assert found["jet1:3.size"] == [max(min(number, 3) - 1, 0) for number in numbers]
    assert found["lepton.size"] == leptons
    assert found["lepton:2.size"] == [min(number, 2) for number in leptons]


def test_invariant_masses(sample):
    names = ("jet0,jet1.inv_mass", "jet.inv_mass", "jet,muon.inv_mass", "jet0.inv_mass", "jet:2,muon0.inv_mass")
    found = compute(sample.source, *names)
    events = list(zip(sample.jets, sample.muons, strict=True))
    expected = [
        [mass_of(j[:2]) if len(j) > 1 else NAN for j, _ in events],
        [mass_of(j) if j else NAN for j, _ in events],
        [mass_of(j + m) if j + m else NAN for j, m in events],
        [j[0]["mass"] if j else NAN for j, _ in events],
        [mass_of(j[:2] + m[:1]) if m else NAN for j, m in events],
    ]
    for name, values in zip(names, expected, strict=True):
        same(found[name], values, 1e-5)


def test_distances_of_two_objects(sample):
    names = ("jet0,muon0.delta_r", "jet0,muon0.delta_phi", "jet0,muon0.delta_eta", "muon0,met.mt", "jet0,met.delta_phi")
    found = compute(sample.source, *names)
    events = list(zip(sample.jets, sample.muons, sample.met, strict=True))
    expected = [
        [distance(j[0], m[0]) if j and m else NAN for j, m, _ in events],
        [wrap(j[0]["phi"] - m[0]["phi"]) if j and m else NAN for j, m, _ in events],
        [j[0]["eta"] - m[0]["eta"] if j and m else NAN for j, m, _ in events],
        [mt_of(m[0], miss) if m else NAN for _, m, miss in events],
        [wrap(j[0]["phi"] - miss["phi"]) if j else NAN for j, _, miss in events],
    ]
    for name, values in zip(names, expected, strict=True):
        same(found[name], values, 1e-8)


def test_distances_of_collections(sample):
    names = ("jet,muon0.delta_r", "muon0,jet:2.delta_eta", "jet,muon.delta_r", "jet,met.mt", "met,jet.delta_phi")
    found = compute(sample.source, *names)
    events = list(zip(sample.jets, sample.muons, sample.met, strict=True))
    expected = [
        [[distance(item, m[0]) if m else NAN for item in j] for j, m, _ in events],
        [[m[0]["eta"] - item["eta"] if m else NAN for item in j[:2]] for j, m, _ in events],
        [[distance(a, b) for a, b in product(j, m)] for j, m, _ in events],
        [[mt_of(item, miss) for item in j] for j, _, miss in events],
        [[wrap(miss["phi"] - item["phi"]) for item in j] for j, _, miss in events],
    ]
    for name, values in zip(names, expected, strict=True):
        same(found[name], values, 1e-8)


def test_smallest_angle_and_scalar_sum(sample):
    names = ("jet:4,missinget0.min_delta_phi", "jet0,jet1,muon,met.min_delta_phi", "jet.ht", "jet:2,muon0,met.ht")
    found = compute(sample.source, *names)
    events = list(zip(sample.jets, sample.muons, sample.met, strict=True))

    def smallest(items, last):
        return min((abs(wrap(item["phi"] - last["phi"])) for item in items), default=NAN)

    expected = [
        [smallest(j[:4], miss) for j, _, miss in events],
        [smallest(j[:2] + m, miss) for j, m, miss in events],
        [math.fsum(item["pt"] for item in j) for j, _, _ in events],
        [math.fsum(item["pt"] for item in (*j[:2], *m[:1], miss)) for j, m, miss in events],
    ]
    for name, values in zip(names, expected, strict=True):
        same(found[name], values, 1e-8)


def test_leptons_are_electrons_and_muons_by_falling_pt(sample):
    found = compute(
        sample.source, "lepton.pt", "lepton0.charge", "lepton1.e", "lepton0,lepton1.inv_mass", "lepton:1.eta"
    )
    leptons = [sorted(e + m, key=lambda item: -item["pt"]) for e, m in zip(sample.electrons, sample.muons, strict=True)]
    same(found["lepton.pt"], [[item["pt"] for item in event] for event in leptons])
    same(found["lepton0.charge"], [nth([item["charge"] for item in event], 0) for event in leptons])
    same(found["lepton1.e"], [nth([four_momentum(item)[3] for item in event], 1) for event in leptons])
    pairs = [mass_of(event[:2]) if len(event) > 1 else NAN for event in leptons]
    same(found["lepton0,lepton1.inv_mass"], pairs, 1e-6)
    same(found["lepton:1.eta"], [[item["eta"] for item in event[:1]] for event in leptons])


def test_of_leptons_with_equal_pt_electrons_come_first():
    source = FakeSource({"Electron_pt": [[10.0, 20.0]], "Electron_tag": [[1.0, 2.0]],
                         "Muon_pt": [[20.0, 10.0]], "Muon_tag": [[3.0, 4.0]]})  # fmt: skip
    assert compute(source, "lepton.tag") == [[2.0, 3.0, 1.0, 4.0]]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_results_do_not_depend_on_the_size_of_chunks(spelling):
    sample = make_sample(spelling, events=5)
    names = ("jet0.pt", "jet,muon.delta_r", "lepton.eta", "jet,met.min_delta_phi", "jet.inv_mass", "jet:2.size")
    whole = compute(sample.source, *names)
    for rows in (1, 3):
        parts = compute(sample.source, *names, rows=rows)
        assert str(parts) == str(whole)  # NaN equals nothing, but reads the same


def test_transverse_mass_keeps_its_digits_for_nearly_parallel_objects():
    source = FakeSource({"Muon_pt": [[40.0]], "Muon_phi": [[1.0]], "MET_pt": np.array([40.0]),
                         "MET_phi": np.array([1.0 + 1e-9])})  # fmt: skip
    assert compute(source, "muon0,met.mt") == pytest.approx([40.0e-9], rel=1e-6)  # 1 - cos(1e-9) is 0 in doubles


def test_n_subjettiness_by_branches_and_by_delphes_array():
    taus = [[[0.5, 0.2, 0.1, 0.05, 0.01], [0.0, 0.0, 0.0, 0.0, 0.0]], [], [[0.4, 0.4, 0.3, 0.2, 0.1]]]
    delphes = FakeSource({"FatJet.PT": [[300.0, 200.0], [], [250.0]], "FatJet.Tau[5]": taus,
                          "FatJet_size": np.array([2, 0, 1])})  # fmt: skip
    nano = FakeSource({f"FatJet_tau{n + 1}": [[jet[n] for jet in event] for event in taus] for n in range(3)})
    for source in (delphes, nano):
        found = compute(source, "fatjet.tau2", "fatjet0.tau3", "fatjet0.tau21", "fatjet1.tau21", "fatjet.tau32")
        assert found["fatjet.tau2"] == [[0.2, 0.0], [], [0.4]]
        assert found["fatjet0.tau3"] == pytest.approx([0.1, NAN, 0.3], nan_ok=True)
        assert found["fatjet0.tau21"] == pytest.approx([0.4, NAN, 1.0], nan_ok=True)
        assert found["fatjet1.tau21"] == pytest.approx([NAN, NAN, NAN], nan_ok=True)  # 0/0 and missing
        assert found["fatjet.tau32"][0] == pytest.approx([0.5, NAN], nan_ok=True)


def test_mass_and_energy_where_one_of_them_is_stored():
    base = {"Jet_pt": [[30.0]], "Jet_eta": [[1.2]], "Jet_phi": [[0.4]]}
    momentum = 30.0 * math.cosh(1.2)
    massless = compute(FakeSource(base), "jet0.m", "jet0.e")
    assert (massless["jet0.m"], massless["jet0.e"]) == ([0.0], [pytest.approx(momentum)])
    by_energy = FakeSource({**base, "Jet_e": [[60.0]]})
    assert compute(by_energy, "jet0.m") == pytest.approx([math.sqrt(60.0**2 - momentum**2)])
    spacelike = FakeSource({**base, "Jet_energy": [[50.0]]})
    assert compute(spacelike, "jet0.m") == pytest.approx([-math.sqrt(momentum**2 - 50.0**2)])
    tower = FakeSource({"Tower.ET": [[30.0]], "Tower.Eta": [[1.2]], "Tower.Phi": [[0.4]], "Tower.E": [[60.0]],
                        "Tower_size": np.array([1])})  # fmt: skip
    found = compute(tower, "tower0.m", "tower0.e", "tower0.pt", "tower.inv_mass")
    assert found["tower0.m"] == [0.0]
    assert found["tower0.e"] == [60.0]
    assert found["tower0.pt"] == [30.0]
    assert found["tower.inv_mass"] == pytest.approx([0.0], abs=1e-5)


def test_particles_along_the_beam_have_momentum_where_it_is_stored():
    source = FakeSource({"Particle_pt": [[0.0, 3.0]], "Particle_eta": [[math.inf, 0.0]], "Particle_phi": [[0.0, 0.0]],
                         "Particle_px": [[0.0, 3.0]], "Particle_py": [[0.0, 0.0]], "Particle_pz": [[4.0, 0.0]],
                         "Particle_e": [[4.0, 3.0]]}, format="LHE")  # fmt: skip
    assert compute(source, "particle.inv_mass") == pytest.approx([math.sqrt(49 - 25)])
    assert compute(source, "particle0.pz") == [4.0]
    only = FakeSource(
        {f"P_{axis}": [[value]] for axis, value in zip(("px", "py", "pz"), (0.0, 0.0, -4.0), strict=True)}
    )
    assert compute(only, "p0.eta") == [-math.inf]


def test_a_missing_number_in_the_file_stays_missing():
    source = FakeSource({"Jet_px": [[NAN, 1.0]], "Jet_py": [[2.0, 1.0]], "Jet_pz": [[2.0, 1.0]], "Jet_e": [[9.0, 9.0]]})
    names = [f"jet.{name}" for name in ("pt", "eta", "phi", "m", "px")]
    for name, values in compute(source, *names).items():
        assert math.isnan(values[0][0]), name
        assert not math.isnan(values[0][1]), name
    for name in ("jet.inv_mass", "jet.ht", "jet0,jet1.delta_r", "jet,jet1.min_delta_phi", "jet1,jet0.min_delta_phi"):
        assert math.isnan(compute(source, name)[0]), name


def test_no_events_give_empty_arrays(sample):
    empty = FakeSource({name: values[:0] for name, values in sample.source.data.items()})
    bound_names = ("jet0.pt", "jet.pt", "jet,muon.delta_r", "lepton0.e", "jet.inv_mass", "jet,met.min_delta_phi")
    assert all(values == [] for values in compute(empty, *bound_names).values())
