"""Work that Dask's workers do: as if it were done here, errors included."""

import errno
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cutflow_cli.app import app
from cutflow_cli.cluster import connect, dask_executor
from cutflow_cli.cluster.connect import open_executor
from cutflow_cli.errors import InputError, TemporaryError, UsageError
from cutflow_cli.evaluation.tally import tally
from cutflow_cli.events import divided
from cutflow_cli.events.ingest import ingest
from cutflow_cli.events.read import EventReader
from cutflow_cli.events.settings_file import validate
from cutflow_cli.events.table import open_events
from cutflow_cli.executor import HERE
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

COMMAND = "cutflow of the test"
SPEC = 'cluster = "local"\nwait = 20\n[arguments]\nprocesses = false\nn_workers = 2\nthreads_per_worker = 1\n'
SETTINGS = {
    "features": ["x", "r = x / y"],
    "preselection": ["x > 1"],
    "processes": {
        "Z": {"role": "signal", "files": "z*", "cross_section": 0.5, "weight": "w"},
        "top": {"role": "background", "files": "t*", "cross_section": 10.0},
    },
    "luminosity": 2.0,
}


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    """A cluster of threads of this process."""
    path = tmp_path_factory.mktemp("cluster") / "threads.toml"
    path.write_text(SPEC)
    return str(path)


@pytest.fixture(scope="module")
def workers(spec):
    with open_executor(spec) as executor:
        assert not executor.is_here
        yield executor


@pytest.fixture
def files(tmp_path):
    for number, name in enumerate(("z1", "z2", "t1", "t2", "t3")):
        write(tmp_path, name, number)
    return tmp_path


def write(directory, name, seed, events=70):
    generator = np.random.default_rng(seed)
    columns = {column: generator.normal(3.0, 1.0, events).astype(np.float32) for column in ("x", "y", "w")}
    pq.write_table(pa.table(columns), directory / f"{name}.parquet")


def test_without_a_cluster_this_process_does_it():
    with open_executor(None) as executor:
        assert executor is HERE


@pytest.mark.parametrize("more", [{}, {"keep_quantiles": [0.1, 0.9]}])
def test_the_events_file_is_that_of_one_job_byte_for_byte(files, workers, more):
    asked, told = validate({**SETTINGS, **more}), []
    one = ingest(asked, files / "out" / "one.parquet", base=files, command=COMMAND)
    made = ingest(
        asked, files / "out" / "two.parquet", base=files, command=COMMAND, executor=workers,
        progress=lambda done, text: told.append((done, text)),
    )  # fmt: skip
    assert made.path.read_bytes() == one.path.read_bytes()
    assert (made.metadata, made.files, made.formats, made.notes) == (one.metadata, one.files, one.formats, one.notes)
    assert sorted(path.name for path in made.path.parent.iterdir()) == ["one.parquet", "two.parquet"]
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == pytest.approx(1.0)
    assert not ingest(asked, made.path, base=files, executor=workers).written  # already done


def test_files_are_named_as_by_one_job(files, workers, monkeypatch):
    monkeypatch.chdir(files)
    for name, executor in (("one", HERE), ("two", workers)):
        ingest(validate(SETTINGS), Path("out", name), base=Path(), command=COMMAND, executor=executor)
    assert Path("out", "two").read_bytes() == Path("out", "one").read_bytes()
    assert open_events(Path("out", "two")).metadata.sources[0].path == "z1.parquet"


def test_a_file_at_fault_is_told_as_by_one_job_and_the_rest_is_kept(files, workers):
    table = pq.read_table(files / "t2.parquet")
    bad = table["w"].to_numpy().copy()
    bad[3] = np.inf
    asked = validate({**SETTINGS, "processes": {**SETTINGS["processes"], "top": {
        "role": "background", "files": "t*", "cross_section": 10.0, "weight": "w"}}})  # fmt: skip
    pq.write_table(table.set_column(2, "w", pa.array(bad)), files / "t2.parquet")
    said = []
    for executor in (HERE, workers):
        with pytest.raises(InputError, match=r"t2\.parquet") as error:
            ingest(asked, files / "out.parquet", base=files, executor=executor)
        said.append(str(error.value))
    assert said[0] == said[1]
    assert not (files / "out.parquet").exists()
    kept = {path: path.stat().st_mtime_ns for path in divided.shards_directory(files / "out.parquet").glob("*-of-*")}
    assert 1 <= len(kept) <= 4


