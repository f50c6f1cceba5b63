"""The options that methods share, and the commands that are made of them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from cutflow_cli.commands.train import options
from cutflow_cli.commands.train.request import Request, command, given


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class PaintRequest(Request):
    replicas: options.Replicas = "7"
    threads: int | None = 3
    surface: Annotated[str | None, typer.Option(rich_help_panel=options.SELECTION)] = None
    settings: options.SettingsFile = None
    colour: Annotated[Colour | None, typer.Option()] = None
    coats: Annotated[int | None, typer.Option("--layers")] = None


def made(*words: str) -> tuple[int, list[PaintRequest], str]:
    """Run a command of these options; return its exit code, what it was asked, and what it printed."""
    asked: list[PaintRequest] = []
    app = typer.Typer()
    app.command()(command(PaintRequest)(asked.append))
    done = CliRunner().invoke(app, words)
    return done.exit_code, asked, done.output


def test_a_command_is_given_its_request():
    code, asked, _ = made("events.parquet", "-o", "run", "--seed", "4", "--colour", "red", "--layers", "2", "--json")
    assert code == 0
    wanted = PaintRequest(Path("events.parquet"), Path("run"), seed=4, as_json=True, colour=Colour.RED, coats=2)
    assert asked == [wanted]
    assert (asked[0].replicas, asked[0].threads) == ("7", 3)


def test_settings_are_what_a_method_adds_and_was_given():
    request = PaintRequest(Path("e"), Path("o"), seed=4, settings=Path("file.toml"), colour=Colour.RED)
    found = given(request, surface=None, coats=(1, 2))
    assert found == {"colour": "red", "coats": (1, 2)}
    assert type(found["colour"]) is str


@pytest.mark.parametrize("option", ["--threads", "--memory", "--hypothesis-column"])
def test_a_field_without_an_option_cannot_be_given(option):
    code, asked, printed = made("events.parquet", "-o", "run", option, "2")
    assert (code, asked) == (2, [])
    assert option in printed


def test_help_has_settings_between_how_to_split_and_how_to_run():
    listed = [word for word in made("--help")[2].split() if word.startswith("--")]
    order = [
        "--features",
        "--surface",
        "--split",
        "--folds",
        "--settings",
        "--replicas",
        "--seed",
        "--device",
        "--json",
    ]
    assert [word for word in listed if word in order] == order


@pytest.mark.parametrize(
    ("module", "request_name", "settings_name"),
    [
        ("bdt", "BdtRequest", "BdtSettings"),
        ("box", "BoxRequest", "BoxSettings"),
        ("cabin", "CabinRequest", "CabinSettings"),
        ("cut_and_count", "CutAndCountRequest", "CutAndCountSettings"),
        ("lcf", "LcfRequest", "LcfSettings"),
        ("mlp", "MlpRequest", "MlpSettings"),
        ("punzi", "PunziRequest", "PunziSettings"),
    ],
)
def test_options_are_settings_of_their_methods(module, request_name, settings_name):
    request = getattr(import_module(f"cutflow_cli.commands.train.{module}"), request_name)
    settings = getattr(import_module(f"cutflow_cli.models.{module}.settings"), settings_name)
    own = {field.name for field in fields(request)} - {field.name for field in fields(Request)} - {"settings"}
    assert own <= set(settings.model_fields)
