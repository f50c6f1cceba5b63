"""Settings from defaults, a preset, a file and options: which wins, and what is refused in one line."""

from typing import Literal

import pytest
from pydantic import Field, model_validator

from cutflow_cli.errors import UsageError
from cutflow_cli.models.protocol import Settings
from cutflow_cli.models.settings import checked_settings, resolve_settings


class Toy(Settings):
    preset: Literal["paper"] | None = None
    epochs: int = Field(default=10, ge=1)
    rate: float = 0.5
    strategy: str = "parallel"
    centers: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self):
        if self.epochs > 100 and self.rate > 1:
            msg = "--epochs above 100 go with a --rate of at most 1"
            raise ValueError(msg)
        return self

    def refuse_unused(self, chosen):
        if self.strategy == "parallel" and "rate" in chosen and self.rate == 9:
            msg = "--rate 9: of no use here"
            raise UsageError(msg)


PRESETS = {"paper": {"epochs": 20, "rate": 0.1}}


@pytest.fixture
def write(tmp_path):
    def written(text, name="settings.toml"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return written


def check(options, file=None, fixed=None):
    return checked_settings(Toy, PRESETS, options, file, fixed)


def test_defaults_then_preset_then_file_then_options(write):
    file = write("rate = 0.3\nepochs = 30\n")
    assert check({})[0] == Toy()
    assert check({"preset": "paper"})[0] == Toy(preset="paper", epochs=20, rate=0.1)
    assert check({"preset": "paper"}, file)[0] == Toy(preset="paper", epochs=30, rate=0.3)
    assert check({"preset": "paper", "epochs": 40}, file)[0] == Toy(preset="paper", epochs=40, rate=0.3)


def test_a_file_may_name_the_preset(write):
    assert check({"epochs": 3}, write('preset = "paper"\n'))[0] == Toy(preset="paper", epochs=3, rate=0.1)


def test_yaml_is_read_too(write):
    assert check({}, write("epochs: 7\n", "settings.yaml"))[0].epochs == 7


def test_departures_from_the_preset_are_notes(write):
    _, notes = check({"preset": "paper", "epochs": 20}, write("rate = 0.3\n"))
    assert notes == ("--preset paper has rate = 0.1, this run has 0.3",)
    assert check({"rate": 0.3})[1] == ()


def test_a_mapping_is_overridden_entry_by_entry(write):
    file = write("[centers]\na = 1.0\nb = 2.0\n")
    assert check({"centers": {"b": 5.0, "c": 6.0}}, file)[0].centers == {"a": 1.0, "b": 5.0, "c": 6.0}


def test_what_the_command_decides_may_be_repeated_but_not_changed(write):
    fixed = {"strategy": "sequential"}
    assert check({}, write('strategy = "sequential"\n'), fixed)[0].strategy == "sequential"
    with pytest.raises(UsageError, match=r"strategy = 'parallel', but the command asks for 'sequential'"):
        check({}, write('strategy = "parallel"\n'), fixed)


def test_an_unknown_setting_of_a_file_is_named_with_its_neighbours(write):
    with pytest.raises(UsageError, match=r"settings\.toml: epoch: no such setting; did you mean epochs\?"):
        check({}, write("epoch = 3\n"))


@pytest.mark.parametrize(
    ("options", "text", "words"),
    [
        ({"epochs": 0}, None, r"^--epochs: must be greater than or equal to 1 \(got 0\)$"),
        ({}, "epochs = 0\n", r"settings\.toml: epochs: must be greater than or equal to 1 \(got 0\)$"),
        ({"preset": "other"}, None, r"^--preset: must be 'paper' \(got 'other'\)$"),
        ({"epochs": 101, "rate": 2.0}, None, r"^--epochs above 100 go with a --rate of at most 1$"),
        ({"rate": 9.0}, None, r"^--rate 9: of no use here$"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_in_one_line(write, options, text, words):
    with pytest.raises(UsageError, match=words):
        check(options, None if text is None else write(text))


def test_a_file_overridden_by_an_option_blames_the_option(write):
    with pytest.raises(UsageError, match=r"^--epochs: "):
        check({"epochs": -1}, write("epochs = 5\n"))


def test_without_a_preset_nothing_departs():
    settings, notes = resolve_settings(Toy, PRESETS, {"preset": None, "rate": 0.2})
    assert (settings.rate, notes) == (0.2, ())
