"""The completion scripts are those that the program gives, and they complete what it has."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_imports import HEAVY, REPORT_MODULES, loaded

from cutflow_cli.export.registry import DIALECTS, MODEL_DIALECTS

SHELLS = ("bash", "zsh", "fish")
COMMANDS = {"generate-mock", "ingest", "train", "evaluate", "export-cuts"}


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_current(run_cutflow, root, shell):
    given = run_cutflow(_CUTFLOW_COMPLETE=f"source_{shell}")
    assert given.returncode == 0
    assert "cutflow" in given.stdout
    committed = (root / "completions" / f"cutflow.{shell}").read_text(encoding="utf-8")
    assert committed == given.stdout.lstrip("\n"), "run `make completions`"


def test_zsh_finds_its_tag_on_the_first_line(root):
    assert (root / "completions" / "cutflow.zsh").read_text(encoding="utf-8").startswith("#compdef cutflow\n")


def complete_bash(run_cutflow, words: str) -> set[str]:
    done = run_cutflow(_CUTFLOW_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(words.count(" ")))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return set(done.stdout.split())


def test_all_commands_are_offered(run_cutflow):
    assert complete_bash(run_cutflow, "cutflow ") >= COMMANDS


def test_a_begun_word_is_completed(run_cutflow):
    assert complete_bash(run_cutflow, "cutflow tr") == {"train"}
    assert complete_bash(run_cutflow, "cutflow e") == {"evaluate", "export-cuts"}


def test_options_are_completed(run_cutflow):
    assert complete_bash(run_cutflow, "cutflow --deb") == {"--debug"}
    assert "--help" in complete_bash(run_cutflow, "cutflow train --h")


def test_what_options_take_is_completed(run_cutflow):
    assert complete_bash(run_cutflow, "cutflow export-cuts --format ") == {*DIALECTS, *MODEL_DIALECTS}
    assert complete_bash(run_cutflow, "cutflow export-cuts --format r") == {"root", "rdataframe"}
    assert complete_bash(run_cutflow, "cutflow export-cuts --columns ") == {"source", "features"}
    assert complete_bash(run_cutflow, "cutflow export-cuts --fom as") == {"asimov"}
    fish = run_cutflow(
        _CUTFLOW_COMPLETE="complete_fish", _TYPER_COMPLETE_FISH_ACTION="get-args",
        _TYPER_COMPLETE_ARGS="cutflow export-cuts --format js",
    )  # fmt: skip
    assert fish.stdout.strip() == f"json\t{DIALECTS['json'].summary}"


def test_zsh_and_fish_are_answered(run_cutflow):
    zsh = run_cutflow(_CUTFLOW_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="cutflow ")
    fish = run_cutflow(
        _CUTFLOW_COMPLETE="complete_fish", _TYPER_COMPLETE_FISH_ACTION="get-args", _TYPER_COMPLETE_ARGS="cutflow "
    )
    for command in COMMANDS:
        assert f'"{command}":' in zsh.stdout
        assert command in {line.partition("\t")[0] for line in fish.stdout.splitlines()}


@pytest.mark.parametrize("words", ["cutflow train l", "cutflow export-cuts --format "])
def test_completion_imports_nothing_heavy(run_python, words):
    code = REPORT_MODULES + "sys.argv = ['cutflow']\nfrom cutflow_cli.__main__ import main\nmain()"
    done = run_python(code, _CUTFLOW_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(words.count(" ")))
    assert loaded(done.stderr).isdisjoint(HEAVY)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this machine")
def test_bash_itself_completes(root, tmp_path):
    """Source the script in a real bash, press tab (call the registered function), see what it would offer."""
    program = tmp_path / "cutflow"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cutflow_cli "$@"\n')
    program.chmod(0o755)
    script = (
        f'source "{root}/completions/cutflow.bash"; complete -p cutflow; COMP_WORDS=(cutflow exp); COMP_CWORD=1; '
        f'_cutflow_completion "{program}"; echo "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["complete -o default -F _cutflow_completion cutflow", "export-cuts"]


def test_there_is_a_script_for_each_shell(root):
    assert {path.name for path in Path(root / "completions").iterdir()} == {f"cutflow.{shell}" for shell in SHELLS}
