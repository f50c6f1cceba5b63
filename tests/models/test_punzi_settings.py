"""Settings of Punzi networks: the preset, and what is refused."""

import pytest
from punzi_cases import peak_settings

from cutflow_cli.errors import UsageError
from cutflow_cli.models.punzi.settings import PRESETS, PunziSettings
from cutflow_cli.models.settings import checked_settings


def resolve(**chosen):
    return checked_settings(PunziSettings, PRESETS, chosen)


def test_the_preset_is_the_publication():
    """EPJ C 82:121, section 5."""
    settings, departures = resolve(preset="punzi")
    assert not departures
    assert (settings.hidden, settings.unit, settings.optimiser, settings.patience) == ((8, 4), "min-max", "sgd", 10)
    assert (settings.bce_batch_size, settings.bce_learning_rate, settings.bce_epochs) == (2048, 1.0, 200)
    assert (settings.batch_size, settings.learning_rate, settings.epochs) == (50_000, 5e-4, 2000)
    assert (settings.a, settings.b, settings.form, settings.n_sigma) == (3.0, 1.28155, "paper", 2.0)
    assert (settings.sharpness, settings.background_floor, settings.normalise_loss) == (1.0, 0.0, False)


def test_departures_from_the_preset_are_said():
    _, departures = resolve(preset="punzi", epochs=10)
    assert departures == ("--preset punzi has epochs = 2000, this run has 10",)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"n_sigma": 3.0}, "--n-sigma: there is no --mass-column"),
        ({"mass_column": "m2", "mass_scale": "linear"}, "--mass-scale: without --windows they are fitted"),
        ({"patience": 5}, "--patience: Adam's rate falls along a cosine"),
        ({"hidden": "16,0"}, "--hidden: give the units of each hidden layer"),
        ({"hidden": "none"}, "--hidden: give the units"),
        ({"batch_size": "many"}, "--batch-size: give a number of events, or all"),
        ({"holdout_hypotheses": "some"}, "--holdout-hypotheses: give every-second, or masses"),
        ({"fixed_threshold": 1.0}, "--fixed-threshold"),
        ({"luminosity": 0.0}, "--luminosity"),
        ({"sharpness": 0.5}, "--sharpness"),
    ],
)
def test_what_has_no_effect_or_no_meaning_is_refused(chosen, words):
    with pytest.raises(UsageError) as error:
        resolve(**chosen)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_scale_beside_centres_is_refused(tmp_path):
    path = tmp_path / "w.csv"
    path.write_text("mass,centre,width\n1,1,0.1\n")
    with pytest.raises(UsageError, match="the table of --windows has centres"):
        resolve(mass_column="m2", windows=path, mass_scale="linear")


def test_settings_hold_the_table_itself(tmp_path):
    """So that another table under the same name is another training."""
    path = tmp_path / "w.csv"
    path.write_text("mass,width\n1,0.1\n")
    before, _ = resolve(mass_column="m2", windows=path)
    path.write_text("mass,width\n1,0.2\n")
    after, _ = resolve(mass_column="m2", windows=path)
    assert before.model_dump(mode="json") != after.model_dump(mode="json")


def test_batches_are_of_about_the_wanted_size():
    assert peak_settings(batch_size=1000).batches(2600) == 3
    assert peak_settings(batch_size=1000).batches(100) == 1
    assert peak_settings(batch_size="all").batches(10**6) == 1
