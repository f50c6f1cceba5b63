"""Giving tasks to a batch system, and keeping the ids of their jobs in the plan directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cutflow_cli.artifacts import read_json, write_json, write_text
from cutflow_cli.batch import htcondor, slurm
from cutflow_cli.batch.lock import Owner, held
from cutflow_cli.batch.manifest import SUBMIT, Plan
from cutflow_cli.batch.profile import Profile, System
from cutflow_cli.batch.task_status import now
from cutflow_cli.errors import InputError


@dataclass(frozen=True, slots=True)
class Submission:
    """Tasks that were given to a batch system together.

    Attributes:
        name: of its files in `submit/`.
        system: which batch system.
        time: when.
        scheduler: which of its schedulers has the jobs, where there are several.
        jobs: what the batch system calls each task.
        complete: false while it is being submitted, and if that was interrupted.
        tasks: what was to be submitted.
    """

    name: str
    system: System
    time: str
    scheduler: str = ""
    jobs: dict[int, str] = field(default_factory=dict)
    complete: bool = False
    tasks: tuple[int, ...] = ()

    def write(self, plan: Plan) -> None:
        """Write into the plan directory."""
        jobs = {str(number): job for number, job in self.jobs.items()}
        write_json(plan.path / SUBMIT / f"{self.name}.json", {**asdict(self), "jobs": jobs})

    def log(self, plan: Plan) -> Path:
        """Return where HTCondor writes what happens to the jobs."""
        return plan.path / SUBMIT / f"{self.name}.log"


def submissions(plan: Plan) -> tuple[Submission, ...]:
    """Return what was submitted so far, in order.

    Raises:
        InputError: if a record is damaged.
    """
    return tuple(_read(path) for path in sorted((plan.path / SUBMIT).glob("[0-9]*.json")))


def _read(path: Path) -> Submission:
    raw: dict[str, Any] = read_json(path)
    try:
        jobs = {int(number): str(job) for number, job in raw["jobs"].items()}
        return Submission(**{**raw, "jobs": jobs, "tasks": tuple(raw["tasks"])})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        msg = f"{path}: damaged ({error}); remove it to forget this submission"
        raise InputError(msg) from error


def written_files(plan: Plan, numbers: Sequence[int], system: System, profile: Profile, name: str) -> dict[str, str]:
    """Return the files to submit, by name, without writing them."""
    if system == "htcondor":
        return htcondor.submit_file(plan, numbers, profile, name)
    return slurm.arrays(plan, numbers, profile, name, slurm.max_array_size())


def next_name(plan: Plan) -> str:
    """Return the name of the next submission."""
    taken = [int(path.stem) for path in (plan.path / SUBMIT).glob("[0-9]*.json")]
    return f"{max(taken, default=0) + 1:04d}"


def submit(plan: Plan, numbers: Sequence[int], system: System, profile: Profile) -> Submission:
    """Submit tasks.

    Args:
        plan: the plan.
        numbers: which tasks, in order.
        system: the batch system.
        profile: of the site.

    Raises:
        UsageError: if the tools of the batch system are not here, or the plan can't be run there.
        ToolError: if the batch system refuses.
        TemporaryError: if it does not answer, or somebody else is submitting tasks of this plan.
    """
    with held(plan.path / SUBMIT, Owner.me()):
        name = next_name(plan)
        files = written_files(plan, numbers, system, profile, name)
        for file, text in files.items():
            write_text(plan.path / SUBMIT / file, text)
            if file.endswith(".sh"):
                (plan.path / SUBMIT / file).chmod(0o755)
        record = Submission(name, system, now(), tasks=tuple(numbers))
        record.write(plan)  # before anything is submitted, lest jobs run that nobody knows of
        try:
            for file in files:
                if file.endswith(".sub"):
                    cluster, scheduler = htcondor.submit(plan, plan.path / SUBMIT / file)
                    jobs = {number: f"{cluster}.{position}" for position, number in enumerate(numbers)}
                    record = replace(record, jobs=jobs, scheduler=scheduler)
                elif file.endswith(".sbatch"):
                    array = slurm.submit(plan, plan.path / SUBMIT / file)
                    record = replace(record, jobs={**record.jobs, **_elements(file, files, numbers, array)})
                record.write(plan)
        except BaseException:
            if not record.jobs:
                (plan.path / SUBMIT / f"{name}.json").unlink()
            raise
        record = replace(record, complete=True)
        record.write(plan)
    return record


def _elements(file: str, files: dict[str, str], numbers: Sequence[int], array: str) -> dict[int, str]:
    """Return the names of the elements of one of several arrays."""
    size = slurm.chunk_of(slurm.max_array_size())
    part = int(file.removesuffix(".sbatch").partition("-")[2] or -1) if len(files) > 1 else -1
    return {number: slurm.job_name(array, number, size) for number in numbers if part < 0 or number // size == part}
