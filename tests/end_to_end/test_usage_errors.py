"""A wrong command line: one line on stderr that says what, where, and how to find out more; exit code 2."""

import pytest


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--bogus", "No such option: --bogus; see `cutflow --help`"),
        ("trai", "No such command 'trai'. Did you mean 'train'?; see `cutflow --help`"),
        ("train lcf-parallel", "Missing argument 'EVENTS'; see `cutflow train lcf-parallel --help`"),
        ("compare a b --sigm 3", "No such option: --sigm (Possible options: --sigma, --split)"),
        ("train bdt x --out y --binned-in pt:1,2,3", "No such option: --binned-in; `cutflow train cabin-scan` has it"),
        ("train lcf-parallel x --out y --epochs 0", "Invalid value for '--epochs': must be greater than"),
        ("train lcf-parallel x --out y --preset foo", "Invalid value for '--preset': 'foo' is not one of 'lcf'; see"),
        (
            "train lcf-sequential x --out y --order learnd",
            "Invalid value for '--order': 'learnd' is not one of 'given', 'learned'; did you mean learned?; see",
        ),
        ("train lcf-parallel x --out y --epochs x", "Invalid value for '--epochs': must be a whole number (got 'x')"),
    ],
)
def test_one_line_says_what_is_wrong(run_here, line, message):
    done = run_here(*line.split())
    assert (done.returncode, done.stdout) == (2, "")
    (text,) = done.stderr.splitlines()
    assert text.startswith("cutflow: ")
    assert message in text


@pytest.mark.parametrize("line", ["", "train"])
def test_a_command_without_arguments_shows_its_help(run_here, line):
    done = run_here(*line.split())
    assert done.returncode == 2
    assert "Usage: cutflow" in done.stdout
    assert done.stderr == ""
