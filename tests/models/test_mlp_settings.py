"""Settings of the multilayer perceptron: presets as published, and what is refused."""

import pytest

from cutflow_cli.errors import UsageError
from cutflow_cli.models.mlp.settings import PRESETS, MlpSettings
from cutflow_cli.models.settings import checked_settings


def settings(**options):
    return checked_settings(MlpSettings, PRESETS, options)


@pytest.mark.parametrize(
    ("preset", "features", "published"),
    [
        ("lcf", 4, {"hidden": (16, 32, 64, 32, 16), "activation": "relu", "unit": "moments", "optimiser": "adam",
                    "learning_rate": 1e-3, "epochs": 200, "batch_size": 512, "fixed_threshold": 0.5}),
        ("cabin", 7, {"hidden": (), "bias": False, "unit": "moments", "optimiser": "sgd", "learning_rate": 0.1,
                      "batch_size": "all", "fixed_threshold": None}),
        ("hml", 3, {"hidden": (32, 64, 32), "activation": "relu", "unit": "min-max", "epochs": 100, "batch_size": 128}),
    ],
)  # fmt: skip
def test_presets_are_the_publications(preset, features, published):
    chosen, departures = settings(preset=preset)
    assert {name: getattr(chosen, name) for name in published} == published
    assert departures == ()
    assert (chosen.class_weights, chosen.early_stopping, chosen.halve_after) == ("unit", 0, 0)
    assert chosen.architecture(features).features == features


def test_numbers_of_parameters_are_the_published_ones():
    assert settings(preset="hml")[0].architecture(3).parameters == 4386  # as the text of HEP ML LAB says
    assert settings(preset="cabin")[0].architecture(7).parameters == 7  # "the same number of free parameters (m)"
    lcf = settings(preset="lcf")[0].architecture(4)
    assert lcf.parameters == 5 * 16 + 17 * 32 + 33 * 64 + 65 * 32 + 33 * 16 + 17


def test_departures_from_a_preset_are_said():
    chosen, departures = settings(preset="lcf", epochs=5, fixed_threshold=0.7)
    assert chosen.epochs == 5
    assert departures == (
        "--preset lcf has epochs = 200, this run has 5",
        "--preset lcf has fixed_threshold = 0.5, this run has 0.7",
    )


@pytest.mark.parametrize(("text", "layers"), [("32,16", (32, 16)), (" 8 ", (8,)), ("none", ()), ([4, 3], (4, 3))])
def test_layers_are_read_from_text_or_a_list(text, layers):
    assert settings(hidden=text)[0].hidden == layers


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": "32,x"}, "--hidden: give the units of each hidden layer, such as 32,32, or none (got '32,x')"),
        ({"hidden": "32,,8"}, "--hidden: give the units of each hidden layer, such as 32,32, or none (got '32,,8')"),
        ({"hidden": [0]}, "--hidden: give the units of each hidden layer, such as 32,32, or none (got [0])"),
        ({"batch_size": "some"}, "--batch-size: give a number of events, or all (got 'some')"),
        ({"batch_size": "0"}, "--batch-size: give a number of events, or all (got '0')"),
        ({"learning_rate": -1.0}, "--learning-rate: must be greater than 0 (got -1.0)"),
        ({"fixed_threshold": 1.5}, "--fixed-threshold: must be less than 1 (got 1.5)"),
        ({"fom": "asimof"}, "--fom asimof: no such figure of merit"),
        ({"preset": "lcf", "fom": "punzi"}, "--fom: the threshold is fixed at 0.5 by --preset lcf; leave it out"),
        ({"fixed_threshold": 0.3, "min_effective_events": 5}, "--min-effective-events: the threshold is fixed at 0.3;"),
        ({"hidden": "none", "activation": "tanh"}, "--activation: there is no hidden layer; leave it out"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_in_a_line(options, message):
    with pytest.raises(UsageError) as raised:
        settings(**options)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("events", "options", "epochs"),
    [
        (100_000, {}, 31),
        (2_000, {}, 200),
        (5_000_000, {}, 10),
        (100_000, {"epochs": 3}, 3),
        (100_000, {"batch_size": "all"}, 200),
        (100_000, {"batch_size": "5000"}, 200),
    ],
)
def test_epochs_make_a_number_of_steps(events, options, epochs):
    assert settings(**options)[0].resolved_epochs(events) == epochs
