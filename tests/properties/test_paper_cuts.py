"""Every cut of the HEP ML LAB paper (arXiv:2405.02888, section 3) against awkward code written here for itself.

The file is laid out as Delphes has it: `Jet.PT` with its counter `Jet_size`, `MissingET.MET` of one in each event;
`FatJet.Tau[5]` is added as a reader gives it.
"""

import awkward as ak
import numpy as np
import pytest
import uproot

from cutflow_cli.events.readers import Column, open_source
from cutflow_cli.observables import bind
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.parse import parse, parse_condition
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tree import names

EVENTS = 3_000


def objects(generator, mean, **fields):
    """Draw objects ordered by falling PT; fields are functions of how many."""
    counts = generator.poisson(mean, EVENTS)
    total = int(counts.sum())
    drawn = {"PT": generator.exponential(60, total), "Eta": generator.normal(0, 2, total),
             "Phi": generator.uniform(-np.pi, np.pi, total)}  # fmt: skip
    drawn |= {name: make(total) for name, make in fields.items()}
    typed = {name: each if each.dtype.kind in "iu" else each.astype(np.float32) for name, each in drawn.items()}
    jagged = ak.zip({name: ak.unflatten(each, counts) for name, each in typed.items()}, depth_limit=2)
    return jagged[ak.argsort(jagged.PT, axis=1, ascending=False)]


@pytest.fixture(scope="module")
def sample():
    g = np.random.default_rng(5)

    def charge(n):
        return g.choice(np.array([-1, 1], np.int32), n)

    def tag(n):
        return (g.random(n) < 0.2).astype(np.uint32)

    return {
        "Jet": objects(g, 2.5, Mass=lambda n: g.uniform(1, 20, n), BTag=tag, TauTag=tag),
        "FatJet": objects(g, 0.9, Mass=lambda n: g.uniform(20, 150, n), Tau=lambda n: g.uniform(0.05, 1, (n, 5))),
        "Muon": objects(g, 1.3, Charge=charge),
        "Electron": objects(g, 0.8, Charge=charge),
        "Photon": objects(g, 0.4, E=lambda n: g.uniform(1, 50, n)),
        "MissingET": ak.zip({
            "MET": ak.unflatten(g.exponential(60, EVENTS).astype(np.float32), np.ones(EVENTS, int)),
            "Phi": ak.unflatten(g.uniform(-np.pi, np.pi, EVENTS).astype(np.float32), np.ones(EVENTS, int)),
        }),
    }  # fmt: skip


@pytest.fixture(scope="module")
def file(sample, tmp_path_factory):
    path = tmp_path_factory.mktemp("delphes") / "events.root"
    written = sample | {"FatJet": sample["FatJet"][["PT", "Eta", "Phi", "Mass"]]}  # uproot can't write FatJet.Tau[5]
    with uproot.recreate(path) as root:
        tree = root.mktree(
            "Delphes",
            {name: array.type.content for name, array in written.items()},
            field_name=lambda outer, inner: f"{outer}.{inner}" if outer else inner,
            counter_name=lambda counted: f"{counted}_size",
        )
        tree.extend(written)
    return path


def at(jagged, index):
    """One object of each event, NaN where there is none; in double precision."""
    return ak.to_numpy(ak.fill_none(ak.pad_none(jagged, index + 1)[:, index], np.nan)).astype(np.float64)


def every(condition):
    return ak.to_numpy(ak.all(condition, axis=1) & (ak.num(condition) > 0))


def some(condition):
    return ak.to_numpy(ak.any(condition, axis=1))


def differ(a, b):
    return (a != b) & ~np.isnan(a) & ~np.isnan(b)


def between(low, value, high):
    return (value > low) & (value < high)


def wrapped(phi):
    return (phi + np.pi) % (2 * np.pi) - np.pi


def dimuon_mass(s):
    p = []
    for i in (0, 1):
        pt, eta, phi, m = at(s["Muon"].PT, i), at(s["Muon"].Eta, i), at(s["Muon"].Phi, i), 0.0
        px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
        p.append(np.array([np.sqrt(px**2 + py**2 + pz**2 + m**2), px, py, pz]))
    e, px, py, pz = p[0] + p[1]
    return np.sqrt(np.maximum(e**2 - px**2 - py**2 - pz**2, 0))


def jet_lepton_distance(s):
    leptons = ak.concatenate([ak.zip({k: s[name][k] for k in ("PT", "Eta", "Phi")}, depth_limit=2)
                              for name in ("Electron", "Muon")], axis=1)  # fmt: skip
    leptons = leptons[ak.argsort(leptons.PT, axis=1, ascending=False)]
    jet = s["Jet"]
    deta = at(jet.Eta, 0) - at(leptons.Eta, 0)
    dphi = wrapped(at(jet.Phi, 0) - at(leptons.Phi, 0))
    return np.hypot(deta, dphi)


def aligned(s):
    """The alignment of missing energy: the least angle to four jets, then each of the four."""
    jets = s["Jet"][:, :4]
    angle = ak.min(abs(wrapped(jets.Phi - ak.firsts(s["MissingET"].Phi))), axis=1)
    least = ak.to_numpy(ak.fill_none(angle, np.nan)).astype(np.float64)
    return (least > 0.5) & every((jets.PT > 30) & between(-4.7, jets.Eta, 4.7))


