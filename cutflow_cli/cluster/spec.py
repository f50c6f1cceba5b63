"""Which cluster is meant: an address, so many processes here, or a file that names a class and its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.settings_file import read_mapping

#: Short names of classes: those of dask-jobqueue, and processes here.
CLASSES: Mapping[str, str] = {
    "local": "distributed.LocalCluster",
    "slurm": "dask_jobqueue.SLURMCluster",
    "htcondor": "dask_jobqueue.HTCondorCluster",
    "lsf": "dask_jobqueue.LSFCluster",
    "pbs": "dask_jobqueue.PBSCluster",
    "sge": "dask_jobqueue.SGECluster",
    "oar": "dask_jobqueue.OARCluster",
    "moab": "dask_jobqueue.MoabCluster",
}
#: Seconds without a single worker after which it is given up.
WAIT = 600.0

_SCHEMES = ("tcp", "tls", "ws", "wss", "ucx", "inproc")
_KEYS = ("cluster", "jobs", "wait", "arguments")
_HELP = "give tcp://HOST:PORT, local:N, a scheduler file (.json), or a file (.toml, .yaml) that describes a cluster"


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """A cluster to use.

    Attributes:
        text: as the user named it, for messages.
        address: of a scheduler that runs; None if none does.
        scheduler_file: where a scheduler that runs has written its address; None if none has.
        cluster: the class that starts one, `package.Class`.
        jobs: how many jobs, or workers, to ask it for; None for what its arguments say.
        arguments: of the class.
        wait: seconds to wait for a worker.
    """

    text: str
    address: str | None = None
    scheduler_file: Path | None = None
    cluster: str | None = None
    jobs: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    wait: float = WAIT


def read_spec(text: str) -> ClusterSpec:
    """Read which cluster is meant.

    Args:
        text: `tcp://host:8786`, `local:4`, `scheduler.json`, or the path of a file with `cluster` (a short name of
            `CLASSES` or `package.Class`), `jobs`, `wait` (s) and a table `arguments`.

    Raises:
        UsageError: if it is none of these, or says something impossible.
        InputError: if the file is missing or no text.
    """
    scheme, colon, rest = text.partition("://")
    if colon:
        if scheme not in _SCHEMES or not rest:
            msg = f"--dask {text}: no address of a scheduler; {_HELP}"
            raise UsageError(msg)
        return ClusterSpec(text, address=text)
    word, colon, number = text.partition(":")
    if word == "local":
        if colon and not (number.isdecimal() and int(number)):
            msg = f"--dask {text}: give a number of processes, such as local:4"
            raise UsageError(msg)
        own = {"threads_per_worker": 1} | ({"n_workers": int(number)} if colon else {})
        return ClusterSpec(text, cluster=CLASSES["local"], arguments=own)
    path = Path(text)
    match path.suffix.lower():
        case ".json":
            if not path.is_file():
                msg = f"--dask {text}: no such file; `dask scheduler --scheduler-file {text}` writes it"
                raise UsageError(msg)
            return ClusterSpec(text, scheduler_file=path)
        case ".toml" | ".yaml" | ".yml":
            return _of_file(path)
    msg = f"--dask {text}: {_HELP}"
    raise UsageError(msg)


def _of_file(path: Path) -> ClusterSpec:
    raw = read_mapping(path)
    for key in raw:
        if key not in _KEYS:
            msg = (
                f"{path}: unknown setting {key!r}; {nearest(key, _KEYS)} (arguments of the class go below [arguments])"
            )
            raise UsageError(msg)
    named = raw.get("cluster")
    if not isinstance(named, str) or (named not in CLASSES and "." not in named):
        known = nearest(str(named or ""), CLASSES) if named else f"there are: {', '.join(CLASSES)}"
        msg = f"{path}: cluster = {named!r}: name a kind of cluster, or package.Class; {known}"
        raise UsageError(msg)
    arguments, jobs, wait = raw.get("arguments", {}), raw.get("jobs"), raw.get("wait", WAIT)
    if not isinstance(arguments, dict):
        msg = f"{path}: arguments = {arguments!r}: a table [arguments] is needed"
        raise UsageError(msg)
    if jobs is not None and (not isinstance(jobs, int) or isinstance(jobs, bool) or jobs < 1):
        msg = f"{path}: jobs = {jobs!r}: give a whole number, 1 or more"
        raise UsageError(msg)
    if not isinstance(wait, int | float) or isinstance(wait, bool) or wait <= 0:
        msg = f"{path}: wait = {wait!r}: give seconds, more than 0"
        raise UsageError(msg)
    cluster = CLASSES.get(named, named)
    if jobs is None and cluster.startswith("dask_jobqueue."):
        msg = f"{path}: jobs is missing: how many jobs to submit"
        raise UsageError(msg)
    return ClusterSpec(str(path), cluster=cluster, jobs=jobs, arguments=arguments, wait=float(wait))
