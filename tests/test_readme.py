"""What the README shows must exist: commands, options, files."""

import re
import shlex

import pytest
import typer

from cutflow_cli.app import app


def shown_commands(root):
    """Every `cutflow …` line of the shell blocks, continuation lines joined."""
    blocks = re.findall(r"```sh\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("cutflow ")]


def test_every_command_and_option_shown_exists(root):
    seen = set()
    for line in shown_commands(root):
        words = shlex.split(line, comments=True)[1:]
        command = typer.main.get_command(app)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
            seen.add(command.name)
        options = {option for parameter in command.params for option in parameter.opts}
        for word in words:
            if word.startswith("--"):
                assert word in options, f"{line}: {command.name} has no {word}"
    known = typer.main.get_command(app).commands
    assert seen == set(known) | set(known["train"].commands) | set(known["batch"].commands)


def test_every_command_has_its_section(root):
    text = (root / "README.md").read_text()
    for name in typer.main.get_command(app).commands:
        assert f"### {name}\n" in text


@pytest.mark.parametrize("document", ["README.md", "benchmarks/README.md"])
def test_files_named_exist(root, document):
    named = re.findall(r"`((?:examples|benchmarks|completions)/[\w./-]*)", (root / document).read_text())
    assert named
    for name in named:
        assert (root / name).exists(), name


def test_the_settings_file_shown_is_valid(root, tmp_path):
    import tomllib

    from cutflow_cli.events.settings_file import validate

    block = re.search(r"```toml\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)[1]
    settings = validate(tomllib.loads(block))
    assert list(settings.features) == ["m_jet", "tau21"]
    assert settings.processes["WW"].cross_section == 0.1345
