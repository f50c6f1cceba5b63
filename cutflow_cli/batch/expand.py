"""From a plan file to tasks: every sample × seed × point of the grid × block of replicas, shard or file."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from cutflow_cli.artifacts import file_digest, stream_digest
from cutflow_cli.batch.manifest import MERGED, RESULTS, SETTINGS, Group, InputFile, Task
from cutflow_cli.batch.methods import check_columns, check_settings
from cutflow_cli.batch.plan_file import ApplyEntry, EvaluateEntry, IngestEntry, PlanFile, TrainEntry
from cutflow_cli.engine.replicas import parse_replicas
from cutflow_cli.errors import InputError, UsageError, nearest
from cutflow_cli.events.table import open_events


@dataclass(slots=True)
class Expanded:
    """What a plan file comes to.

    Attributes:
        tasks: numbered from 0.
        groups: results that they are parts of.
        settings: text of the settings files, by path relative to the plan directory.
        notes: what a user should know, a sentence each.
    """

    tasks: list[Task] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, group: Group, tasks: Iterator[Task]) -> None:
        """Add a group.

        Raises:
            UsageError: if its name is taken.
        """
        if any(other.name == group.name for other in self.groups):
            msg = f"two results would be called {group.name!r}; give the entries of the plan other names"
            raise UsageError(msg)
        self.groups.append(group)
        self.tasks += [replace(task, number=number) for number, task in enumerate(tasks, start=len(self.tasks))]


class Expander:
    """Makes and checks the tasks of a plan file.

    Args:
        plan: the file.
        path: where it is.
        directory: the plan directory to be, absolute.
    """

    def __init__(self, plan: PlanFile, path: Path, directory: Path) -> None:
        self.plan, self.path, self.directory = plan, path, directory
        self.base = path.resolve().parent
        self.made = Expanded()
        self._digests: dict[str, str] = {}

    def expand(self) -> Expanded:
        """Return all tasks.

        Raises:
            UsageError: if a setting, sample or name is wrong.
            InputError: if a file is missing or lacks what is asked of it.
        """
        for train in self.plan.train:
            self._train(train)
        for ingest in self.plan.ingest:
            self._ingest(ingest)
        for apply in self.plan.apply:
            self._apply(apply)
        for evaluate in self.plan.evaluate:
            self._evaluate(evaluate)
        return self.made

    def _where(self, kind: str, name: str) -> str:
        return f"{self.path}: {kind} {name!r}"

    def _written(self, path: Path) -> str:
        """Return how tasks name an input: below the plan directory, or absolute."""
        whole = (self.base / path.expanduser()).resolve()
        return whole.relative_to(self.directory).as_posix() if whole.is_relative_to(self.directory) else str(whole)

    def _input(self, path: Path) -> InputFile:
        name = self._written(path)
        if name not in self._digests:
            self._digests[name] = file_digest(self.base / path.expanduser())
        return InputFile(name, self._digests[name])

    def _train(self, entry: TrainEntry) -> None:
        where = self._where("train", entry.name)
        known = self.plan.samples
        names = tuple(known) if entry.samples is None else entry.samples
        if not names:
            msg = f"{where}: there is no sample; name them under [samples]"
            raise UsageError(msg)
        for sample in names:
            if sample not in known:
                msg = f"{where}: no sample {sample!r}; {nearest(sample, known)}"
                raise UsageError(msg)
        points = [dict(zip(entry.grid, values, strict=True)) for values in itertools.product(*entry.grid.values())]
        for point in points:
            chosen = {**entry.settings, **point}
            settings = check_settings(entry.method, chosen, where)
            if getattr(settings, "bootstrap", False) is None:
                chosen["bootstrap"] = None
            for sample in names:
                try:
                    events = open_events(self.base / known[sample].expanduser(), entry.features)
                except InputError as error:
                    msg = f"{where}: {error}"
                    raise InputError(msg) from error
                check_columns(settings, events, where)
                for seed in entry.seeds:
                    parts = [entry.name, *([sample] if len(names) > 1 else []), *_spelt(point)]
                    parts += [f"seed_{seed}"] if len(entry.seeds) > 1 else []
                    self._train_group(entry, "-".join(parts), known[sample], seed, chosen)

    def _train_group(self, entry: TrainEntry, name: str, sample: Path, seed: int, settings: dict[str, Any]) -> None:
        events = self._input(sample)
        wanted = parse_replicas(entry.replicas)
        blocks = list(_blocks(wanted, entry.block or len(wanted)))
        if len(wanted) > 1 and any(len(block) == 1 for block in blocks) and settings.get("bootstrap", 0) is None:
            settings = {**settings, "bootstrap": True}  # what they have together, and one alone would not
        inputs, more = [events], [f"--seed={seed}", *entry.options]
        on_device = entry.method not in ("cut-and-count", "box")
        if on_device and not any(one.partition("=")[0] == "--device" for one in entry.options):
            more.append("--device=cpu")
        if entry.features is not None:
            more.append(f"--features={','.join(entry.features)}")
        if entry.folds is not None:
            more.append(f"--folds={entry.folds}")
        settings = {key: value for key, value in settings.items() if value is not None}
        if settings:
            file = f"{SETTINGS}/{name}.yaml"
            text = yaml.safe_dump(settings, sort_keys=True, allow_unicode=True)
            self.made.settings[file] = text
            inputs.append(InputFile(file, stream_digest(io.BytesIO(text.encode()), len(text.encode()))))
            more.insert(0, f"--settings={file}")
        command = ("train", entry.method, events.path)
        merged = f"{MERGED}/{name}"
        whole = (*command, f"--out={merged}", *more, f"--replicas={_block(wanted)}")

        def tasks() -> Iterator[Task]:
            for block in blocks:
                out = f"{RESULTS}/{name}/{block.start}-{block.stop}"
                argv = (*command, f"--out={out}", *more, f"--replicas={_block(block)}", "--keep-state")
                yield Task(0, name, f"{name} replicas {_block(block)}", argv, out, tuple(inputs))

        self.made.add(Group(name, "train", merged, whole), tasks())

    def _ingest(self, entry: IngestEntry) -> None:
        from cutflow_cli.events.prepare import make_recipe
        from cutflow_cli.events.settings_file import load_settings
        from cutflow_cli.observables import NOTHING, load_user_observables

        where = self._where("ingest", entry.name)
        path = self.base / entry.settings.expanduser()
        user = entry.observables_from
        try:
            own = NOTHING if user is None else load_user_observables(self.base / user.expanduser())
            make_recipe(load_settings(path), path.parent, (1, entry.shards), own)  # its files stand for all
        except (InputError, UsageError) as error:
            raise type(error)(f"{where}: {error}") from error
        settings = self._input(entry.settings)
        inputs, more = [settings], entry.options
        if user is not None:
            inputs.append(self._input(user))
            more = (f"--observables-from={inputs[1].path}", *more)
        merged = f"{MERGED}/{entry.name}.parquet"

        def tasks() -> Iterator[Task]:
            for shard in range(1, entry.shards + 1):
                out = f"{RESULTS}/{entry.name}/shard-{shard}.parquet"
                argv = ("ingest", settings.path, f"--out={out}", f"--shard={shard}/{entry.shards}", *more)
                yield Task(0, entry.name, f"{entry.name} shard {shard}/{entry.shards}", argv, out, tuple(inputs))

        whole = ("ingest", settings.path, f"--out={merged}", *more)
        self.made.add(Group(entry.name, "ingest", merged, whole), tasks())

    def _apply(self, entry: ApplyEntry) -> None:
        from cutflow_cli.apply.cuts_file import read_cuts
        from cutflow_cli.events.find import find_files

        where = self._where("apply", entry.name)
        try:
            read_cuts(self.base / entry.cuts.expanduser())
            files = find_files(entry.files, self.base, entry.name)
        except (InputError, UsageError) as error:
            raise type(error)(f"{where}: {error}") from error
        cuts = self._input(entry.cuts)
        merged = f"{MERGED}/{entry.name}.parquet"

        def tasks() -> Iterator[Task]:
            for position, file in enumerate(files):
                out = f"{RESULTS}/{entry.name}/part-{position}.parquet"
                events = None if file.is_remote else self._input(file.path)
                named = str(file) if events is None else events.path
                argv = ("apply", cuts.path, named, f"--cut-flow={out}", *entry.options)
                inputs = (cuts,) if events is None else (cuts, events)
                yield Task(0, entry.name, f"{entry.name} {Path(named).name}", argv, out, inputs)

        named = [str(file) if file.is_remote else self._written(file.path) for file in files]
        whole = ("apply", cuts.path, *named, f"--cut-flow={merged}", *entry.options)
        self.made.add(Group(entry.name, "apply", merged, whole), tasks())

    def _evaluate(self, entry: EvaluateEntry) -> None:
        from cutflow_cli.apply.cuts_file import read_cuts
        from cutflow_cli.events.find import find_files
        from cutflow_cli.runs import MANIFEST, open_run

        where = self._where("evaluate", entry.name)
        try:
            for run in entry.runs:
                open_run(self.base / run.expanduser())
            for cuts in entry.cuts:
                read_cuts(self.base / cuts.expanduser())
            files = find_files(entry.files, self.base, entry.name)
            for file in files:
                if file.is_remote:
                    msg = f"{file}: is not on a disk, where evaluate reads events; copy or ingest it first"
                    raise UsageError(msg)
                open_events(file.path)
        except (InputError, UsageError) as error:
            raise type(error)(f"{where}: {error}") from error
        runs = [self._written(run) for run in entry.runs]
        selections = [*(self._input(run / MANIFEST) for run in entry.runs), *map(self._input, entry.cuts)]
        by_hand = [word for path in entry.cuts for word in ("--cuts", self._written(path))]

        def tasks() -> Iterator[Task]:
            for position, file in enumerate(files):
                events, out = self._input(file.path), f"{RESULTS}/{entry.name}/part-{position}"
                argv = ("evaluate", *runs, *by_hand, "--data", events.path, f"--out={out}", *entry.options)
                yield Task(0, entry.name, f"{entry.name} {file.path.name}", argv, out, (*selections, events))

        self.made.add(Group(entry.name, "evaluate", f"{MERGED}/{entry.name}.parquet", ()), tasks())


def _blocks(replicas: range, size: int) -> Iterator[range]:
    for start in range(replicas.start, replicas.stop, size):
        yield range(start, min(start + size, replicas.stop))


def _block(replicas: range) -> str:
    return f"{replicas.start}:{replicas.stop}"


def _spelt(point: dict[str, Any]) -> list[str]:
    """Spell a point of the grid so that it can stand in the name of a directory."""
    spelt = []
    for name, value in point.items():
        text = "+".join(map(str, value)) if isinstance(value, list) else str(value)
        spelt.append(f"{name}_{re.sub(r'[^A-Za-z0-9.+-]+', '_', text)[:40]}")
    return spelt
