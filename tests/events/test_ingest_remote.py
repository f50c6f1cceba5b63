"""Ingest of files on servers: named by address, in settings or in a list, beside files on a disk."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from flat_files import table, write
from test_readers_remote import server, waits  # noqa: F401  (fixtures)

from cutflow_cli.errors import InputError, TemporaryError
from cutflow_cli.events.ingest import ingest
from cutflow_cli.events.merge import merge
from cutflow_cli.events.settings_file import validate


@pytest.fixture
def asked(server, tmp_path):  # noqa: F811
    """Settings of a signal of which one file is on a disk, and of a background on a server."""
    for number, name in enumerate(("s1.root", "s2.parquet", "b.root")):
        write(tmp_path / name, table(100, number))
    (tmp_path / "list.txt").write_text(f"# everything\ns2.parquet\n{server.url('s1.root')}?token=secret  # remote\n")
    processes = {
        "S": {"role": "signal", "files": "@list.txt", "cross_section": 1.0, "weight": "w"},
        "B": {"role": "background", "files": server.url("b.root"), "cross_section": 2.0},
    }
    return {"features": ["pt", "mass"], "luminosity": 1.0, "processes": processes}


def test_files_on_servers_are_ingested_as_those_on_a_disk(asked, server, tmp_path):  # noqa: F811
    done = ingest(validate(asked), tmp_path / "o.out", base=tmp_path)
    wanted = np.concatenate([table(100, seed)["pt"] for seed in (1, 0, 2)])
    np.testing.assert_array_equal(pq.read_table(done.path)["pt"].to_numpy(), wanted)
    paths = [source.path for source in done.metadata.sources]
    assert paths == [str(tmp_path / "s2.parquet"), server.url("s1.root"), server.url("b.root")]  # without the token
    for number in (1, 2):
        ingest(validate(asked), tmp_path / f"{number}.shard", base=tmp_path, shard=(number, 2))
    merged = merge([tmp_path / "1.shard", tmp_path / "2.shard"], tmp_path / "m.out")
    assert merged.path.read_bytes() == done.path.read_bytes()


def test_a_file_that_a_server_has_not_is_a_bad_file_but_a_server_that_is_down_is_not(
    asked,
    server,  # noqa: F811
    tmp_path,
    waits,  # noqa: F811
):
    (tmp_path / "s1.root").unlink()
    with pytest.raises(InputError, match=r"s1.root\?token=secret: no such file on the server.*--on-bad-file skip"):
        ingest(validate(asked), tmp_path / "o.out", base=tmp_path)
    done = ingest(validate({**asked, "on_bad_file": "skip"}), tmp_path / "o.out", base=tmp_path)
    assert [file.path for file in done.skipped] == [server.url("s1.root")]
    assert "secret" not in done.metadata.to_json().decode()
    server.always = 503
    with pytest.raises(TemporaryError, match=r"could not be read in 3 attempts"):
        ingest(validate({**asked, "on_bad_file": "skip"}), tmp_path / "p.out", base=tmp_path)
    assert waits