def test_the_same_command_goes_on(files, workers, monkeypatch):
    asked, read, own = validate(SETTINGS), [], EventReader.read

    def failing(self, position, counts):
        name = self.recipe.files[position].file.location.name
        read.append(name)
        if name == "t3.parquet" and len(read) <= 5:
            raise OSError(errno.EIO, "Input/output error", "t3.parquet")
        yield from own(self, position, counts)

    monkeypatch.setattr(EventReader, "read", failing)
    with pytest.raises(OSError, match="t3") as error:  # which the command line gives exit code 75
        ingest(asked, files / "out.parquet", base=files, executor=workers)
    assert error.value.errno == errno.EIO
    assert sorted(read) == [f"{name}.parquet" for name in ("t1", "t2", "t3", "z1", "z2")]
    made = ingest(asked, files / "out.parquet", base=files, executor=workers)
    assert read[5:] == ["t3.parquet"]
    assert made.written
    assert not divided.shards_directory(made.path).exists()


def test_files_that_change_meanwhile_are_refused(files, workers, monkeypatch):
    own = divided.files_of_shards

    def changing(*arguments):
        write(files, "z2", 99)
        return own(*arguments)

    monkeypatch.setattr(divided, "files_of_shards", changing)
    with pytest.raises(InputError, match=r"00002-of-00005.parquet: the worker on .* read other files than were found"):
        ingest(validate(SETTINGS), files / "out.parquet", base=files, executor=workers)


def test_a_worker_that_does_not_see_the_disk(tmp_path):
    order = divided._Order(validate(SETTINGS), Path(), None, tmp_path, tmp_path / "absent", "login7", None)
    with pytest.raises(UsageError, match=r"absent: is not seen by the worker on .*share with login7 .*--shard"):
        divided._make(order, divided._Shard(1, 1, ""), lambda _: None)


def test_events_are_counted_alike(files, workers, monkeypatch):
    made = ingest(validate(SETTINGS), files / "out.parquet", base=files)
    table = pq.read_table(made.path)
    pq.write_table(table, made.path, row_group_size=20)
    monkeypatch.setattr("cutflow_cli.events.ranges.RANGE_EVENTS", 60)
    events, flow = open_events(made.path), CutFlow((LearnedCut(Cut("x", Region.ABOVE, 3.0, None)),))
    here, there = (tally(events, [flow], executor=executor) for executor in (HERE, workers))
    assert len(events.ranges()) > 3
    assert here.prefixes == there.prefixes
    np.testing.assert_array_equal(here.sums, there.sums)


def test_dask_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"--dask local:1 needs distributed.*pip install 'cutflow-cli\[dask\]'"):
        connect.open_executor("local:1").__enter__()


def test_no_scheduler_answers(monkeypatch):
    monkeypatch.setattr(connect, "_CONNECT", 0.2)
    with (
        pytest.raises(TemporaryError, match=r"--dask tcp://127\.0\.0\.1:1: no dask scheduler answers there"),
        open_executor("tcp://127.0.0.1:1"),
    ):
        pass


@pytest.mark.parametrize(
    ("content", "kind", "says"),
    [
        (SPEC.replace("n_workers = 2", "n_workers = 0").replace("20", "0.3"), TemporaryError, "no worker for 0.3 s"),
        (SPEC + "wrokers = 2\n", UsageError, "LocalCluster does not take these arguments"),
        ('cluster = "distributed.Nothing"', UsageError, "there is no cluster 'distributed.Nothing'"),
        ('cluster = "distributed.Client"', UsageError, "is no cluster of dask.distributed"),
    ],
)
def test_clusters_that_do_not_start(tmp_path, content, kind, says):
    (tmp_path / "c.toml").write_text(content)
    with pytest.raises(kind, match=says), open_executor(str(tmp_path / "c.toml")):
        pass


def test_ends_without_cutflow_or_with_another_one(spec, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(connect, "__version__", "0.0.7")
        with pytest.raises(InputError, match=r"the scheduler has cutflow .*, here is 0\.0\.7; use the same"):
            connect.open_executor(spec).__enter__()
    monkeypatch.setattr(dask_executor, "NEEDED", "absent_package.needed:VERSION")
    with pytest.raises(InputError, match="the scheduler has no absent_package; start it in the environment"):
        connect.open_executor(spec).__enter__()


def test_as_a_user_types_it(files, spec, monkeypatch):
    (files / "s.yaml").write_text(
        "features: [x]\nprocesses:\n  Z: {role: signal, files: 'z*'}\n  top: {role: background, files: 't*'}\n"
    )
    monkeypatch.chdir(files)
    done = CliRunner().invoke(app, ["ingest", "s.yaml", "--out", "two.parquet", "--dask", spec])
    assert (done.exit_code, done.stdout[:36]) == (0, "two.parquet: 350 events, 1 features,")
    assert done.stderr.startswith("cutflow: warning: no normalisation was given")
    assert len(done.stderr.splitlines()) == 1
    wrong = CliRunner().invoke(app, ["ingest", "s.yaml", "--out", "w.parquet", "--dask", spec, "--shard", "1/2"])
    assert isinstance(wrong.exception, UsageError)
    assert str(wrong.exception) == "--dask makes and merges shards itself; leave out --shard"
