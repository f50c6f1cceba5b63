"""Blocks of replicas, put together: the run that one job with all replicas would have written.

Replicas 0:5 and 5:10 of a training are trained by two jobs, each told to keep its state, and merged here. Their states
are joined to the checkpoint of a training of replicas 0:10 in which nothing is left to train, and that training is
finished as any other is: consensus, thresholds, working points, tables. So there is one way to finish a run, and what
comes out is the same bit for bit for LCF, CABIN, cut-and-count and trees. Networks trained in other company may be
rounded otherwise (see `cutflow_cli.engine.network`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from cutflow_cli import __version__
from cutflow_cli.artifacts import file_digest
from cutflow_cli.engine.checkpoint import Arrays, joined
from cutflow_cli.errors import InputError, NegativeAnswer, UsageError
from cutflow_cli.events.splits import SplitFractions
from cutflow_cli.models.folds import run_folds
from cutflow_cli.models.plan import TrainingPlan
from cutflow_cli.models.registry import method_of
from cutflow_cli.models.state import TrainingState, read_state
from cutflow_cli.models.training import Training, run_training
from cutflow_cli.runs import Run, open_run


@dataclass(frozen=True, slots=True)
class Block:
    """One of the runs to merge.

    Attributes:
        run: as it was written.
        states: what it kept: one, or one for each fold.
    """

    run: Run
    states: tuple[TrainingState, ...]

    @property
    def replicas(self) -> range:
        """Which replicas it trained."""
        return range(*self.run.manifest.replicas)

    def described(self) -> Iterator[tuple[str, Any]]:
        """Give all that must be the same in all blocks, by the words that a user has for it."""
        manifest, asked = self.run.manifest, self.states[0].asked
        yield "method", manifest.method
        yield "digest of the events", manifest.data["digest"]
        yield "features", self.run.features
        yield from ((f"setting {name}", value) for name, value in asked["settings"].items())
        yield from ((name, manifest.data.get(name)) for name in ("split_fractions", "hypothesis_column", "folds"))
        yield from ((f"{name} as asked for", asked[name]) for name in ("features", "fractions", "split_seed"))
        yield "seed", manifest.seed
        yield "device", manifest.device
        yield from ((f"version of {name}", value) for name, value in manifest.versions.items())


def merge_blocks(
    runs: Sequence[Path],
    out: Path,
    *,
    data: Path | None = None,
    replicas: range | None = None,
    threads: int | None = None,
    force: bool = False,
    command: str | None = None,
    say: Callable[[str], None] = lambda text: None,
    progress: Callable[[float, str], None] = lambda done, text: None,
) -> Training:
    """Put runs of blocks of replicas together.

    Args:
        runs: their directories, in any order, each trained with `keep_state`.
        out: the run directory to make.
        data: the events file that they were trained on; None for where it was then.
        replicas: which replicas there should be; None for all up to the last one given.
        threads: how many threads; None for what the machine allows.
        force: replace an output that was made from something else.
        command: the command line, for the record.
        say: told what a user should know, a sentence at a time.
        progress: told the share done and what is done.

    Returns:
        The run of all replicas, or the one that is there already.

    Raises:
        InputError: if a run is damaged, kept no state, or differs from the others in more than its replicas; if runs
            have replicas in common; if the events are not there or are others.
        NegativeAnswer: if replicas are missing.
        UsageError: if there is nothing to merge, or something else is at the output.
    """
    if any(run.resolve() == out.resolve() for run in runs):
        msg = f"{out}: is one of the runs to merge; choose another --out"
        raise UsageError(msg)
    blocks = sorted((_open(path) for path in runs), key=lambda block: (block.replicas.start, block.replicas.stop))
    _require_alike(blocks)
    whole = _require_complete(blocks, replicas)
    plan = _plan(blocks, whole, out, data, threads, force, command)
    _require_same_bootstrap(blocks, plan)
    states = [_joined(blocks, fold) for fold in range(len(blocks[0].states))]
    folds = blocks[0].run.manifest.folds
    if folds is not None:
        return run_folds(plan, folds, say=say, progress=progress, states=states)
    return run_training(plan, say=say, progress=progress, state=states[0])


def _open(path: Path) -> Block:
    run = open_run(path)
    if run.manifest.fold is not None:
        msg = f"{path}: is one fold of a run; give the run, {path.parent}"
        raise InputError(msg)
    return Block(run, tuple(read_state(part.path) for part in run.folds or (run,)))


def _require_alike(blocks: Sequence[Block]) -> None:
    """Refuse blocks that are not of one training.

    Raises:
        InputError: naming the first difference.
    """
    first, *others = blocks
    expected = dict(first.described())
    if expected["version of cutflow"] != __version__:
        msg = (
            f"{first.run.path}: was trained by cutflow {expected['version of cutflow']}, this is {__version__}; merge "
        )
        raise InputError(msg + "with the version that trained, for another may finish a run otherwise")
    for other in others:
        found = dict(other.described())
        for name in dict.fromkeys((*expected, *found)):
            if expected.get(name) != found.get(name):
                msg = (
                    f"{other.run.path}: its {name} is {_shown(found.get(name))}, that of {first.run.path} is "
                    f"{_shown(expected.get(name))}; only blocks of one training can be merged"
                )
                raise InputError(msg)


def _shown(value: Any) -> str:  # noqa: ANN401  (whatever a setting may be)
    text = str(value)
    return text if len(text) <= 40 else text[:16] + "…"


def _require_complete(blocks: Sequence[Block], wanted: range | None) -> range:
    """Return which replicas there are together.

    Raises:
        InputError: if two blocks have a replica in common, or one has a replica that is not wanted.
        NegativeAnswer: if some are missing.
    """
    for one, other in pairwise(blocks):
        if other.replicas.start < one.replicas.stop:
            msg = f"{one.run.path} and {other.run.path} both have replica {other.replicas.start}; give each once"
            raise InputError(msg)
    whole = wanted or range(blocks[-1].replicas.stop)
    for block in blocks:
        if block.replicas.start < whole.start or block.replicas.stop > whole.stop:
            msg = f"{block.run.path}: has replicas {_block(block.replicas)}, of which some are not in {_block(whole)}"
            raise InputError(msg)
    bounds = [whole.start, *(edge for block in blocks for edge in (block.replicas.start, block.replicas.stop))]
    bounds.append(whole.stop)
    missing = [range(*pair) for pair in zip(bounds[::2], bounds[1::2], strict=True) if pair[0] < pair[1]]
    if missing:
        msg = f"replicas {', '.join(map(_block, missing))} of {_block(whole)} are missing; nothing was merged"
        raise NegativeAnswer(msg)
    return whole


def _block(replicas: range) -> str:
    return f"{replicas.start}:{replicas.stop}"


def _plan(
    blocks: Sequence[Block],
    whole: range,
    out: Path,
    data: Path | None,
    threads: int | None,
    force: bool,
    command: str | None,
) -> TrainingPlan:
    """Return the plan of one job with all replicas."""
    manifest, asked = blocks[0].run.manifest, blocks[0].states[0].asked
    events = Path(manifest.data["path"]) if data is None else data
    if not events.is_file():
        remedy = "--data says where it is now" if data is None else "give the file that the runs were trained on"
        msg = f"{events}: no such file, and merging needs the events; {remedy}"
        raise InputError(msg)
    if file_digest(events) != manifest.data["digest"]:
        msg = f"{events}: is not the file that the runs were trained on, or has changed since; --data names that file"
        raise InputError(msg)
    fractions = asked["fractions"]
    return TrainingPlan(
        name=manifest.method,
        method=method_of(manifest.method, asked["settings"]),
        data=events,
        out=out,
        features=None if asked["features"] is None else tuple(asked["features"]),
        replicas=whole,
        seed=manifest.seed,
        fractions=None if fractions is None else SplitFractions(*fractions),
        split_seed=asked["split_seed"],
        hypothesis_column=manifest.data["hypothesis_column"],
        device="cuda" if manifest.device == "cuda" else "cpu",
        threads=threads,
        force=force,
        libraries=tuple(asked["libraries"]),
        command=command,
        memory=0.0 if manifest.data.get("streamed") else math.inf,
    )


def _require_same_bootstrap(blocks: Sequence[Block], plan: TrainingPlan) -> None:
    """Refuse a replica 0 trained alone without the bootstrap that it has beside others.

    Raises:
        InputError: if there is one.
    """
    for block in blocks:
        found = block.run.manifest.settings.get("bootstrap")
        if plan.method.settings.model_dump().get("bootstrap", found) is None and not found and len(plan.replicas) > 1:
            msg = (
                f"{block.run.path}: replica {block.replicas.start}, trained alone, has no bootstrap, and has one in a "
                "run of several; train it with --bootstrap"
            )
            raise InputError(msg)


def _joined(blocks: Sequence[Block], fold: int) -> Arrays:
    try:
        return joined([block.states[fold].arrays for block in blocks])
    except ValueError as error:
        msg = f"{blocks[0].run.path} and others: their states do not fit together ({error}); train again"
        raise InputError(msg) from error
