"""Which cluster is meant by what a user writes, and one line where that is nothing."""

import pytest

from cutflow_cli.cluster.spec import WAIT, ClusterSpec, read_spec
from cutflow_cli.errors import InputError, UsageError


def test_addresses_processes_and_scheduler_files(tmp_path):
    assert read_spec("tcp://node7:8786") == ClusterSpec("tcp://node7:8786", address="tcp://node7:8786")
    four = read_spec("local:4")
    assert (four.cluster, four.arguments) == ("distributed.LocalCluster", {"threads_per_worker": 1, "n_workers": 4})
    assert dict(read_spec("local").arguments) == {"threads_per_worker": 1}
    (tmp_path / "s.json").write_text("{}")
    assert read_spec(str(tmp_path / "s.json")).scheduler_file == tmp_path / "s.json"


def test_the_examples_are_read(root):
    for name, kind in (("slurm", "SLURMCluster"), ("htcondor", "HTCondorCluster")):
        spec = read_spec(str(root / "examples" / "dask" / f"{name}.toml"))
        assert (spec.cluster, spec.jobs, spec.wait) == (f"dask_jobqueue.{kind}", 4, 1800.0)
        assert spec.arguments["memory"] == "2 GB"


def test_a_class_of_ones_own(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("cluster: dask_lxplus.CernCluster\njobs: 3\narguments: {cores: 1}\n")
    assert read_spec(str(path)) == ClusterSpec(
        str(path), cluster="dask_lxplus.CernCluster", jobs=3, arguments={"cores": 1}, wait=WAIT
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gopher://node:70", "no address of a scheduler"),
        ("tcp://", "no address of a scheduler"),
        ("local:0", "give a number of processes, such as local:4"),
        ("local:many", "give a number of processes"),
        ("slurm", "give tcp://HOST:PORT, local:N, a scheduler file"),
        ("absent.json", "no such file; `dask scheduler --scheduler-file absent.json` writes it"),
    ],
)
def test_what_names_no_cluster(text, says):
    with pytest.raises(UsageError, match=says):
        read_spec(text)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("jobs = 2", "there are: local, slurm, htcondor"),
        ("cluster = 'slrum'", "did you mean slurm"),
        ("cluster = 'slurm'", "jobs is missing"),
        ("cluster = 'slurm'\njobs = 0", "jobs = 0: give a whole number"),
        ("cluster = 'slurm'\njobs = true", "jobs = True"),
        ("cluster = 'local'\nwait = 'long'", "wait = 'long': give seconds"),
        ("cluster = 'slurm'\njobs = 2\nqueue = 'short'", r"unknown setting 'queue'.*below \[arguments\]"),
        ("cluster = 'local'\narguments = 3", r"a table \[arguments\] is needed"),
    ],
)
def test_files_that_say_something_else(tmp_path, content, says):
    (tmp_path / "c.toml").write_text(content)
    with pytest.raises(UsageError, match=says):
        read_spec(str(tmp_path / "c.toml"))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_spec(str(tmp_path / "absent.toml"))
