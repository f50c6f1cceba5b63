"""Readers: Les Houches event files, compared with what their text says line by line."""

import gzip
import math
import sys

import numpy as np
import pytest

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.readers import open_source

pytest.importorskip("pylhe")

SAMPLES = ("madgraph-2.0.0-wbj", "powheg-box-v2-Zj", "pythia-8.3.14-weakbosons")
HEADER = """<LesHouchesEvents version="3.0">
<init>
 2212 2212 6500. 6500. 0 0 0 0 -4 2
 3.0 0.3 1.0 1
 4.0 0.4 1.0 2
</init>
"""
EVENTS = """<event>
 6 1 0.5 91.2 0.0078 0.118
 2 -1 0 0 501 0 0 0 10. 10. 0. 0. 9.
 1000022 1 1 2 0 0 50. 0. 0. 60. 33. 0. 9.
 -2 1 1 2 0 501 0. 3. 4. 5. 0. 0. 9.
 21 1 1 2 501 502 0. -3. 0. 3. 0. 0. 9.
 16 1 1 2 0 0 1. 2. 0. 3. 0. 0. 9.
 -12 1 1 2 0 0 2. 2. 1. 3. 0. 0. 9.
# a comment
</event>
<event>
 2 2 -0.5 80.4 0.0078 0.12
 6 1 0 0 0 0 0. 0. 7. 173. 173. 0. 9.
 -13 1 0 0 0 0 6. 8. 0. 10. 0.106 0. 9.
</event>
"""


def write(path, events=EVENTS, end="</LesHouchesEvents>\n"):
    text = (HEADER + events + end).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def read(source, *names, rows=1000):
    found = {name: [] for name in names}
    for chunk in source.chunks([source.column(name) for name in names], rows):
        for name in names:
            assert len(chunk[name]) <= rows
            found[name] += chunk[name].tolist()
    return found


def by_hand(text):
    """The events of a Les Houches file: their first lines, and the numbers of their outgoing particles."""
    for part in text.split("<event")[1:]:
        head, *rest = part.partition(">")[2].strip().splitlines()
        count = int(head.split()[0])
        particles = [[float(number) for number in line.split()] for line in rest[:count]]
        yield [float(number) for number in head.split()], [particle for particle in particles if particle[1] == 1]


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("rows", [7, 1000])
def test_generators_files_agree_with_their_text(root, name, rows):
    path = root.parent / "shared" / "data" / "third_party" / f"pylhe-testfile-{name}.lhe"
    if not path.exists():
        pytest.skip("the realistic samples are not beside the checkout")
    text = path.read_text()
    events = list(by_hand(text))
    source = open_source(path)
    assert (source.format, source.rows) == ("LHE", None)
    found = read(source, *source.names(), rows=rows)
    assert len(found["weight"]) == len(events) == text.count("</event>")
    for event, (head, particles) in enumerate(events):
        first = ("process_id", "weight", "scale", "alpha_qed", "alpha_qcd")
        assert [found[column][event] for column in first] == head[1:6]
        jets = [p for p in particles if abs(p[0]) in (1, 2, 3, 4, 5, 21)]
        jets.sort(key=lambda p: -math.hypot(p[6], p[7]))
        assert found["Jet_pdgid"][event] == [p[0] for p in jets]
        assert found["Jet_e"][event] == [p[9] for p in jets]
        assert found["Jet_m"][event] == [p[10] for p in jets]
        np.testing.assert_allclose(found["Jet_pt"][event], [math.hypot(p[6], p[7]) for p in jets], rtol=1e-14)
        np.testing.assert_allclose(
            found["Jet_eta"][event], [math.atanh(p[8] / math.hypot(p[6], p[7], p[8])) for p in jets], rtol=1e-9
        )
        np.testing.assert_allclose(found["Jet_phi"][event], [math.atan2(p[7], p[6]) for p in jets], rtol=1e-14)
        assert len(found["Particle_pt"][event]) == len(particles)
        assert len(found["Electron_pt"][event]) == sum(abs(p[0]) == 11 for p in particles)
        neutrinos = [p for p in particles if abs(p[0]) in (12, 14, 16)]
        assert found["MissingET_px"][event] == pytest.approx(sum(p[6] for p in neutrinos), abs=1e-12)
    process = text.split("<init>")[1].strip().splitlines()[1].split()
    assert source.cross_section == (float(process[0]), float(process[1]))