CUTS = {
    "muon.pt >= 10 and -2.4 < muon.eta < 2.4":
        lambda s: every((s["Muon"].PT >= 10) & between(-2.4, s["Muon"].Eta, 2.4)),
    "muon0.charge == muon1.charge":
        lambda s: at(s["Muon"].Charge, 0) == at(s["Muon"].Charge, 1),
    "fatjet0.pt >= 100":
        lambda s: at(s["FatJet"].PT, 0) >= 100,
    "muon0.charge != muon1.charge and muon0,muon1.inv_mass > 200":  # C3
        lambda s: differ(at(s["Muon"].Charge, 0), at(s["Muon"].Charge, 1)) & (dimuon_mass(s) > 200),
    "veto jet.b_tag == 1 [any]":  # C4
        lambda s: ~some(s["Jet"].BTag == 1),
    "MissingET0.PT < 60":  # C5
        lambda s: at(s["MissingET"].MET, 0) < 60,
    "fatjet0.tau21 < 0.4":  # C8
        lambda s: at(s["FatJet"].Tau[:, :, 1], 0) / at(s["FatJet"].Tau[:, :, 0], 0) < 0.4,
    "2.8 < jet0,lepton0.delta_r < 3.8":  # CBA-I
        lambda s: between(2.8, jet_lepton_distance(s), 3.8),
    "-2.5 < muon0.eta < 2.5 and muon0.pt > 500":
        lambda s: between(-2.5, at(s["Muon"].Eta, 0), 2.5) & (at(s["Muon"].PT, 0) > 500),
    "veto -2.5 < muon.eta < 2.5 and muon.pt > 7 [any]":
        lambda s: ~some(between(-2.5, s["Muon"].Eta, 2.5) & (s["Muon"].PT > 7)),
    "veto -2.5 < jet1.eta < 2.5 and jet1.pt > 30 [any]":
        lambda s: ~(between(-2.5, at(s["Jet"].Eta, 1), 2.5) & (at(s["Jet"].PT, 1) > 30)),
    "veto -2.5 < photon.eta < 2.5 and photon.pt > 15 [any]":
        lambda s: ~some(between(-2.5, s["Photon"].Eta, 2.5) & (s["Photon"].PT > 15)),
    "veto jet.tau_tag == 1 and -2.3 < jet.eta < 2.3 and jet.pt > 18 [any]":
        lambda s: ~some((s["Jet"].TauTag == 1) & between(-2.3, s["Jet"].Eta, 2.3) & (s["Jet"].PT > 18)),
    "jet:4,missinget0.min_delta_phi > 0.5 and jet:4.pt > 30 and -4.7 < jet:4.eta < 4.7": aligned,
    "jet.size > 1":
        lambda s: ak.to_numpy(ak.num(s["Jet"].PT) > 1),
    "fatjet.size > 0":
        lambda s: ak.to_numpy(ak.num(s["FatJet"].PT) > 0),
}  # fmt: skip
#: Cuts too rare in random events for both answers to occur often.
RARE = {"-2.5 < muon0.eta < 2.5 and muon0.pt > 500"}


class WithTau:
    """The file, with the N-subjettiness that uproot can read but not write."""

    def __init__(self, source, tau):
        self.source, self.tau, self.format = source, tau, source.format

    def names(self):
        return (*self.source.names(), "FatJet.Tau")

    def column(self, name):
        return Column(name, "nested", "float32", "float[][5]") if name == "FatJet.Tau" else self.source.column(name)

    def chunks(self, columns, rows):
        stored = [column for column in columns if column.name != "FatJet.Tau"] or [self.source.column("Jet_size")]
        for i, chunk in enumerate(self.source.chunks(stored, rows)):
            yield {**chunk, "FatJet.Tau": ak.from_regular(self.tau[i * rows : (i + 1) * rows], axis=2)}


def masks(path, cut, rows, sample):
    """The mask of a cut on a file, chunk by chunk."""
    node = parse_condition(cut)
    file = open_source(path)
    source = WithTau(file, sample["FatJet"].Tau)
    bound = bind(names(node), source, where="events.root")
    parts = []
    for chunk in source.chunks(bound.columns, rows):
        columns = bound.compute(chunk)
        parts.append(evaluate(node, columns, len(next(iter(chunk.values())))))
    file.close()
    return np.concatenate(parts)


@pytest.mark.parametrize("cut", CUTS)
def test_every_cut_of_the_paper_gives_the_mask_of_awkward_code(cut, file, sample):
    expected = np.asarray(CUTS[cut](sample))
    assert expected.shape == (EVENTS,)
    assert expected.sum() > (0 if cut in RARE else 50)
    assert (~expected).sum() > 50
    np.testing.assert_array_equal(masks(file, cut, EVENTS, sample), expected)
    np.testing.assert_array_equal(masks(file, cut, 701, sample), expected)  # whatever the chunks


@pytest.mark.parametrize("cut", CUTS)
def test_every_cut_of_the_paper_is_written_back(cut):
    node = parse(cut)
    assert parse(render(node)) == node
    assert render(parse(render(node))) == render(node)


def test_cuts_in_tcut_are_those_in_our_language(file, sample):
    """The same selection for those who write TTree::Draw."""
    for ours, tcut in (
        ("MissingET0.PT < 60", "MissingET.MET < 60"),
        ("fatjet0.pt >= 100", "FatJet.PT[0] >= 100"),
        ("muon.pt > 10 and -2.4 < muon.eta < 2.4 [any]", "Muon.PT > 10 && fabs(Muon.Eta) < 2.4"),
        ("count(jet.pt > 30) >= 2", "Sum$(Jet.PT > 30) >= 2"),
    ):
        node = parse_condition(tcut, dialect="root")
        theirs = masks(file, render(node), EVENTS, sample)
        np.testing.assert_array_equal(theirs, masks(file, ours, EVENTS, sample), err_msg=tcut)
