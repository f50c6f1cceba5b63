"""Readers: files on servers that answer, answer late, refuse or never answer."""

import http.server
import threading
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from flat_files import table, write

from cutflow_cli.errors import InputError, TemporaryError, UsageError
from cutflow_cli.events.readers import Location, open_source, remote, tree_sum

pytest.importorskip("aiohttp", reason="what reads https:// is not installed")


class Server(http.server.ThreadingHTTPServer):
    """Serves a directory with ranges; answers to GET follow a plan of status codes, then all is well."""

    daemon_threads = True

    def __init__(self, root):
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = root
        self.plan = []
        self.always = None
        self.ranges = True

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *parts):
        pass

    def do_HEAD(self):
        self.answer(None)

    def do_GET(self):
        self.answer(self.server.plan.pop(0) if self.server.plan else None)

    def answer(self, status):
        path = self.server.root / self.path.partition("?")[0].lstrip("/")
        status = self.server.always or status or (200 if path.is_file() else 404)
        if status != 200:
            self.send_error(status)
            return
        data = path.read_bytes()
        wanted = self.headers.get("Range") if self.server.ranges else None
        if wanted:
            first, last = (int(end) for end in wanted.removeprefix("bytes=").split("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{min(last, len(data) - 1)}/{len(data)}")
            data = data[first : last + 1]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)


@pytest.fixture
def server(tmp_path):
    with Server(tmp_path) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def waits(monkeypatch):
    """The seconds that were waited for a server, without waiting."""
    found = []
    monkeypatch.setattr(remote.time, "sleep", found.append)
    return found


def read(source, rows=300):
    columns = [source.column(name) for name in source.names()]
    chunks = list(source.chunks(columns, rows))
    return {column.name: np.concatenate([chunk[column.name] for chunk in chunks]) for column in columns}


FILES = ("a.root", "a.rntuple.root", "a.parquet")


@pytest.mark.parametrize("name", FILES)
def test_files_on_a_server_read_as_those_on_a_disk(server, tmp_path, waits, name):
    columns = table(1000)
    here = open_source(write(tmp_path / name, columns))
    there = open_source(server.url(name) + "?token=1:2")
    assert (there.rows, there.digest, there.format) == (here.rows, here.digest, here.format)
    assert there.location.is_remote
    found = read(there)
    for column, values in columns.items():
        np.testing.assert_array_equal(found[column], values)
    there.close()
    assert waits == []


@pytest.mark.parametrize("name", FILES)
def test_two_failures_at_opening_are_overcome(server, tmp_path, waits, name):
    write(tmp_path / name, table(10))
    server.plan = [503, 500]
    assert open_source(server.url(name)).rows == 10
    assert waits == [1.0, 4.0]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("after", [1, 2, 3, 4, 5])
def test_one_failure_anywhere_is_overcome(server, tmp_path, waits, name, after):
    columns = table(1000)
    write(tmp_path / name, columns)
    server.plan = [None] * after + [503]
    found = read(open_source(server.url(name)))
    for column, values in columns.items():
        np.testing.assert_array_equal(found[column], values)
    assert waits in ([], [1.0])


def write_blocks(path):
    """Write a file larger than what is read ahead, in four blocks."""
    values = np.random.default_rng(1).random((4, 200_000))
    if path.suffix == ".parquet":
        with pq.ParquetWriter(path, pa.schema({"x": pa.float64()})) as writer:
            for block in values:
                writer.write_table(pa.table({"x": block}))
    else:
        with uproot.recreate(path, compression=None) as file:
            tree = file.mkrntuple("t", {"x": values[0]}) if "rntuple" in path.name else file.mktree("t", {"x": "f8"})
            for block in values[1:] if "rntuple" in path.name else values:
                tree.extend({"x": block})
    return values.ravel()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("rows", [150_000, 200_000])
def test_reading_goes_on_behind_the_last_chunk(server, tmp_path, waits, name, rows):
    values = write_blocks(tmp_path / name)
    source = open_source(server.url(name))
    chunks = []
    for chunk in source.chunks([source.column("x")], rows):
        chunks.append(chunk["x"])
        server.plan = [429, 503]
    np.testing.assert_array_equal(np.concatenate(chunks), values)
    assert 1.0 in waits


@pytest.mark.parametrize("name", FILES)
def test_a_server_that_never_answers_is_a_temporary_failure(server, tmp_path, waits, name):
    write(tmp_path / name, table(1000))
    server.always = 503
    with pytest.raises(
        TemporaryError, match=rf"/{name}: could not be read in 3 attempts \(503.*try again later"
    ) as caught:
        open_source(server.url(name))
    assert caught.value.exit_code == 75
    assert waits == [1.0, 4.0]