@pytest.mark.parametrize("name", ["a.lhe", "a.lhe.gz", "events"])
def test_what_the_columns_hold(tmp_path, name):
    source = open_source(write(tmp_path / name))
    found = read(source, *source.names(), rows=1)
    assert found["Jet_pdgid"] == [[-2, 21], []]  # of equal pT, so as in the file
    assert found["Jet_charge"] == [[pytest.approx(-2 / 3), 0.0], []]
    assert found["Particle_pdgid"] == [[1000022, -2, 21, -12, 16], [-13, 6]]
    assert found["Particle_eta"][1] == [0.0, math.inf]
    assert found["Muon_pt"] == [[], [10.0]]
    assert found["Muon_charge"] == [[], [1.0]]
    assert found["Jet_eta"][0][0] == pytest.approx(math.asinh(4 / 3))
    assert (found["MissingET_px"], found["MissingET_py"]) == ([3.0, 0.0], [4.0, 0.0])
    assert (found["MissingET_pt"], found["MissingET_phi"][0]) == ([5.0, 0.0], pytest.approx(math.atan2(4, 3)))
    assert found["weight"] == [0.5, -0.5]
    assert found["process_id"] == [1, 2]
    assert source.cross_section == (7.0, pytest.approx(0.5))
    kinds = {name: source.column(name).kind for name in source.names()}
    assert {name for name, kind in kinds.items() if kind == "number"} == {
        "weight", "process_id", "scale", "alpha_qed", "alpha_qcd",
        "MissingET_pt", "MissingET_phi", "MissingET_px", "MissingET_py",
    }  # fmt: skip
    chunk = next(source.chunks([source.column("Tau_pdgid")], 10))
    assert str(chunk["Tau_pdgid"].type) == "2 * var * int64"


def test_a_file_without_events_has_none(tmp_path):
    source = open_source(write(tmp_path / "a.lhe", ""))
    assert list(source.chunks([source.column("weight")], 10)) == []
    assert source.cross_section[0] == 7.0


@pytest.mark.parametrize(
    ("events", "end", "says"),
    [
        (EVENTS, "", r"damaged or truncated LHE file behind event 2 \(.*no element found"),
        (EVENTS[:100], "", r"damaged or truncated LHE file \(.*no element found"),
        (EVENTS.replace("6 1 0.5", "7 1 0.5"), "</LesHouchesEvents>", "announces 7 particles and has 6"),
        (EVENTS.replace("91.2", "x"), "</LesHouchesEvents>", "could not convert string to float: 'x'"),
        (EVENTS.replace("6 1 0.5 91.2", "6 1"), "</LesHouchesEvents>", "index out of range"),
    ],
)
@pytest.mark.parametrize("name", ["a.lhe", "a.lhe.gz"])
def test_damaged_events_are_never_left_out_in_silence(tmp_path, name, events, end, says):
    source = open_source(write(tmp_path / name, events, end))
    with pytest.raises(InputError, match=says) as caught:
        read(source, "weight", rows=1)
    assert "\n" not in str(caught.value)


def test_damaged_headers_and_packed_files(tmp_path):
    (tmp_path / "a.lhe").write_text("<LesHouchesEvents>\n<event>\n</event>\n</LesHouchesEvents>\n")
    with pytest.raises(InputError, match=r"a\.lhe: damaged or truncated LHE file \(No <init> block"):
        open_source(tmp_path / "a.lhe")
    packed = write(tmp_path / "b.lhe.gz", EVENTS * 500)
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"b\.lhe\.gz: damaged or truncated LHE file behind event"):
        read(open_source(packed), "weight", rows=100)
    (tmp_path / "c.lhe.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    with pytest.raises(InputError, match=r"holds no Les Houches events, though its name ends in \.lhe\.gz"):
        open_source(tmp_path / "c.lhe.gz")
    (tmp_path / "d.lhe").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"is no LHE file but text, though its name ends in .lhe"):
        open_source(tmp_path / "d.lhe")
    write(tmp_path / "e.csv")
    with pytest.raises(InputError, match=r"is an LHE file, though its name ends in .csv"):
        open_source(tmp_path / "e.csv")
    with pytest.raises(InputError, match=r"a tree \('t'\) is named, but this is an LHE file"):
        open_source(write(tmp_path / "f.lhe"), "t")


def test_without_pylhe_it_is_said_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pylhe", None)
    with pytest.raises(UsageError, match=r"pip install 'cutflow-cli\[lhe\]'"):
        open_source(write(tmp_path / "a.lhe"))
