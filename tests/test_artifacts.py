"""Outputs are whole or absent, never overwritten by accident, and recognised when nothing is left to do."""

from __future__ import annotations

import errno
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli import artifacts
from cutflow_cli.artifacts import Action, decide, digest, file_digest, open_work_directory, read_json, written_file
from cutflow_cli.errors import InputError, UsageError

MANIFEST = "run.json"


def open_work(out: Path, wanted: str = "a", *, force: bool = False, fresh: bool = False) -> artifacts.WorkDirectory:
    return open_work_directory(out, MANIFEST, wanted, force=force, fresh=fresh)


def finished(out: Path, wanted: str = "a") -> None:
    work = open_work(out, wanted)
    artifacts.write_json(work.path / MANIFEST, {"digest": wanted})
    work.finish()


# --- files


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    out = tmp_path / "new" / "table.txt"
    with written_file(out) as partial:
        partial.write_text("half")
        assert not out.exists()
    assert out.read_text() == "half"
    assert [entry.name for entry in out.parent.iterdir()] == ["table.txt"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_nothing_new_and_the_old_file_as_it_was(tmp_path, failure):
    out = tmp_path / "table.txt"
    out.write_text("old")

    def write_and_fail() -> None:
        with written_file(out) as partial:
            partial.write_text("half")
            raise failure

    with pytest.raises(failure):
        write_and_fail()
    assert out.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.txt"]


@pytest.mark.parametrize("place", [".", "..", "/"])
def test_a_place_is_no_output(place):
    with pytest.raises(UsageError, match="name an output"), written_file(Path(place)):
        pass


def test_a_file_does_not_replace_a_directory(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError, match="is a directory"), written_file(tmp_path / "out"):
        pass


def test_a_parent_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "x", tmp_path / "file" / "deeper" / "x"):
        with pytest.raises(UsageError, match="can't make this directory"), written_file(out):
            pass


# --- JSON


def test_numbers_of_numpy_stay_numbers(tmp_path):
    value = {"i": np.int64(3), "f": np.float32(0.5), "b": np.bool_(True), "a": np.arange(2), "p": Path("x/y")}
    artifacts.write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == {"i": 3, "f": 0.5, "b": True, "a": [0, 1], "p": "x/y"}


def test_times_are_written_as_text(tmp_path):
    artifacts.write_json(tmp_path / "x.json", {"at": datetime(2026, 1, 2, tzinfo=UTC)})
    assert read_json(tmp_path / "x.json") == {"at": "2026-01-02 00:00:00+00:00"}


@pytest.mark.parametrize("value", [{1, 2}, object(), b"x"], ids=["set", "object", "bytes"])
def test_what_has_no_stable_text_is_refused(value):
    with pytest.raises(TypeError, match="has no JSON form"):
        digest({"x": value})


def test_nan_is_never_written_as_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        artifacts.write_json(tmp_path / "x.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "no such file"), (b"{", "not a JSON file"), (b"\xff\xfe", "not a JSON file"), (b"[1]", "no JSON object")],
)
def test_damaged_json_is_the_inputs_fault(tmp_path, content, complaint):
    path = tmp_path / "run.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=complaint) as caught:
        read_json(path)
    assert str(path) in str(caught.value)


# --- digests

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), json_values, max_size=4))
def test_digest_does_not_depend_on_the_order_of_keys_and_survives_json(value):
    turned = dict(reversed(value.items()))
    assert digest(value) == digest(turned) == digest(json.loads(json.dumps(value)))


def test_digest_is_the_same_on_every_machine_and_in_every_version():
    """SHA-256 of `{"epochs":200,"features":["x1"],"rate":0.001}`, as sha256sum gives it."""
    known = "65b13eaaa37b9dc052304004ca74c0bc6652374952e7861a0f3c60c00c717bb5"
    assert digest({"features": ["x1"], "epochs": 200, "rate": 0.001}) == known
    assert digest({"epochs": np.int64(200), "rate": 1e-3, "features": ("x1",)}) == known


def test_file_digest_sees_head_tail_and_size(tmp_path):
    path = tmp_path / "big.bin"
    content = bytearray(300_000)
    digests = set()
    for position in (None, 0, len(content) - 1):
        changed = bytearray(content)
        if position is not None:
            changed[position] = 1
        path.write_bytes(changed)
        digests.add(file_digest(path))
    path.write_bytes(content + b"\0")
    assert len(digests | {file_digest(path)}) == 4


