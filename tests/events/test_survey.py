"""All files checked before any is read: which are bad and how, and what becomes of the good ones."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from flat_files import table, write

from cutflow_cli.errors import InputError
from cutflow_cli.events.ingest import ingest
from cutflow_cli.events.prepare import make_recipe
from cutflow_cli.events.settings_file import validate


@pytest.fixture
def base(tmp_path):
    """Six files of signal, one of background."""
    for number in range(6):
        write(tmp_path / f"s{number}.root", table(20, number))
    write(tmp_path / "b.parquet", table(50, 9))
    return tmp_path


def settings(signal=(), **rest):
    processes = {
        "S": {"role": "signal", "files": "s*", "cross_section": 1.0, "weight": "w", **dict(signal)},
        "B": {"role": "background", "files": "b*", "cross_section": 2.0},
    }
    return validate({"features": ["pt", "r = pt / mass"], "processes": processes, "luminosity": 1.0, **rest})


def without(columns, *names):
    return {name: values for name, values in columns.items() if name not in names}


def truncate(path, share=0.6):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def refusal(base, asked):
    with pytest.raises(InputError) as caught:
        make_recipe(asked, base)
    return str(caught.value).replace(f"{base}/", "").splitlines()


def test_what_differs_is_shown_as_a_matrix(base):
    write(base / "s1.root", without(table(20), "mass"))
    columns = table(20)
    with uproot.recreate(base / "s2.root") as file:
        file.mktree("Events", {"pt": "var * float32", "mass": np.float64, "w": np.float32})
    write(base / "s3.root", without(columns, "mass", "w"))
    truncate(base / "s4.root")
    write(base / "s6.parquet", {**columns, "pt": pa.array(map(str, columns["pt"]))})
    assert [" ".join(line.split()) for line in refusal(base, settings())] == [
        "5 of 8 files can't be used; --on-bad-file skip goes on without them:",
        "pt mass w",
        "(most files) float32 float64 float32",
        "s1.root · missing ·",
        "s3.root · missing missing",
        "s6.parquet text · ·",
        "s2.root float32[] · ·",
        next(line.strip() for line in refusal(base, settings()) if "truncated ROOT file" in line),
    ]
    assert len({line.index("float32") for line in refusal(base, settings()) if "(most" in line}) == 1


def test_one_bad_file_or_all_alike_take_one_line(base):
    write(base / "s3.root", without(table(20), "mass"))
    (line,) = refusal(base, settings())
    assert line.startswith("s3.root, tree 'Events': no column 'mass' (feature 'r'); ")
    assert line.endswith(" (6 other files are sound: --on-bad-file skip goes on without this one)")
    write(base / "s5.root", without(table(20), "mass"))
    assert refusal(base, settings())[0].endswith(
        "(likewise s5.root) (5 other files are sound: --on-bad-file skip goes on without the bad ones)"
    )
    everywhere = refusal(base, settings(features=["massa"]))
    assert len(everywhere) == 1
    assert "no column 'massa' (a feature); did you mean mass" in everywhere[0]
    assert "--on-bad-file" not in everywhere[0]


def test_many_bad_files_are_counted_not_listed(base):
    for number in range(10, 40):
        write(base / f"s{number}.parquet", without(table(3, number), *(["mass"] if number % 2 else ["w"])))
    lines = refusal(base, settings())
    assert lines[0].startswith("30 of 37 files")
    assert lines[-1].strip() == "… and 10 more files"
    assert len(lines) == 1 + 2 + 20 + 1


def test_a_branch_that_changes_kind_is_found_by_majority(base):
    (base / "s2.root").unlink()
    lists = pa.array([[1.0, 2.0], [], [3.0]])
    pq.write_table(pa.table({"pt": lists, "mass": [1.0, 2.0, 3.0], "w": [1.0, 1.0, 1.0]}), base / "s9.parquet")
    asked = {"features": ["mass", "x = max(pt)"]}
    write(base / "b.parquet", {"pt": np.ones(3), "mass": np.ones(3)})
    assert (
        "s9.parquet: 'pt' is float64[], but float32 in most other files of process 'S'"
        in refusal(base, settings(**asked))[0]
    )
    (base / "s9.parquet").unlink()
    for name, texts in (("s0", False), ("s9", True)):
        kind = pa.array(["a", "b"]) if texts else pa.array([1, 2])
        pq.write_table(pa.table({"pt": [1.0, 2.0], "mass": [1.0, 2.0], "kind": kind}), base / f"k{name}.parquet")
        pq.write_table(pa.table({"pt": [1.0, 2.0], "mass": [1.0, 2.0], "kind": pa.array([1, 2])}), base / "kx.parquet")
    write(base / "b.parquet", {"pt": np.ones(3), "mass": np.ones(3), "kind": np.ones(3)})
    told = refusal(base, settings({"files": "k*", "weight": None}, spectators=["kind"]))
    assert "ks9.parquet: 'kind' is text, but int64 in most other files of process 'S'" in told[0]


def test_numbers_of_other_types_are_harmless_but_said(base, tmp_path):
    columns = table(20, 7)
    write(base / "s7.root", {**columns, "pt": columns["pt"].astype(np.float64), "w": columns["w"].astype(np.float64)})
    done = ingest(settings(), tmp_path / "o.out", base=base)
    assert [note.replace(f"{base}/", "") for note in done.notes] == [
        "process 'S': 'pt', 'w': float32 in 6 and float64 in 1 files (s7.root)"
    ]
    assert pq.read_schema(done.path).field("pt").type == pa.float64()


def test_a_copy_among_the_files_is_said(base, tmp_path):
    (base / "s8.root").write_bytes((base / "s3.root").read_bytes())
    done = ingest(settings(), tmp_path / "o.out", base=base)
    assert "s8.root seems to be a copy of" in done.notes[0]
    assert "its events count twice" in done.notes[0]


@pytest.mark.parametrize("given", [{}, {"generated": True}])
def test_skipped_files_are_listed_and_the_sum_of_weights_is_that_of_the_others(base, tmp_path, given):
    for number in range(6):
        with uproot.update(base / f"s{number}.root") as file:
            file.mktree("Runs", {"genEventSumw": np.float64}).extend({"genEventSumw": np.array([100.0 + number])})
    truncate(base / "s2.root")
    write(base / "s4.root", without(table(20), "mass"))
    beside = (
        {"sum_of_weights": {"tree": "Runs", "column": "genEventSumw"}, "tree": "Events"}
        if given
        else {"tree": "Events"}
    )
    if given:
        with uproot.recreate(base / "s4.root") as file:
            file.mktree("Events", {"pt": np.float32, "mass": np.float64, "w": np.float32}).extend(
                {name: table(3)[name] for name in ("pt", "mass", "w")}
            )
    done = ingest(settings(beside, on_bad_file="skip"), tmp_path / "o.out", base=base)
    assert [Path(file.path).name for file in done.skipped] == ["s2.root", "s4.root"]
    assert done.metadata.skipped == done.skipped
    assert "truncated ROOT file" in done.skipped[0].reason
    assert ("no tree 'Runs'" if given else "no column 'mass'") in done.skipped[1].reason
    assert done.files == {"S": 4, "B": 1}
    left = [0, 1, 3, 5]
    summed = sum(100.0 + n for n in left) if given else sum(table(20, n)["w"].astype(np.float64).sum() for n in left)
    assert done.metadata.processes[0].generated_sumw == pytest.approx(summed, rel=1e-9)
    if not given:
        assert done.metadata.processes[0].total.sumw == pytest.approx(1000.0)


SIGMA = {"cross_section": 1.0}


@pytest.mark.parametrize(
    ("common", "signal", "says"),
    [
        (SIGMA, {"sum_of_weights": 500.0}, r"sum_of_weights = 500 was given for all of its files; give what holds"),
        (SIGMA, {"generated_events": 120, "weight": None}, r"generated_events = 120 was given for all of its files"),
        ({"weights_are_yields": True}, {}, r"its weights are yields, of which those of a file left"),
    ],
)
def test_what_holds_for_all_files_is_not_used_without_some(base, tmp_path, common, signal, says):
    truncate(base / "s2.root")
    background = {"role": "background", "files": "b*", "weight": "w", **common}
    raw = {"role": "signal", "files": "s*", "weight": "w", **common, **signal}
    luminosity = {} if "weights_are_yields" in common else {"luminosity": 1.0}
    asked = validate(
        {"features": ["pt"], "processes": {"S": raw, "B": background}, "on_bad_file": "skip", **luminosity}
    )
    with pytest.raises(InputError, match=rf"process 'S': .*s2.root can't be skipped: {says}"):
        ingest(asked, tmp_path / "o.out", base=base)
    assert not (tmp_path / "o.out").exists()


def test_a_link_that_leads_nowhere_is_a_bad_file(base):
    (base / "s9.root").symlink_to("gone.root")
    assert refusal(base, settings())[0].startswith("s9.root: is a link to gone.root, where there is no file (7 other")


def test_a_process_without_any_usable_file(base):
    truncate(base / "b.parquet")
    assert (
        "process 'B': none of its files can be used: b.parquet: truncated"
        in refusal(base, settings(on_bad_file="skip"))[0]
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="everything is readable for root")
def test_a_file_that_may_not_be_read(base):
    (base / "s2.root").chmod(0)
    assert "s2.root: you have no permission to read it" in refusal(base, settings())[0]


@pytest.mark.parametrize("suffix", [".root", ".parquet"])
def test_a_file_that_is_damaged_inside_is_named_with_the_remedy(base, tmp_path, suffix):
    """The check reads no events, so damage among them shows late; then nothing is written, nor said to be skipped."""
    path = base / f"s9{suffix}"
    columns = {name: np.repeat(np.arange(1.0, 501.0, dtype=np.float32), 10) for name in ("pt", "mass", "w")}
    if suffix == ".root":
        write(path, columns)
    else:
        pq.write_table(pa.table(columns), path, write_page_checksum=True)
    content = bytearray(path.read_bytes())
    middle = content.index(b"ZL\x08") + 40 if suffix == ".root" else len(content) // 2  # within a compressed basket
    content[middle : middle + 50] = bytes(byte ^ 255 for byte in content[middle : middle + 50])
    path.write_bytes(content)
    for skip, says in (("fail", "damaged"), ("skip", "too late to skip the file: take it out of files")):
        with pytest.raises(InputError, match=rf"s9{suffix}: .*damaged.*") as caught:
            ingest(settings(on_bad_file=skip), tmp_path / "o.out", base=base)
        assert says in str(caught.value)
        assert ("too late" in str(caught.value)) == (skip == "skip")
    assert not list(tmp_path.glob("*o.out*"))


def _open_files():
    directory = Path("/proc/self/fd")
    return len(list(directory.iterdir())) if directory.is_dir() else 0


def test_progress_names_the_files_and_none_stays_open(base):
    told = []
    before = _open_files()
    recipe = make_recipe(settings(), base, progress=lambda done, text: told.append((done, text)))
    assert _open_files() == before
    assert len(recipe.files) == 7
    assert told[-1] == (1.0, "checking b.parquet")
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_skipped_files_survive_the_metadata(base, tmp_path):
    truncate(base / "s2.root")
    done = ingest(settings(on_bad_file="skip"), tmp_path / "o.out", base=base)
    raw = json.loads(pq.read_metadata(done.path).metadata[b"cutflow"])
    assert raw["skipped"] == [{"process": "S", "path": str(base / "s2.root"), "reason": done.skipped[0].reason}]
