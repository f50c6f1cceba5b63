"""Parts of a task as Dask's tasks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from distributed import Client, wait
from distributed.comm import CommClosedError
from distributed.scheduler import KilledWorker, NoValidWorkerError

from cutflow_cli.cluster.spec import ClusterSpec
from cutflow_cli.errors import InputError, TemporaryError
from cutflow_cli.executor import Told

Shared = TypeVar("Shared")
Part = TypeVar("Part")
Result = TypeVar("Result")

#: Seconds between two looks at what is done.
_LOOK = 0.5
#: Can be imported where all is there that the work needs; the version.
NEEDED = "cutflow_cli.cluster.needed:VERSION"


class DaskExecutor:
    """The workers of a cluster do the parts.

    A part whose worker is lost is done again by another, which Dask sees to; an error of the work itself is raised
    here as it was there.

    Args:
        client: connected to the scheduler.
        spec: which cluster it is.
    """

    is_here = False

    def __init__(self, client: Client, spec: ClusterSpec) -> None:
        self._client, self._spec = client, spec

    def map(
        self,
        work: Callable[[Shared, Part, Told], Result],
        shared: Shared,
        parts: Sequence[Part],
        sizes: Sequence[int],
        told: Told,
    ) -> Iterator[Result]:
        """Do all parts; see `cutflow_cli.executor.Executor.map`.

        Raises:
            TemporaryError: if the scheduler is lost, no worker is left, or a part ended several workers.
            InputError: if a worker has no cutflow.
        """
        import dask

        # What is shared may hold networks or trees. It goes to the scheduler once, as a task without work, so that a
        # worker that comes late, or in the place of a lost one, gets it too.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GB"}):
            given = self._client.submit(_same, shared, pure=False)
            futures: list[Any] = [self._client.submit(_do, work, given, part, pure=False) for part in parts]
        try:
            done: set[int] = set()
            for position, future in enumerate(futures):
                while not future.done():
                    self._wait(future)
                    self._tell(futures, done, sizes, told)
                result = self._result(future)
                futures[position] = None  # so that the cluster forgets it
                if position not in done:
                    done.add(position)
                    told(sizes[position])
                yield result
        finally:
            self._client.cancel([given, *(future for future in futures if future is not None)])

    def _tell(self, futures: Sequence[Any], done: set[int], sizes: Sequence[int], told: Told) -> None:
        for position, future in enumerate(futures):
            if future is not None and position not in done and future.status == "finished":
                done.add(position)
                told(sizes[position])

    def _wait(self, future: Any) -> None:  # noqa: ANN401  (Dask's)
        """Wait a moment, longer while there is no worker, but not for ever.

        Raises:
            TemporaryError: if none comes, or the scheduler is lost.
        """
        until = time.monotonic() + self._spec.wait
        while True:
            try:
                with self._client.as_current():
                    wait([future], timeout=_LOOK)
            except TimeoutError:
                if self.workers():
                    return
            except (CancelledError, CommClosedError):
                return  # which its result says too
            else:
                return
            if time.monotonic() > until:
                raise nobody(self._spec)

    def workers(self) -> int:
        """Return how many workers there are.

        Raises:
            TemporaryError: if the scheduler does not answer.
        """
        try:
            return len(self._client.scheduler_info()["workers"])
        except (CommClosedError, OSError, ValueError, KeyError) as error:  # the last where it knows of no scheduler
            raise lost(self._spec) from error

    def _result(self, future: Any) -> Any:  # noqa: ANN401  (Dask's; what the work returned)
        try:
            return future.result()
        except KilledWorker as error:
            msg = (
                f"--dask {self._spec.text}: one part ended {error.allowed_failures + 1} workers, the last on "
                f"{error.last_worker.address}; did they run out of memory or time? Their logs say"
            )
            raise TemporaryError(msg) from error
        except (CancelledError, CommClosedError, NoValidWorkerError) as error:
            raise lost(self._spec) from error
        except ModuleNotFoundError as error:
            raise without_cutflow(self._spec, "a worker", error) from error


def _same(value: Shared) -> Shared:
    return value


def _do(work: Callable[[Shared, Part, Told], Result], shared: Shared, part: Part) -> Result:
    return work(shared, part, _silent)


def _silent(further: int) -> None:
    """Tell nobody: what a worker does is told when it is done."""


def nobody(spec: ClusterSpec) -> TemporaryError:
    """Say that no worker came."""
    return TemporaryError(
        f"--dask {spec.text}: no worker for {spec.wait:g} s; look at the queue and at the logs of the jobs, or set wait"
    )


def lost(spec: ClusterSpec) -> TemporaryError:
    """Say that the scheduler is gone."""
    return TemporaryError(f"--dask {spec.text}: lost the scheduler; the same command may succeed later")


def without_cutflow(spec: ClusterSpec, who: str, error: ImportError | AttributeError) -> InputError:
    """Say what a worker or the scheduler lacks."""
    lacks = (getattr(error, "name", None) or "cutflow_cli").replace("cutflow_cli", "cutflow").partition(".")[0]
    return InputError(
        f"--dask {spec.text}: {who} has no {lacks}; start it in the environment that this command runs in"
    )
