"""Shards put together: byte for byte what one job writes, and refusals of what is not the whole of one ingest."""

import itertools
import json
from copy import deepcopy

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flat_files import table, write

from cutflow_cli.errors import InputError, NegativeAnswer, UsageError
from cutflow_cli.events.ingest import ingest
from cutflow_cli.events.merge import merge
from cutflow_cli.events.schema import METADATA_KEY
from cutflow_cli.events.settings_file import validate
from cutflow_cli.events.shards import ShardFile
from cutflow_cli.events.table import description_of, open_events

COMMAND = "cutflow of the test"
BASE = {
    "features": ["pt", "r = pt / mass", "n"],
    "processes": {
        "S": {"role": "signal", "files": "s*", "cross_section": 2.0, "weight": "w"},
        "B": {"role": "background", "files": "b*", "cross_section": 50.0, "weight": "w"},
    },
    "luminosity": 10.0,
}


def sample(tmp_path, rows=((70, 40, 90), (80, 0, 60), (50, 0)), suffix=".parquet"):
    """Several files of signal and of background, with negative weights, missing values and texts."""
    for name, counts in zip("sbv", rows, strict=False):
        for number, count in enumerate(counts):
            columns = table(count, 10 * ord(name) + number)
            columns["w"] = (columns["w"] * np.where(np.arange(count) % 7 == 3, -1, 1)).astype(np.float32)
            columns["pt"][4:6] = np.nan
            if not suffix.endswith("root"):
                columns["kind"] = pa.array((["ee", "mm", None] * count)[:count], type=pa.string())
            write(tmp_path / f"{name}{number}{suffix}", columns)
    return tmp_path


def settings(**changes):
    """`BASE` with other settings; S and B are of those processes."""
    raw = deepcopy(BASE)
    for name in ("S", "B"):
        raw["processes"][name].update(changes.pop(name, {}))
    raw["processes"].update(changes.pop("processes", {}))
    return validate({**raw, **changes})


def in_parts(asked, base, out, of, *, chunk_rows=37, order=None):
    """Ingest in shards and put them together, in any order."""
    out.mkdir(exist_ok=True)
    shards = [out / f"{number}.parquet" for number in range(1, of + 1)]
    for number, shard in enumerate(shards, start=1):
        ingest(asked, shard, base=base, shard=(number, of), chunk_rows=chunk_rows)
    return merge(sorted(shards, key=order), out / "merged.parquet", command=COMMAND)


def alternative(name):
    return {"role": "background", "files": f"{name}*", "cross_section": 45.0, "weight": "w", "replaces": "B",
            "variation": "shower"}  # fmt: skip


