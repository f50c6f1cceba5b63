"""Settings of LCF: defaults, the preset, files, options, and what is refused."""

import pytest

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.models.lcf.settings import (
    PUBLISHED,
    LcfSettings,
    checked_settings,
    resolve_epochs,
    resolve_settings,
)


def test_the_preset_is_the_publication():
    settings, departures = resolve_settings("sequential", {"preset": "lcf"})
    assert departures == ()
    assert (settings.epochs, settings.batch_size, settings.learning_rate) == (200, 512, 1e-3)
    assert (settings.threshold, settings.min_importance) == (0.5, 0.05)
    assert (settings.class_weights, settings.bootstrap, settings.mask) == ("unit", False, "published")
    assert (settings.tidy, settings.min_effective_events, settings.scale) == (False, 0.0, "moments")
    assert PUBLISHED.keys() <= LcfSettings.model_fields.keys()


def test_departures_from_the_preset_are_noted():
    settings, departures = resolve_settings("parallel", {"preset": "lcf", "epochs": 5, "batch_size": 512})
    assert settings.epochs == 5
    assert departures == ("--preset lcf has epochs = 200, this run has 5",)
    assert resolve_settings("parallel", {"epochs": 5})[1] == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", 'epochs = 7\nmask = "published"\n[centers]\nx1 = -2\nx2 = 1.5\n'),
        ("a.yaml", "epochs: 7\nmask: published\ncenters: {x1: -2, x2: 1.5}\n"),
        ("a.yml", "epochs: 7\nmask: published\ncenters:\n  x1: -2\n  x2: 1.5\n"),
    ],
)
def test_a_file_sets_and_options_override(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    settings, _ = checked_settings("sequential", {}, path)
    assert (settings.epochs, settings.mask, settings.centers) == (7, "published", {"x1": -2.0, "x2": 1.5})
    assert settings.batch_size == 512
    settings, _ = checked_settings("sequential", {"epochs": 3, "centers": {"x2": 0.0, "x3": 1.0}}, path)
    assert settings.epochs == 3
    assert settings.centers == {"x1": -2.0, "x2": 0.0, "x3": 1.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 7", r"s\.yaml: epoch: no such setting; did you mean epochs\?"),
        ("3: 7", r"s\.yaml: 3: no such setting"),
        ("epochs: 0", r"s\.yaml: epochs: must be greater than or equal to 1 \(got 0\)"),
        ("epochs: many", r"s\.yaml: epochs: must be a whole number.*\(got 'many'\)"),
        ("threshold: 1.0", r"s\.yaml: threshold: must be less than 1"),
        ("learning_rate: .nan", r"s\.yaml: learning_rate: "),
        ("mask: applyed", r"s\.yaml: mask: must be 'applied' or 'published'; did you mean applied\? \(got 'applyed'\)"),
        ("centers: {x1: low}", r"s\.yaml: centers: must be a number.*\(got 'low'\)"),
        ("centers: 3", r"s\.yaml: centers: must be a table of names and values \(got 3\)"),
        ("preset: hml", r"s\.yaml: preset: must be 'lcf' \(got 'hml'\)"),
        ("strategy: parallel", r"s\.yaml: strategy = 'parallel', but the command asks for 'sequential'"),
        ("- epochs", r"s\.yaml: must hold settings by name"),
        ("epochs: [", r"s\.yaml: not valid YAML"),
        ("epochs: 3\nepochs: 4", r"s\.yaml: not valid YAML: key 'epochs' comes twice"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, text, message):
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        checked_settings("sequential", {}, path)


def test_a_wrong_option_is_named_as_typed():
    with pytest.raises(UsageError, match=r"^--learning-rate: must be greater than 0 \(got 0\.0\)$"):
        checked_settings("parallel", {"learning_rate": 0.0})


def test_a_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "tight.toml").write_text("")
    with pytest.raises(InputError, match=r"tihgt\.toml: no such file; did you mean tight\.toml\?"):
        checked_settings("parallel", {}, tmp_path / "tihgt.toml")


@pytest.mark.parametrize(
    ("strategy", "chosen", "message"),
    [
        ("parallel", {"mask": "applied"}, "--mask: in a parallel flow every observable trains on all events"),
        ("parallel", {"order": "learned"}, "--order: in a parallel flow every observable trains on all events"),
        ("parallel", {"min_effective_events": 5}, "--min-effective-events: in a parallel flow"),
        ("sequential", {"mask": "published", "min_effective_events": 5}, "the published mask has no such rule"),
        ("sequential", {"preset": "lcf", "min_effective_events": 5}, "the published mask has no such rule"),
    ],
)
def test_a_setting_that_would_not_be_used_is_refused(strategy, chosen, message):
    with pytest.raises(UsageError, match=message):
        resolve_settings(strategy, chosen)
    assert resolve_settings("sequential", {"preset": "lcf", "mask": "applied", "min_effective_events": 5})


@pytest.mark.parametrize(
    ("events", "epochs"), [(100_000, 200), (100_001, 200), (2_000, 9_800), (512, 39_200), (1, 39_200), (10**8, 10)]
)
def test_by_default_every_sample_gets_the_published_number_of_steps(events, epochs):
    assert resolve_epochs(LcfSettings(), events) == epochs
    assert resolve_epochs(LcfSettings(epochs=7), events) == 7
    assert resolve_epochs(resolve_settings("parallel", {"preset": "lcf"})[0], events) == 200
