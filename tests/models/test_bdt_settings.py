"""Settings of boosted trees: presets, what is refused, when replicas take a bootstrap."""

import inspect

import pytest
from sklearn.ensemble import GradientBoostingClassifier
from xgboost import XGBClassifier

from cutflow_cli.errors import UsageError
from cutflow_cli.models.bdt.settings import PRESETS, BdtSettings
from cutflow_cli.models.settings import checked_settings


def resolved(**options):
    return checked_settings(BdtSettings, PRESETS, options)


@pytest.mark.parametrize("preset", ["lcf", "hml"])
def test_the_presets_of_scikit_learn_are_its_own_defaults(preset):
    settings, departures = resolved(preset=preset)
    own = {name: one.default for name, one in inspect.signature(GradientBoostingClassifier).parameters.items()}
    ours = settings.trees, settings.depth, settings.learning_rate, settings.subsample
    assert ours == (own["n_estimators"], own["max_depth"], own["learning_rate"], own["subsample"]) == (100, 3, 0.1, 1.0)
    assert (settings.class_weights, settings.fixed_threshold, settings.early_stopping) == ("unit", 0.5, 0)
    assert departures == ()


def test_the_preset_of_cabin_is_500_trees_of_depth_3_and_else_what_xgboost_does():
    settings, _ = resolved(preset="cabin")
    assert (settings.backend, settings.trees, settings.depth, settings.fixed_threshold) == ("xgboost", 500, 3, None)
    # XGBoost leaves its defaults to the library, whose documentation has eta = 0.3 and min_child_weight = 1
    assert XGBClassifier().learning_rate is None
    assert (settings.learning_rate, settings.child_weight, settings.subsample) == (0.3, 1.0, 1.0)


def test_departing_from_a_preset_is_said():
    _, departures = resolved(preset="lcf", depth=5)
    assert departures == ("--preset lcf has depth = 3, this run has 5",)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"preset": "lcf", "fom": "punzi"}, "--fom: the threshold is fixed at 0.5 by --preset lcf; leave it out"),
        (
            {"fixed_threshold": 0.3, "min_effective_events": 5.0},
            "--min-effective-events: the threshold is fixed at 0.3",
        ),
        (
            {"backend": "sklearn", "min_child_weight": 2.0},
            "--min-child-weight: scikit-learn's trees have no such limit",
        ),
        ({"subsample": 0.0}, "--subsample: must be greater than 0"),
        ({"learning_rate": 1.5}, "--learning-rate: must be less than or equal to 1"),
        ({"fixed_threshold": 1.0}, "--fixed-threshold: must be less than 1"),
        ({"fom": "azimov"}, "did you mean asimov?"),
    ],
    ids=str,
)
def test_what_has_no_use_or_no_sense_is_refused(options, words):
    with pytest.raises(UsageError, match=words.replace("?", r"\?")):
        resolved(**options)


def test_several_replicas_take_a_bootstrap_and_one_does_not():
    assert not BdtSettings().bootstraps(range(1))
    assert BdtSettings().bootstraps(range(4))
    assert BdtSettings().bootstraps(range(3, 4))  # one of a longer run is what it is there
    assert BdtSettings(bootstrap=True).bootstraps(range(1))


def test_replicas_that_would_be_the_same_are_refused():
    with pytest.raises(UsageError, match="--no-bootstrap: nothing else is random in XGBoost's trees"):
        BdtSettings(bootstrap=False).bootstraps(range(2))
    assert not BdtSettings(bootstrap=False, subsample=0.5).bootstraps(range(2))
    assert not BdtSettings(**PRESETS["lcf"]).bootstraps(range(10))  # ten retrainings, as in the paper


def test_early_stopping_needs_a_validation_split():
    assert BdtSettings().patience(has_validation=True) == 20
    assert BdtSettings().patience(has_validation=False) == 0
    assert BdtSettings(early_stopping=0).patience(has_validation=True) == 0
    with pytest.raises(UsageError, match="--early-stopping 5: there is no validation split to watch"):
        BdtSettings(early_stopping=5).patience(has_validation=False)
