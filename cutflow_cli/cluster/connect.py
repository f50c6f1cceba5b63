"""From a cluster's description to an executor: connected to, or started and ended again."""

from __future__ import annotations

import logging
import os
import pkgutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutflow_cli import __version__
from cutflow_cli.cluster.spec import ClusterSpec, read_spec
from cutflow_cli.errors import InputError, TemporaryError, UsageError
from cutflow_cli.executor import HERE, Executor

if TYPE_CHECKING:
    from distributed import Client

    from cutflow_cli.cluster.dask_executor import DaskExecutor

#: Packages whose versions decide whether both ends understand each other and compute alike.
_COMPARED = ("python", "dask", "distributed", "cloudpickle", "numpy", "pyarrow")
_CONNECT = 30  #: seconds to reach a scheduler


@contextmanager
def open_executor(text: str | None, say: Callable[[str], None] = lambda _: None) -> Iterator[Executor]:
    """Give what does the parts of a task: the workers of a cluster, or this process.

    A cluster that is started for it ends with it, and its jobs with the cluster; one at an address is left as it is.

    Args:
        text: which cluster (`cutflow_cli.cluster.spec.read_spec`); None for this process.
        say: told what a user should know, a sentence each.

    Raises:
        UsageError: if Dask is not installed, or the description is wrong.
        InputError: if a worker has no cutflow, or another version of it or of Python.
        TemporaryError: if the scheduler does not answer, or no worker comes.
    """
    if text is None:
        yield HERE
        return
    spec = read_spec(text)
    _require_dask(spec)
    from cutflow_cli.cluster.dask_executor import DaskExecutor

    with ExitStack() as stack:
        stack.enter_context(_quiet())
        client = _client(spec, stack)
        executor = DaskExecutor(client, spec)
        _wait_for_workers(executor, spec, say)
        _check_versions(client, spec, say)
        yield executor


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own log off the terminal: what goes wrong is said in one line."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client", "distributed.core")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _require_dask(spec: ClusterSpec) -> None:
    """Import what is needed.

    Raises:
        UsageError: if it is not installed.
    """
    # Dask copies a commented configuration to ~/.config/dask unless told of another place; it reads the user's anyway.
    os.environ.setdefault("DASK_CONFIG", str(Path(tempfile.gettempdir()) / f"dask-config-{os.getuid()}"))
    package = (spec.cluster or "distributed").partition(".")[0]
    for name in ("distributed", package):
        try:
            import_module(name)
        except ImportError as error:
            extra = name in ("distributed", "dask_jobqueue")
            remedy = "pip install 'cutflow-cli[dask]'" if extra else "install what has that class"
            msg = f"--dask {spec.text} needs {error.name or name}, which is not installed: {remedy}"
            raise UsageError(msg) from error


def _client(spec: ClusterSpec, stack: ExitStack) -> Client:
    """Connect to a scheduler, or start a cluster first."""
    from distributed import Client

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other versions are told of when there are workers, in one line
        if spec.cluster is not None:
            cluster = stack.enter_context(closing(_started(spec)))
            return stack.enter_context(Client(cluster, set_as_default=False))
        try:
            where: dict[str, Any] = (
                {"address": spec.address} if spec.address else {"scheduler_file": str(spec.scheduler_file)}
            )
            return stack.enter_context(Client(**where, timeout=_CONNECT, set_as_default=False))
        except (OSError, TimeoutError) as error:
            msg = f"--dask {spec.text}: no dask scheduler answers there; is it running, and its port open to this host?"
            raise TemporaryError(msg) from error
        except (ValueError, RuntimeError, KeyError) as error:
            msg = f"--dask {spec.text}: can't connect ({_line(error)})"
            raise UsageError(msg) from error