@pytest.mark.parametrize("name", FILES)
def test_a_server_that_stops_answering_while_it_is_read(server, tmp_path, waits, name):
    write_blocks(tmp_path / name)
    source = open_source(server.url(name))
    chunks = source.chunks([source.column("x")], 200_000)
    assert len(next(chunks)["x"]) == 200_000
    server.always = 502
    with pytest.raises(TemporaryError, match=rf"/{name}: could not be read in 3 attempts \(.*; try again later"):
        list(chunks)
    assert waits[-2:] == [1.0, 4.0]


def test_a_server_that_is_gone(server, tmp_path, waits):
    url = server.url("a.root")
    server.server_close()
    server.shutdown()
    with pytest.raises(TemporaryError, match="could not be read in 3 attempts"):
        open_source(url)
    assert waits == [1.0, 4.0]


@pytest.mark.parametrize(("status", "says"), [(404, "no such file on the server"), (403, "the server refuses it")])
def test_a_refusal_is_not_tried_again(server, waits, status, says):
    server.always = status
    with pytest.raises(InputError, match=rf"/a\.root: {says}.*check the address"):
        open_source(server.url("a.root"))
    assert waits == []


def test_what_a_server_gives_must_be_a_file_of_events_in_parts(server, tmp_path, waits):
    write(tmp_path / "a.root", table(5000))
    (tmp_path / "short.root").write_bytes((tmp_path / "a.root").read_bytes()[:5000])
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "page.root").write_text("<html>log in</html>")
    with pytest.raises(InputError, match=r"short\.root: truncated ROOT file: 5000 bytes"):
        open_source(server.url("short.root"))
    with pytest.raises(InputError, match=r"a\.csv: only ROOT and Parquet files are read over the network"):
        open_source(server.url("a.csv"))
    with pytest.raises(InputError, match=r"page\.root: is no ROOT file but text"):
        open_source(server.url("page.root"))
    server.ranges = False
    with pytest.raises(InputError, match=r"a\.root: the server gives whole files only"):
        open_source(server.url("a.root"))
    assert waits == []


def test_lists_and_another_tree(server, tmp_path):
    data = Path(__file__).parent / "data"
    (tmp_path / "delphes.root").write_bytes((data / "delphes.root").read_bytes())
    found = [open_source(file) for file in (server.url("delphes.root"), data / "delphes.root")]
    jets = [ak.concatenate([chunk["FatJet.PT"] for chunk in s.chunks([s.column("FatJet.PT")], 5)]) for s in found]
    assert jets[0].tolist() == jets[1].tolist()
    write(tmp_path / "runs.root", {"genEventSumw": np.array([1.0, 2.0])}, tree="Runs")
    assert tree_sum(server.url("runs.root"), "Runs", "genEventSumw") == (2, 3.0)


def test_without_the_packages_it_is_said_how_to_install_them(monkeypatch):
    def absent(scheme):
        raise ImportError(scheme)

    monkeypatch.setattr("fsspec.get_filesystem_class", absent)
    with pytest.raises(UsageError, match=r"what reads root:// is not installed: pip install 'cutflow-cli\[remote\]'"):
        open_source("root://eospublic.cern.ch//eos/file.root")


def test_locations(tmp_path):
    there = Location.of("root://eospublic.cern.ch//eos/opendata/file.root")
    assert (there.name, there.suffix, there.is_remote, str(there)) == ("file.root", ".root", True, there.text)
    assert Location.of("https://host:8000/a/b.parquet?x=1.csv").suffix == ".parquet"
    assert Location.of(there) is there
    here = Location.of(tmp_path / "a.csv")
    here.path.write_text("a,b\n")
    assert (here.name, here.suffix, here.is_remote, here.size()) == ("a.csv", ".csv", False, 4)
    assert here == Location.of(str(tmp_path / "a.csv"))
    assert here.head(1) == b"a"
    with here.open() as stream:
        assert stream.read() == b"a,b\n"
    assert sorted([there, here])[0] == here
    with pytest.raises(InputError, match="only ROOT and Parquet files are read over the network"):
        _ = there.path


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (OSError("[ERROR] Server responded with an error: [3011] Unable to open file; No such file"), "refused"),
        (OSError("[ERROR] Operation expired"), "passing"),
        (TimeoutError(), "passing"),
        (TypeError("'ClientPayloadError' object is not subscriptable"), "passing"),
        (TypeError("'int' object is not subscriptable"), "other"),
        (ValueError("not a ROOT file"), "other"),
        (PermissionError(13, "no"), "refused"),
    ],
)
def test_failures_that_may_pass_are_told_from_others(error, verdict):
    assert remote.judge(error) == verdict