def test_file_digest_names_what_is_missing(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        file_digest(tmp_path / "absent")
    with pytest.raises(InputError, match="is a directory"):
        file_digest(tmp_path)


# --- what to do about an output


def test_decide(tmp_path):
    out = tmp_path / "out"
    assert decide(out, "a", None, force=False) is Action.START
    out.write_text("")
    assert decide(out, "a", "a", force=False) is Action.DONE
    assert decide(out, "a", "b", force=True) is Action.START
    with pytest.raises(UsageError, match=r"other inputs or settings.*--force"):
        decide(out, "a", "b", force=False)
    with pytest.raises(UsageError, match="exists; choose another --out"):
        decide(out, "a", None, force=False)


def test_work_starts_continues_and_is_done(tmp_path):
    out = tmp_path / "runs" / "one"
    work = open_work(out)
    assert work.action is Action.START
    (work.path / "checkpoint").write_text("epoch 3")
    assert not out.exists()

    again = open_work(out)
    assert again.action is Action.CONTINUE
    assert (again.path / "checkpoint").read_text() == "epoch 3"

    artifacts.write_json(again.path / MANIFEST, {"digest": "a"})
    again.finish()
    assert sorted(entry.name for entry in out.iterdir()) == ["checkpoint", MANIFEST]
    assert [entry.name for entry in out.parent.iterdir()] == ["one"]
    assert open_work(out).action is Action.DONE


def test_fresh_forgets_unfinished_work(tmp_path):
    (open_work(tmp_path / "out").path / "checkpoint").write_text("")
    again = open_work(tmp_path / "out", fresh=True)
    assert again.action is Action.START
    assert not (again.path / "checkpoint").exists()


def test_a_finished_output_of_other_settings_is_kept_without_force(tmp_path):
    out = tmp_path / "out"
    finished(out)
    with pytest.raises(UsageError, match="made from other inputs or settings"):
        open_work(out, "b")
    work = open_work(out, "b", force=True)
    assert work.action is Action.START
    assert out.is_dir()  # replaced at the end, not before
    artifacts.write_json(work.path / MANIFEST, {"digest": "b"})
    work.finish()
    assert read_json(out / MANIFEST) == {"digest": "b"}


def test_force_replaces_a_damaged_output(tmp_path):
    out = tmp_path / "out"
    finished(out)
    (out / MANIFEST).write_text("{")
    with pytest.raises(InputError, match="not a JSON file"):
        open_work(out)
    assert open_work(out, force=True).action is Action.START


def test_force_never_removes_a_directory_that_is_not_ours(tmp_path):
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter1.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"holds files but no run\.json"):
        open_work(thesis, force=True)
    assert (thesis / "chapter1.tex").exists()


def test_force_replaces_a_file_a_link_and_an_empty_directory(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    for name in ("file", "link", "empty"):
        work = open_work(tmp_path / name, force=True)
        artifacts.write_json(work.path / MANIFEST, {"digest": "a"})
        work.finish()
        assert open_work(tmp_path / name).action is Action.DONE


def test_force_never_replaces_a_file_with_content_by_a_directory(tmp_path):
    events = tmp_path / "events.parquet"
    events.write_text("the data")
    with pytest.raises(UsageError, match="is a file, so --force does not replace it"):
        open_work(events, force=True)
    assert events.read_text() == "the data"


def test_a_full_disk_names_the_file(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(OSError, match="No space") as caught, artifacts.written_file(out):
        raise OSError(errno.ENOSPC, "No space left on device")  # as writing to an open file raises it
    assert caught.value.filename == str(out)


def test_a_place_is_no_work_directory():
    with pytest.raises(UsageError, match="name an output"):
        open_work(Path())


def test_unfinished_work_of_something_else_is_not_lost_by_accident(tmp_path):
    out = tmp_path / "run"
    work = open_work_directory(out, "run.json", "one", force=False, fresh=False)
    (work.path / "checkpoint.npz").write_bytes(b"hours of work")
    with pytest.raises(UsageError, match=r"run.partial: holds unfinished work of other inputs .* --fresh"):
        open_work_directory(out, "run.json", "two", force=False, fresh=False)
    assert (work.path / "checkpoint.npz").read_bytes() == b"hours of work"
    assert open_work_directory(out, "run.json", "one", force=False, fresh=False).action is Action.CONTINUE
    assert open_work_directory(out, "run.json", "two", force=False, fresh=True).action is Action.START
    assert not (work.path / "checkpoint.npz").exists()
    (work.path / "started.json").write_text("{")  # damaged: nothing of worth is there
    assert open_work_directory(out, "run.json", "two", force=False, fresh=False).action is Action.START
