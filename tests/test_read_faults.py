"""A read that fails is the disk's fault: it is told apart from damaged content, and names the file."""

from __future__ import annotations

import errno
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cutflow_cli import artifacts, runs, settings_file
from cutflow_cli.apply.cuts_file import read_cuts
from cutflow_cli.apply.writing import applied_to
from cutflow_cli.engine.checkpoint import load_checkpoint
from cutflow_cli.engine.network import load_networks
from cutflow_cli.errors import InputError, is_disk_fault, naming
from cutflow_cli.evaluation.saved_cut_flow_files import is_cut_flow
from cutflow_cli.evaluation.table_files import TABLES, read_rows
from cutflow_cli.events.find import find_files
from cutflow_cli.events.plain import open_parquet
from cutflow_cli.events.readers.opening import open_source
from cutflow_cli.export.handover import save
from cutflow_cli.models.bdt.scorer import load_scorer
from cutflow_cli.models.punzi.window_table import read_window_table
from cutflow_cli.observables.user import load_user_observables

READERS = {
    "digest": ("any", artifacts.file_digest),
    "json": ("run.json", artifacts.read_json),
    "settings": ("settings.toml", settings_file.read_mapping),
    "list of files": ("files.txt", lambda path: find_files([f"@{path.name}"], path.parent, "top")),
    "checkpoint": ("checkpoint.npz", load_checkpoint),
    "networks": ("networks.safetensors", load_networks),
    "trees": ("trees.json", lambda path: load_scorer(path.parent, ("x",), 1)),
    "events": ("events.parquet", open_parquet),
    "ntuple": ("ntuple.root", open_source),
    "Parquet": ("ntuple.parquet", open_source),
    "CSV": ("table.csv", open_source),
    "windows": ("windows.csv", lambda path: read_window_table(path, {})),
    "cuts": ("cuts.json", read_cuts),
    "an output that is there": ("cuts.tex", lambda path: save(path, "text", force=False)),
    "observables": ("mine.py", load_user_observables),
}


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that can be opened and not be read")
@pytest.mark.parametrize("kind", READERS)
def test_a_failed_read_names_the_file(tmp_path, kind):
    name, read = READERS[kind]
    path = tmp_path / name
    path.symlink_to("/proc/self/mem")  # its first page is mapped nowhere, and reading it is an input/output error
    with pytest.raises(OSError, match="Input/output error") as failed:
        read(path)
    assert failed.value.errno == errno.EIO
    assert failed.value.filename == str(path)


#: Where Arrow is the one that reads: its function, and ours.
BY_ARROW = {
    "cuts": ("read_table", runs.read_cut_flows),
    "report": ("read_table", lambda path: read_rows(path, TABLES[0])),
    "cut flow": ("read_schema", is_cut_flow),
    "applied": ("ParquetFile", applied_to),
    "events": ("ParquetFile", open_parquet),
}


@pytest.mark.parametrize("kind", BY_ARROW)
def test_a_read_that_fails_within_arrow_names_the_file(tmp_path, monkeypatch, kind):
    def fail(*_arguments, **_options):
        raise OSError(errno.EIO, "Input/output error")  # without a name, as Arrow does

    function, read = BY_ARROW[kind]
    monkeypatch.setattr(pq, function, fail)
    path = tmp_path / "a.parquet"
    path.touch()
    with pytest.raises(OSError, match="Input/output error") as failed:
        read(path)
    assert failed.value.filename == str(path)


def test_what_is_the_disks_fault():
    assert not is_disk_fault(ValueError("bad"), "file")
    assert not is_disk_fault(OSError("what a library says of content that it can't read"), "file")
    opened = FileNotFoundError(errno.ENOENT, "No such file or directory", "other")
    assert is_disk_fault(opened, "file")
    assert opened.filename == "other"
    with pytest.raises(InputError, match="not this"), naming("file"):
        raise InputError("not this")