CASES = {
    "plain": {},
    "rows and preselection": {"S": {"rows": "n > 1"}, "B": {"rows": {"q": 1.0}}, "preselection": ["pt > 5", "n < 8"]},
    "split by event": {"split_by": ["event", "n"], "split": "0.4,0.2,0.4", "seed": 5},
    "hypothesis": {"S": {"hypothesis": "2 * n"}, "spectators": ["event", "q"]},
    "texts": {"spectators": ["kind"], "S": {"rows": {"kind": "ee"}}},
    "given": {"S": {"sum_of_weights": 900.0, "generated_events": 1000}, "B": {"weight": None, "generated_events": 999}},
    "yields": {
        name: {"weights_are_yields": True, "weight": "abs(w)", "cross_section": None} for name in ("S", "B")
    } | {"luminosity": None},
    "variations": {"variations": {"up": "w * 2", "down": {"weight": "w / 2", "processes": ["S"]}},
                   "B": {"weight": None}, "processes": {"B2": alternative("v")}},
    "quantiles": {"keep_quantiles": [0.05, 0.95], "preselection": ["n > 0"]},
    "all": {"keep_quantiles": [0.1, 1.0], "preselection": ["mass > 85"], "variations": {"up": "w * 2"},
            "split_by": ["event"], "spectators": ["kind"], "S": {"hypothesis": 125.0, "files": "b*", "rows": "n > 1"},
            "B": {"rows": "n <= 1", "files": "b*"}, "processes": {"B2": alternative("v")}},
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_merged_file_is_that_of_one_job_byte_for_byte(tmp_path, case):
    base = sample(tmp_path)
    asked = settings(**CASES[case])
    one = ingest(asked, tmp_path / "out" / "one.parquet", base=base, command=COMMAND, chunk_rows=1000)
    merged = in_parts(asked, base, tmp_path / "out", 4, order=lambda path: path.name[::-1])
    assert merged.path.read_bytes() == one.path.read_bytes()
    assert (merged.metadata, merged.files, merged.formats) == (one.metadata, one.files, one.formats)
    assert set(merged.notes) == set(one.notes)
    assert description_of(merged.path) == merged.metadata


@pytest.mark.parametrize("suffix", [".root", ".rntuple.root", ".csv"])
@pytest.mark.parametrize(("of", "chunk_rows"), [(2, 1000), (6, 11)])
def test_nor_does_it_depend_on_format_chunks_and_number_of_shards(tmp_path, suffix, of, chunk_rows):
    rows = ((70, 40, 90), (80, 10, 60))  # an RNTuple can't be empty
    base = sample(tmp_path, rows, suffix=suffix)
    asked = settings(keep_quantiles=[0.02, 0.9], spectators=["event"], preselection=["n > 0"])
    one = ingest(asked, tmp_path / "out" / "one.parquet", base=base, command=COMMAND)
    merged = in_parts(asked, base, tmp_path / "out", of, chunk_rows=chunk_rows)
    assert merged.path.read_bytes() == one.path.read_bytes()


def test_row_groups_are_those_of_one_job(tmp_path, monkeypatch):
    for module in ("writer", "shards"):
        monkeypatch.setattr(f"cutflow_cli.events.{module}.ROW_GROUP_EVENTS", 32)
    monkeypatch.setattr("cutflow_cli.events.stages._TOGETHER", 16)
    base = sample(tmp_path)
    one = ingest(settings(), tmp_path / "out" / "one.parquet", base=base, command=COMMAND)
    merged = in_parts(settings(), base, tmp_path / "out", 3, chunk_rows=7)
    assert pq.ParquetFile(one.path).num_row_groups == 11
    assert merged.path.read_bytes() == one.path.read_bytes()


def test_the_command_alone_may_differ(tmp_path):
    base = sample(tmp_path)
    one = ingest(settings(), tmp_path / "one.out", base=base, command="cutflow ingest")
    merged = in_parts(settings(), base, tmp_path / "out", 2)
    assert pq.read_table(one.path).to_pandas().equals(pq.read_table(merged.path).to_pandas())
    first, second = (json.loads(pq.read_metadata(path).metadata[METADATA_KEY]) for path in (one.path, merged.path))
    assert {name for name in first if first[name] != second[name]} == {"command"}


def test_types_that_differ_between_shards_become_those_of_one_job(tmp_path):
    for name, dtype in (("s0", np.float32), ("s1", np.float64), ("b0", np.float32), ("b1", np.float32)):
        id_type = np.int32 if name == "s0" else np.int64
        write(
            tmp_path / f"{name}.parquet",
            {"pt": np.linspace(0.1, 1, 9).astype(dtype), "id": np.arange(9, dtype=id_type)},
        )
    plain = {name: {"weight": None} for name in ("S", "B")}
    asked = settings(features=["pt", "x = pt"], spectators=["id"], **plain)
    one = ingest(asked, tmp_path / "out" / "one.parquet", base=tmp_path, command=COMMAND)
    merged = in_parts(asked, tmp_path, tmp_path / "out", 4)
    assert [feature.dtype for feature in merged.metadata.features] == ["float64", "float64"]
    assert merged.path.read_bytes() == one.path.read_bytes()
    rounded = settings(features=["r = 2 * pt"], **plain)
    with pytest.raises(
        InputError, match=r"feature 'r' was rounded to float32 in .*1.parquet, but the files of .*2.par"
    ):
        in_parts(rounded, tmp_path, tmp_path / "rounded", 4)
    said = settings(features={"r": {"expression": "2 * pt", "dtype": "float32"}, "pt": {"dtype": "float32"}}, **plain)
    one = ingest(said, tmp_path / "said" / "one.parquet", base=tmp_path, command=COMMAND)
    assert in_parts(said, tmp_path, tmp_path / "said", 4).path.read_bytes() == one.path.read_bytes()


def test_a_shard_without_events_and_one_without_usable_files(tmp_path):
    base = sample(tmp_path, rows=((50, 0), (50, 60)))
    (base / "s1.parquet").write_bytes(b"PAR1 and no more")
    asked = settings(on_bad_file="skip", spectators=["kind"])
    one = ingest(asked, tmp_path / "out" / "one.parquet", base=base, command=COMMAND)
    merged = in_parts(asked, base, tmp_path / "out", 4)
    assert [file.path for file in merged.skipped] == [str(base / "s1.parquet")]
    assert merged.skipped == one.skipped == merged.metadata.skipped
    assert merged.path.read_bytes() == one.path.read_bytes()
    nothing = settings(preselection=["pt < 0"])
    write(base / "s1.parquet", table(5))
    with pytest.raises(InputError, match=r"process 'S': none of its 55 events passes the preselection 'pt < 0'"):
        in_parts(nothing, base, tmp_path / "nothing", 2)
    assert not (tmp_path / "nothing" / "merged.parquet").exists()


def test_a_process_without_a_usable_file_in_any_shard(tmp_path):
    base = sample(tmp_path, rows=((5,), (50, 60)))
    (base / "s0.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"process 'S': none of its files could be used: .*s0.parquet: truncated"):
        in_parts(settings(on_bad_file="skip"), base, tmp_path / "out", 3)
    write(base / "s0.parquet", {**table(5), "kind": pa.array(["ee"] * 5)})
    with pytest.raises(InputError, match=r"process 'S': rows = {'kind': 'e'} picks no event .*; did you mean ee"):
        in_parts(settings(S={"rows": {"kind": "e"}}), base, tmp_path / "other", 3)


@pytest.fixture
def shards(tmp_path):
    base = sample(tmp_path)
    for number in (1, 2, 3):
        ingest(settings(), tmp_path / f"{number}.shard", base=base, shard=(number, 3))
    return [tmp_path / f"{number}.shard" for number in (1, 2, 3)]


def test_any_order_of_shards_gives_the_same(shards, tmp_path):
    files = {
        merge(order, tmp_path / "o.parquet", force=True).path.read_bytes() for order in itertools.permutations(shards)
    }
    assert len(files) == 1


def test_missing_and_doubled_shards(shards, tmp_path):
    out = tmp_path / "o.parquet"
    with pytest.raises(NegativeAnswer, match=r"^1 of 3 shards missing: 2/3; nothing was written"):
        merge([shards[2], shards[0]], out)
    with pytest.raises(NegativeAnswer, match=r"2 of 3 shards missing: 1/3, 3/3"):
        merge(shards[1:2], out)
    with pytest.raises(UsageError, match=r"2.shard is named twice: shard 2 of 3"):
        merge([*shards, shards[1]], out)
    (tmp_path / "again.shard").write_bytes(shards[1].read_bytes())
    with pytest.raises(UsageError, match=r"2.shard and .*again.shard are the same: shard 2 of 3"):
        merge([*shards, tmp_path / "again.shard"], out)
    with pytest.raises(UsageError, match=r"1.shard: is one of the shards; choose another --out"):
        merge(shards, shards[0], force=True)
    assert not out.exists()


def test_shards_of_different_ingests(shards, tmp_path):
    def remade(asked, number=2, of=3):
        ingest(asked, tmp_path / "other.shard", base=tmp_path, shard=(number, of), force=True)
        return [shards[0], tmp_path / "other.shard", shards[2]]

    for asked, says in (
        (settings(seed=3), "their settings differ in seed"),
        (settings(features=["r = pt / mass", "pt", "n"]), "their settings differ in features"),
        (settings(preselection=["pt > 1"]), "their settings differ in preselection"),
    ):
        with pytest.raises(InputError, match=rf"1.shard and .*other.shard are not shards of one ingest: {says}"):
            merge(remade(asked), tmp_path / "o.parquet")
    with pytest.raises(InputError, match=r"one is of 3 shards, one of 2"):
        merge(remade(settings(), 2, 2), tmp_path / "o.parquet")
    assert merge(remade(settings(on_bad_file="skip")), tmp_path / "o.parquet").written  # may be made good later
    write(tmp_path / "s9.parquet", table(5))
    with pytest.raises(InputError, match=r"files were added, removed or renamed between them"):
        merge(remade(settings()), tmp_path / "p.parquet")


def test_what_is_no_shard_or_damaged(shards, tmp_path):
    out = tmp_path / "o.parquet"
    with pytest.raises(InputError, match=r"s0.parquet: is no shard of an ingest"):
        merge([tmp_path / "s0.parquet"], out)
    with pytest.raises(InputError, match=r"lost.shard: no such file"):
        merge([tmp_path / "lost.shard"], out)
    whole = shards[0].read_bytes()
    shards[0].write_bytes(whole[:-100])
    with pytest.raises(InputError, match=r"1.shard: .*truncated or damaged"):
        merge(shards, out)
    middle = len(whole) // 8
    shards[0].write_bytes(
        whole[:middle] + bytes(byte ^ 255 for byte in whole[middle : middle + 50]) + whole[middle + 50 :]
    )
    with pytest.raises(InputError, match=r"1.shard: damaged shard \(.*\); make it again"):
        merge(shards, out)
    assert not out.exists()
    assert not list(tmp_path.glob("*.partial"))


def test_a_shard_is_no_events_file(shards):
    with pytest.raises(
        InputError, match=r"2.shard: is shard 2 of 3 of an ingest; put all of them together with cutflow"
    ):
        open_events(shards[1])


def test_what_is_done_is_not_done_again(shards, tmp_path):
    out = tmp_path / "o.parquet"
    assert merge(shards, out).written
    assert not merge(shards[::-1], out).written
    assert not ingest(settings(), out, base=tmp_path).written
    assert not ingest(settings(), shards[1], base=tmp_path, shard=(2, 3)).written
    other = "exists and was made from other inputs or settings"
    with pytest.raises(UsageError, match=other):
        ingest(settings(), shards[1], base=tmp_path, shard=(1, 3))
    with pytest.raises(UsageError, match=other):
        ingest(settings(seed=9), shards[1], base=tmp_path, shard=(2, 3))
    with pytest.raises(UsageError, match=r"2.shard: exists; choose another"):
        ingest(settings(), shards[1], base=tmp_path)
    with pytest.raises(UsageError, match=r"o.parquet: exists; choose another"):
        ingest(settings(), out, base=tmp_path, shard=(1, 3))
    pq.write_table(pa.table({"x": [1]}), out)
    with pytest.raises(UsageError, match=r"o.parquet: exists; choose another --out"):
        merge(shards, out)
    assert merge(shards, out, force=True).written


def test_more_shards_than_files_and_numbers_out_of_range(tmp_path):
    base = sample(tmp_path)
    for shard, says in (((1, 7), "there are only 6 files; a shard takes whole files"), ((0, 2), "the first number"),
                        ((3, 2), "the first number runs from 1 to the second")):  # fmt: skip
        with pytest.raises(UsageError, match=says):
            ingest(settings(), tmp_path / "o.shard", base=base, shard=shard)


def test_every_file_is_in_one_shard(tmp_path):
    base = sample(tmp_path)
    for of in (1, 2, 3, 4, 5, 6):
        named = []
        for number in range(1, of + 1):
            ingest(settings(), tmp_path / "o.shard", base=base, shard=(number, of), force=True)
            named += [source.path for source in ShardFile(tmp_path / "o.shard").description.sources]
        assert named == [str(base / f"{name}{number}.parquet") for name in "sb" for number in range(3)]