def _started(spec: ClusterSpec) -> Any:  # noqa: ANN401  (a cluster of any class)
    """Start a cluster.

    Raises:
        UsageError: if there is no such class, or it does not take its arguments.
        TemporaryError: if a batch system refuses.
    """
    from distributed.deploy.cluster import Cluster

    assert spec.cluster is not None
    try:
        kind = pkgutil.resolve_name(":".join(spec.cluster.rsplit(".", 1)))
    except (ImportError, AttributeError, ValueError) as error:
        msg = f"{spec.text}: there is no cluster {spec.cluster!r} ({_line(error)})"
        raise UsageError(msg) from error
    if not (isinstance(kind, type) and issubclass(kind, Cluster)):
        msg = f"{spec.text}: {spec.cluster!r} is no cluster of dask.distributed"
        raise UsageError(msg)
    arguments: dict[str, Any] = {"silence_logs": logging.ERROR, **spec.arguments}
    if spec.cluster == "distributed.LocalCluster":
        arguments.setdefault("dashboard_address", None)
    elif spec.cluster.startswith("dask_jobqueue."):
        # Any port but the one that the first of several on this host would take.
        options = dict(arguments.get("scheduler_options", {}))
        arguments["scheduler_options"] = {"dashboard_address": ":0", **options}
    try:
        cluster = kind(**arguments)
    except (TypeError, ValueError) as error:
        msg = f"{spec.text}: {spec.cluster} does not take these arguments ({_line(error)})"
        raise UsageError(msg) from error
    except RuntimeError as error:
        msg = f"{spec.text}: {spec.cluster} did not start ({_line(error)})"
        raise TemporaryError(msg) from error
    if spec.jobs is not None:
        jobqueue = spec.cluster.startswith("dask_jobqueue.")
        cluster.scale(jobs=spec.jobs) if jobqueue else cluster.scale(spec.jobs)
    return cluster


def _wait_for_workers(executor: DaskExecutor, spec: ClusterSpec, say: Callable[[str], None]) -> None:
    """Wait for the first worker; others may come later.

    Raises:
        TemporaryError: if none comes.
    """
    from cutflow_cli.cluster.dask_executor import nobody

    until = time.monotonic() + spec.wait
    said = time.monotonic() + 2.0
    while not executor.workers():
        now = time.monotonic()
        if now > until:
            raise nobody(spec)
        if now > said:
            said = until
            say(f"--dask {spec.text}: waiting for the first worker, up to {spec.wait:g} s")
        time.sleep(0.1)


def _check_versions(client: Client, spec: ClusterSpec, say: Callable[[str], None]) -> None:
    """Compare both ends.

    Raises:
        InputError: if a worker has no cutflow, or another version of it or of Python.
    """
    from cutflow_cli.cluster.dask_executor import NEEDED, without_cutflow

    # Asked through the standard library, which all have. The scheduler unpacks what it hands on, so it needs ours too.
    try:
        there = {"the scheduler": client.run_on_scheduler(pkgutil.resolve_name, NEEDED)}
    except (ImportError, AttributeError) as error:
        raise without_cutflow(spec, "the scheduler", error) from error
    on_workers = client.run(pkgutil.resolve_name, NEEDED, on_error="return")
    for end, version in {**there, **{f"worker {worker}": one for worker, one in on_workers.items()}}.items():
        if isinstance(version, ImportError | AttributeError):
            raise without_cutflow(spec, end, version)
        if version != __version__:
            msg = f"--dask {spec.text}: {end} has cutflow {version}, here is {__version__}; use the same"
            raise InputError(msg)
    found = client.get_versions(packages=[name for name in _COMPARED if name not in ("python", "dask")])
    here = found["client"]["packages"]
    differing: dict[str, str] = {}
    ends = {"scheduler": found["scheduler"], **{f"worker {name}": one for name, one in found["workers"].items()}}
    for end, versions in ends.items():
        for name in _COMPARED:
            other = (versions or {}).get("packages", {}).get(name)
            if other != here.get(name) and not (end == "scheduler" and name in ("numpy", "pyarrow")):
                differing.setdefault(name, f"{name} {here.get(name)} here, {other or 'none'} at {end}")
    if "python" in differing and not spec.cluster:
        ours = str(here["python"]).split(".")[:2]
        if any(str(one["packages"]["python"]).split(".")[:2] != ours for one in found["workers"].values() if one):
            msg = f"--dask {spec.text}: {differing['python']}; functions can't be sent from one to the other"
            raise InputError(msg)
    if differing:
        say(f"--dask {spec.text}: mismatched versions found: {'; '.join(differing.values())}")


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
