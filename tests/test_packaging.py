"""What a release must agree on: one version, pins that fit, options that are explained, no trace of a machine."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import cutflow_cli
from cutflow_cli.app import app

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_one_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    versions = {
        PROJECT["version"],
        cutflow_cli.__version__,
        citation["version"],
        importlib.metadata.version("cutflow-cli"),
    }
    assert len(versions) == 1
    Version(versions.pop())


def test_the_papers_are_cited():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    identifiers = {entry["value"] for paper in citation["references"] for entry in paper["identifiers"]}
    assert identifiers == {"arXiv:2503.22498", "arXiv:2502.08615", "arXiv:2405.02888", "arXiv:2110.00810"}
    for paper in citation["references"]:
        assert {"type", "title", "authors"} <= paper.keys()


def test_the_changelog_has_a_place_for_what_comes():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", text, flags=re.MULTILINE)
    assert headings[0] == "Unreleased"


# --- the installed program


@pytest.mark.parametrize("command", [["cutflow"], [sys.executable, "-m", "cutflow_cli"]], ids=["script", "module"])
def test_the_program_is_installed(command):
    script = shutil.which(command[0], path=str(Path(sys.executable).parent))
    assert script is not None
    done = subprocess.run([script, *command[1:], "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"cutflow {PROJECT['version']}\n"
    assert done.stderr == ""


def test_public_names_are_there():
    for name in cutflow_cli.__all__:
        assert getattr(cutflow_cli, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Cutt'"):
        _ = cutflow_cli.Cutt


# --- the command line


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with the words that lead to it."""
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from leaves(child, (*path, name))
    else:
        yield path, command


COMMANDS = dict(leaves(typer.main.get_command(app)))


def test_help_lists_the_commands_in_the_order_of_the_work(run_cutflow):
    shown = re.findall(r"^│ ([a-z-]+) ", run_cutflow("--help").stdout.partition("Commands")[2], flags=re.MULTILINE)
    workflow = ["generate-mock", "ingest", "train", "evaluate", "export-cuts"]
    assert [name for name in shown if name in workflow] == workflow


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_commands_and_options_are_explained(path):
    command = COMMANDS[path]
    assert (command.help or "").strip(), "no help"
    for parameter in command.params:
        assert (getattr(parameter, "help", None) or "").strip(), f"{parameter.name}: no help"
        if parameter.param_type_name == "option":
            for name in (*parameter.opts, *parameter.secondary_opts):
                assert re.fullmatch(r"--[a-z][a-z0-9]*(-[a-z0-9]+)*|-[a-zA-Z]", name), f"{name}: not kebab-case"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_defaults_are_shown(path):
    """A default that is not shown can't be defended; None must be put in words unless there is nothing to say."""
    for parameter in COMMANDS[path].params:
        if parameter.param_type_name == "option" and parameter.default not in (None, False, (), []):
            assert parameter.show_default, f"{parameter.opts[0]}: the default {parameter.default!r} is hidden"


# --- pins


def pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pinned}


def test_pins_are_exact_and_belong_to_no_machine():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        assert not line or line.startswith("#") or re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9a-z.]*", line), line
    assert pins()["torch"] == Version("2.13.0")
    assert not {"pip", "setuptools", "wheel", "cutflow-cli"} & pins().keys()


def test_pins_fit_what_the_package_asks_for():
    optional = [line for extra in PROJECT["optional-dependencies"].values() for line in extra]
    for requirement in map(Requirement, [*PROJECT["dependencies"], *optional]):
        name = canonicalize_name(requirement.name)
        assert name in pins(), f"{name} is not pinned"
        assert requirement.specifier.contains(pins()[name]), f"{requirement} does not admit {pins()[name]}"


# --- no trace of a machine


def tracked_files() -> list[Path]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run([git, "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True, timeout=60)
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_directory_of_one_machine():
    places = "|".join(
        f"/{place}/" for place in ("work", "root", "tmp", r"home/\w+", r"Users/\w+", "opt/pypi", "opt/wheels")
    )
    pattern = re.compile(rf"(?<![\w.$}}])(?:{places})".encode())
    found = [
        f"{path.relative_to(ROOT)}: {match.group().decode()}"
        for path in tracked_files()
        for match in pattern.finditer(path.read_bytes())
    ]
    assert found == []


def test_no_tracked_file_is_large():
    large = [
        f"{path.relative_to(ROOT)}: {path.stat().st_size}"
        for path in tracked_files()
        if path.stat().st_size > 2_000_000
    ]
    assert large == []


def test_scripts_are_executable_and_fail_at_the_first_error():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")
