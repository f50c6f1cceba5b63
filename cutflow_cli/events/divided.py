"""An ingest divided among workers: each makes shards, as jobs with `--shard` do, which are put together here.

The shards stand beside the events file until it is written, so workers and this process must see the same disk, under
the same paths. A shard that is there already, made from the same files and settings, is not made again; so the same
command goes on where one that was stopped had come to.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cutflow_cli.artifacts import PARTIAL_SUFFIX, require_parent
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.prepare import files_of_shards
from cutflow_cli.events.recipe import FilePlan, Progress, Recipe, recipe_digest
from cutflow_cli.events.shards import digest_of_shard
from cutflow_cli.executor import Executor, Told
from cutflow_cli.observables import NOTHING, load_user_observables

if TYPE_CHECKING:
    from cutflow_cli.events.settings import IngestSettings

#: Shards of an ingest of many files at most: more of them than workers, so that a slow one keeps nobody waiting.
MOST_SHARDS = 256


@dataclass(frozen=True, slots=True)
class _Order:
    """What all shards have in common.

    Attributes:
        settings: of the ingest.
        base: the directory that file patterns start from, as it was named.
        observables: a user's file; None for none.
        working: the directory that all of this is relative to.
        directory: where shards go.
        host: which host asks for them.
        command: the command line.
    """

    settings: IngestSettings
    base: Path
    observables: Path | None
    working: Path
    directory: Path
    host: str
    command: str | None


@dataclass(frozen=True, slots=True)
class _Shard:
    """One shard: which it is, of how many, and the digest that it must have."""

    number: int
    of: int
    digest: str

    def path(self, directory: Path) -> Path:
        """Return where it goes."""
        return directory / f"{self.number:05d}-of-{self.of:05d}.parquet"


def shards_directory(out: Path) -> Path:
    """Return where the shards of an events file go until it is written."""
    return out.with_name(f"{out.name}.shards{PARTIAL_SUFFIX}")


def make_shards(
    recipe: Recipe, out: Path, base: Path, executor: Executor, command: str | None, progress: Progress
) -> list[Path]:
    """Have workers make all shards of an ingest.

    Args:
        recipe: all of it, its files found fit for use.
        out: the events file; shards go into `shards_directory`, which is left to the caller to remove.
        base: the directory that file patterns start from.
        executor: whose workers they are.
        command: the command line.
        progress: told after each shard.

    Raises:
        InputError: if a file is at fault, or changes meanwhile.
        UsageError: if a worker does not see the same disk.
    """
    directory = shards_directory(out).absolute()
    require_parent(directory)
    directory.mkdir(exist_ok=True)
    found = files_of_shards(recipe, base, MOST_SHARDS)
    shards = [
        _Shard(number, len(found), _digest(recipe, files, (number, len(found))))
        for number, files in enumerate(found, 1)
    ]
    order = _Order(
        recipe.settings, base, recipe.user_defined.path, Path.cwd(), directory, socket.gethostname(), command
    )
    sizes = [sum(plan.file.size for plan in files) for files in found]
    done, whole = 0, max(sum(sizes), 1)

    def told(further: int) -> None:
        nonlocal done
        done += further
        progress(done / whole, f"{done / 1e6:.0f} of {whole / 1e6:.0f} MB read by workers")

    try:
        for _ in executor.map(_make, order, shards, sizes, told):
            pass
    finally:
        with suppress(OSError):  # what was made is of use to the same command
            directory.rmdir()
    return [shard.path(directory) for shard in shards]


def _digest(recipe: Recipe, files: Sequence[FilePlan], shard: tuple[int, int]) -> str:
    content: dict[str, list[tuple[int, str]]] = {process.name: [] for process in recipe.processes}
    for plan in files:
        content[plan.process.name].append((plan.file.size, plan.file.digest))
    which = () if shard == (1, 1) else (*shard, recipe.found)
    return recipe_digest(recipe.settings, recipe.user_defined.digest, content, which)


def _make(order: _Order, shard: _Shard, told: Told) -> None:
    """Make a shard, on a worker.

    Raises:
        InputError: if a file is at fault, or not the one that was found before.
        UsageError: if the worker does not see the same disk.
    """
    from cutflow_cli.events.ingest import ingest  # which asks for shards itself

    del told
    path, here = shard.path(order.directory), socket.gethostname()
    if not (order.directory.is_dir() and order.working.is_dir()):
        unseen = order.working if order.directory.is_dir() else order.directory
        msg = (
            f"{unseen}: is not seen by the worker on {here}; --dask needs a disk that workers share with {order.host} "
            "(without one, make shards in jobs of their own: --shard)"
        )
        raise UsageError(msg)
    if digest_of_shard(path) == shard.digest:
        return
    if Path.cwd() != order.working:
        os.chdir(order.working)  # files are named relative to it, in messages and in the events file
    # A worker that was given up may still be at it, so each attempt has a name of its own.
    attempt = path.with_name(f"{path.stem}.{here}.{os.getpid()}.parquet")
    ingest(
        order.settings,
        attempt,
        base=order.base,
        shard=(shard.number, shard.of),
        user_defined=NOTHING if order.observables is None else load_user_observables(order.observables),
        force=True,
        command=order.command,
    )
    if digest_of_shard(attempt) != shard.digest:
        attempt.unlink()
        msg = (
            f"{path.name}: the worker on {here} read other files than were found from {order.host}; "
            "leave them in peace, and start again"
        )
        raise InputError(msg)
    attempt.replace(path)


def remove_shards(out: Path) -> None:
    """Remove the shards of an events file that is written."""
    shutil.rmtree(shards_directory(out), ignore_errors=True)
