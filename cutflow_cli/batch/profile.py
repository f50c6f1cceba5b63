"""What a site wants of jobs: a profile in the user's settings file, or in a file of its own.

# $XDG_CONFIG_HOME/cutflow/profiles.toml (else ~/.config/cutflow/profiles.toml); never written by this program
[lxplus]
system = "htcondor"
flavour = "workday"
setup = "source /cvmfs/sft.cern.ch/lcg/views/LCG_107/x86_64-el9-gcc13-opt/setup.sh"
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.settings_file import read_mapping
from cutflow_cli.validation import in_words

System = Literal["htcondor", "slurm"]
_HTCONDOR_ONLY = ("flavour", "transfer", "disk", "accounting_group")
_SLURM_ONLY = ("partition", "account", "qos", "max_running", "signal_before")


def seconds(value: Any) -> Any:  # noqa: ANN401  (what is no duration is left to be refused)
    """Read a duration: seconds, or `90s`, `20m`, `1h30m`, `2d`."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", value.strip())
    if match is None or not any(match.groups()):
        msg = f"{value!r} is no duration; write 3600, 90m, 1h30m or 2d"
        raise ValueError(msg)
    days, hours, minutes, rest = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


class Profile(BaseModel):
    """How jobs are to be submitted at a site.

    Attributes:
        system: for which batch system it is; None for both.
        python: the interpreter in which cutflow is installed, on the machines of the batch system.
        setup: shell commands before it, such as an LCG view or a virtual environment.
        image: container image; `python` is then the one in it.
        memory: in MB.
        cpus: for each job.
        gpus: for each job.
        time: after which a job is ended, in seconds; the site's default if not given.
        retries: how often a job that failed for a passing reason (75, or killed) is started again.
        environment: variables that jobs get; nothing else comes from where they are submitted.
        extra: further lines of the submit file: HTCondor commands, or options of sbatch.
        flavour: CERN's `+JobFlavour`.
        transfer: `shared` disk, or `files` copied to the job and back.
        disk: in MB.
        accounting_group: HTCondor's.
        partition: Slurm's.
        account: Slurm's.
        qos: Slurm's.
        max_running: elements of an array that run at the same time.
        signal_before: seconds before the time limit at which a job is told to save a checkpoint.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: System | None = None
    python: str = sys.executable
    setup: str = ""
    image: str | None = None
    memory: int = Field(default=2000, ge=1)
    cpus: int = Field(default=1, ge=1)
    gpus: int = Field(default=0, ge=0)
    time: Annotated[int | None, BeforeValidator(seconds), Field(ge=60)] = None
    retries: int = Field(default=3, ge=0)
    environment: dict[str, str] = Field(default_factory=dict)
    extra: tuple[str, ...] = ()
    flavour: str | None = None
    transfer: Literal["shared", "files"] = "shared"
    disk: int | None = Field(default=None, ge=1)
    accounting_group: str | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    max_running: int | None = Field(default=None, ge=1)
    signal_before: Annotated[int, BeforeValidator(seconds), Field(ge=1)] = 90

    @field_validator("python", "image", "flavour", "accounting_group", "partition", "account", "qos")
    @classmethod
    def _one_word(cls, value: str | None) -> str | None:
        if value is not None and (not value or re.search(r"[\s\"'$`\\]", value)):
            msg = f"{value!r} has spaces, quotes or $; batch systems would read it as something else"
            raise ValueError(msg)
        return value

    @field_validator("environment")
    @classmethod
    def _variables(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not re.fullmatch(r"[A-Za-z_]\w*", name) or re.search(r"[\"'\n]", text):
                msg = f"{name} = {text!r}: names have letters and digits, values no quotes"
                raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Profile:
        if self.image is not None and "python" not in self.model_fields_set:
            msg = "image: say with python which interpreter in it has cutflow, such as python = '/usr/bin/python3'"
            raise ValueError(msg)
        if self.image is not None and self.setup:
            msg = "setup: runs outside of the image, where it has no effect; leave one of them out"
            raise ValueError(msg)
        if not self.setup and not self.python.startswith("/"):
            msg = f"python: {self.python!r} is no absolute path, and jobs have no PATH to look in; or give setup"
            raise ValueError(msg)
        if self.flavour is not None and self.time is not None:
            msg = "flavour: says how long a job may run, as time does; leave one of them out"
            raise ValueError(msg)
        return self


def profiles_path() -> Path | None:
    """Return where the user's profiles are, if there is any such place."""
    base = os.environ.get("XDG_CONFIG_HOME")
    if not base:
        home = os.environ.get("HOME")
        if not home:
            return None
        base = str(Path(home) / ".config")
    return Path(base) / "cutflow" / "profiles.toml"


def read_profile(chosen: str | None, system: System, **overrides: Any) -> Profile:  # noqa: ANN401  (values of fields)
    """Find a profile and check that it fits a batch system.

    Args:
        chosen: a name in the user's settings file, or a file that holds one; None for the profile that has the name of
            the batch system, if there is one, and else the defaults.
        system: the batch system.
        overrides: fields that replace the profile's, where not None.

    Raises:
        UsageError: if there is no such profile, or something in it is unknown, wrong or for another batch system.
        InputError: if a file that was named is not there.
    """
    raw, where = _raw(chosen, system)
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        profile = Profile.model_validate({**raw, **given})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            msg = f"{where}: {name}: no such setting; {nearest(name, Profile.model_fields)}"
        else:
            msg = f"{where}: {f'{name}: ' if name else ''}{in_words(first)}"
        raise UsageError(msg) from error
    if profile.system not in (None, system):
        msg = f"{where}: is a profile for {profile.system}, not for {system}"
        raise UsageError(msg)
    for name in _SLURM_ONLY if system == "htcondor" else _HTCONDOR_ONLY:
        if name in profile.model_fields_set:
            msg = f"{where}: {name}: {system} has no use for it"
            raise UsageError(msg)
    return profile


def _raw(chosen: str | None, system: str) -> tuple[dict[str, Any], str]:
    """Return the content of a profile, and what to call it in messages."""
    if chosen is not None and (chosen.endswith(".toml") or "/" in chosen):
        return read_mapping(Path(chosen)), chosen
    path = profiles_path()
    if path is None or not path.is_file():
        if chosen is None:
            return {}, "profile"
        place = "$XDG_CONFIG_HOME/cutflow/profiles.toml" if path is None else str(path)
        msg = f"--profile {chosen}: there is no {place}; write one, or name a file that ends in .toml"
        raise UsageError(msg)
    known = read_mapping(path)
    name = system if chosen is None else chosen
    found = known.get(name)
    if found is None and chosen is None:
        return {}, "profile"
    if not isinstance(found, dict):
        msg = f"{path}: no profile {name!r}; {nearest(name, known)}"
        raise UsageError(msg)
    return found, f"{path}: {name}"
