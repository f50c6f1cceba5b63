"""Training Punzi networks: what is learned, repeated, resumed, refused and said."""

from dataclasses import replace

import numpy as np
import pytest
from punzi_cases import MASSES, peak_sample, peak_settings

from cutflow_cli.errors import InputError, Interrupted
from cutflow_cli.metrics.punzi import sigma_min
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.models.punzi.model import PunziNet
from cutflow_cli.models.punzi.scorer import load_scorer
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA


def context(**chosen):
    given = {"seed": 3, "replicas": range(2), "validation": peak_sample(seed=9), "luminosity": 50.0}
    return TrainingContext(**{**given, **chosen})


def fit(settings=None, sample=None, fused=True, **chosen):
    model = PunziNet(settings or peak_settings(), fused)
    return model.fit(peak_sample() if sample is None else sample, context(**chosen))


def scores(fitted):
    return fitted.scorer.scores(peak_sample(seed=5).x)


def select(fitted, **wanted):
    """Rows of the table of hypotheses, as arrays by column."""
    table = {name: np.array(values) for name, values in fitted.tables["hypotheses"].items()}
    chosen = np.logical_and.reduce([table[name] == value for name, value in wanted.items()])
    return {name: values[chosen] for name, values in table.items()}


@pytest.fixture(scope="module")
def long():
    """A training long enough to learn something."""
    return fit(peak_settings(bce_epochs=20, epochs=40, background_floor=10.0), replicas=range(3))


def test_one_cut_for_all_is_learned(long):
    """σ_min at 0.5 falls by the second stage, for every replica, in the mean over masses."""
    for replica in range(3):
        wanted = {"replica": replica, "cut": "fixed", "split": "validation"}
        before = select(long, network="pretrained", **wanted)["sigma_min"].mean()
        after = select(long, network="punzi", **wanted)["sigma_min"].mean()
        assert after < 0.9 * before


def test_history_has_the_stages(long):
    history = long.history
    first = history["epoch"] <= 20
    assert np.isfinite(history["loss"]).all()
    assert np.isfinite(history["validation_loss"]).all()
    assert np.isnan(history["loss_punzi"][first]).all()
    assert np.isnan(history["loss_bce"][~first]).all()
    assert history["loss_punzi"][~first][-1] < history["loss_punzi"][~first][0]
    assert history["loss"][~first][0] == pytest.approx(1.0, abs=0.2)  # in units of what the pretraining came to


def test_flows_are_windows_and_cuts_on_a_score(long):
    points = dict.fromkeys(flow.working_point for flow in long.flows)
    assert list(points) == ["fixed", "best", "pretrained_fixed", "pretrained_best"]
    assert len(long.flows) == 4 * len(MASSES) * 4
    assert long.recommended == "fixed"
    flow = next(flow for flow in long.flows if flow.kind == "consensus" and flow.hypothesis == 2.0)
    window, cut = flow.cuts
    assert str(cut) == "score > 0.5"
    assert (window.observable, window.lower) == ("m2", float(np.float32(4 - 0.8)))


def test_the_table_counts_what_the_flows_keep(long):
    """ε, B and n_eff of every row from the masks of the exported flows, which know nothing of the table."""
    validation = peak_sample(seed=9)
    values = long.scorer.scores(validation.x)
    for flow in long.flows:
        score = flow.steps[-1].cut.observable
        column = values[score].mean(axis=0, dtype=np.float64) if flow.replica < 0 else values[score][flow.replica]
        columns = {**validation.spectators, score: column.astype(np.float32)}
        kept = flow.mask(columns, len(validation))
        own = validation.hypothesis == flow.hypothesis
        background = validation.weight[kept & (validation.label == 0)]
        row = select(
            long,
            replica=flow.replica,
            split="validation",
            hypothesis=flow.hypothesis,
            network="punzi" if score == "score" else "pretrained",
            cut=flow.working_point.removeprefix("pretrained_"),
        )
        assert row["signal_efficiency"].tolist() == pytest.approx([np.count_nonzero(kept & own) / own.sum()])
        assert row["background"].tolist() == pytest.approx([background.sum()])
        assert row["background_error"].tolist() == pytest.approx([np.sqrt((background**2).sum())])
        assert row["fom"] * row["sigma_min"] == pytest.approx(1.0)


def test_best_cuts_keep_enough_events_and_are_the_best_of_all(long):
    rows = select(long, split="validation", cut="best", network="punzi")
    assert (rows["background_n_eff"] >= 10 - 1e-9).all()
    fixed = select(long, split="validation", cut="fixed", network="punzi")
    enough = fixed["background_n_eff"] >= 10
    best, at_fixed = (
        sigma_min(some["signal_efficiency"], some["background"] + some["background_error"], 1.0)
        for some in (rows, fixed)
    )
    assert (best <= at_fixed * (1 + 1e-12))[enough].all()


def test_generated_events_are_the_denominator():
    few, many = (fit(peak_settings(generated_events=number)) for number in (1000.0, 10_000.0))
    for fitted, number in ((few, 1000.0), (many, 10_000.0)):
        assert fitted.resolved["generated_events"] == {"1": number, "1.5": number, "2": number, "2.5": number}
        assert not any("number generated is not known" in text for text in fitted.warnings)
    ratio = np.array(few.tables["hypotheses"]["signal_efficiency"]) / many.tables["hypotheses"]["signal_efficiency"]
    np.testing.assert_allclose(ratio, 10.0)
    with pytest.raises(InputError, match="250 signal events in the file, but 100 generated"):
        fit(peak_settings(generated_events=100.0))


def test_masses_held_out_are_judged_but_not_trained_on():
    """Nothing of a held-out mass reaches the training: moving its signal changes no parameter."""
    settings = peak_settings(holdout_hypotheses="every-second", n_sigma=1.0)
    sample = peak_sample()
    moved = replace(sample, x=np.where((sample.hypothesis == 1.5)[:, None], 9.0, sample.x).astype(np.float32))
    one, other = fit(settings, sample), fit(settings, moved)
    np.testing.assert_array_equal(scores(one)["score"], scores(other)["score"])
    held = select(one, split="validation", held_out=True)
    assert set(held["hypothesis"]) == {1.5, 2.5}
    assert np.isfinite(held["sigma_min"][held["cut"] == "best"]).all()
    assert "held out, not trained on: 1.5, 2.5" in one.warnings


def test_what_is_left_out_is_counted():
    sample = peak_sample()
    x = sample.x.copy()
    inside = np.abs(sample.spectators["m2"] - 4.0) < 0.1
    x[inside, 0] = np.nan
    fitted = fit(peak_settings(n_sigma=1.0), replace(sample, x=x))
    assert any("of the training split lie in no window of a trained hypothesis" in text for text in fitted.warnings)
    assert f"{np.count_nonzero(inside & ((sample.label == 0) | (sample.hypothesis == 2.0)))} events" in " ".join(
        fitted.warnings
    )


def test_windows_are_fitted_when_none_are_given():
    fitted = fit(peak_settings(windows=None, n_sigma=2.0))
    assert fitted.warnings[0] == "windows of m2 fitted to the core of each hypothesis' signal, ±2 σ"


def test_a_hypothesis_whose_signal_misses_its_window():
    sample = peak_sample()
    moved = {"m2": np.where(sample.hypothesis == 2.0, 50.0, sample.spectators["m2"]).astype(np.float32)}
    with pytest.raises(InputError, match=r"hypothesis 2: no signal event of the training split lies in its window"):
        fit(sample=replace(sample, spectators=moved))


def test_a_block_of_replicas_is_that_of_a_longer_run():
    both, second = fit(), fit(replicas=range(1, 2))
    np.testing.assert_array_equal(scores(both)["score"][1], scores(second)["score"][0])
    assert not np.array_equal(*scores(both)["score"])


def test_threads_change_nothing():
    np.testing.assert_array_equal(scores(fit(threads=1))["score"], scores(fit(threads=2))["score"])


def test_torch_trains_as_the_kernel_does():
    for name, found in scores(fit(fused=True)).items():
        np.testing.assert_allclose(found, scores(fit(fused=False))[name], atol=2e-3)


def test_bootstrap_gives_each_replica_its_own_weights():
    plain, bootstrap = fit(), fit(peak_settings(bootstrap=True))
    assert np.abs(scores(plain)["score"] - scores(bootstrap)["score"]).max() > 1e-3


@pytest.mark.parametrize("stop", [1, 3, 5], ids=["pretraining", "between the stages", "Punzi's loss"])
@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_a_stopped_training_continues_as_if_it_had_not(tmp_path, stop, optimiser):
    settings = peak_settings(optimiser=optimiser, patience=0)
    calls = iter(range(1, 100))
    checkpoint = tmp_path / "checkpoint.npz"
    with pytest.raises(Interrupted):
        fit(settings, checkpoint=checkpoint, stop_reason=lambda: "test" if next(calls) == stop else None)
    resumed, whole = fit(settings, checkpoint=checkpoint), fit(settings)
    for name, found in scores(resumed).items():
        np.testing.assert_array_equal(found, scores(whole)[name])
    np.testing.assert_array_equal(resumed.history["loss"], whole.history["loss"])


def test_the_published_settings_train():
    """Gradient descent, plain sums and a loss in fb, as published; briefly."""
    from cutflow_cli.models.punzi.settings import PRESETS

    short = {"bce_epochs": 2, "epochs": 3, "batch_size": 2000}
    settings = peak_settings(**{**PRESETS["punzi"], **short})
    fitted = fit(settings)
    second = fitted.history["epoch"] > 2
    np.testing.assert_array_equal(fitted.history["loss"][second], fitted.history["loss_punzi"][second])


def test_without_windows_luminosity_and_validation():
    fitted = fit(peak_settings(mass_column=None, windows=None), validation=None, luminosity=None)
    said = " ".join(fitted.warnings)
    assert "σ_min is in produced signal events" in said
    assert "there is no validation split" in said
    assert fitted.resolved["sigma_min_unit"] == "produced events"
    assert all(len(flow.cuts) == 1 for flow in fitted.flows)
    assert set(fitted.tables["hypotheses"]["split"]) == {"train"}


def test_saved_networks_give_the_same_scores(long, tmp_path):
    long.scorer.save(tmp_path)
    loaded = load_scorer(tmp_path, ("u", "v"), 3)
    for name, found in scores(long).items():
        np.testing.assert_array_equal(loaded.scores(peak_sample(seed=5).x)[name], found)
    with pytest.raises(InputError, match="holds 3 networks of 2 features, the run has 4 of 2"):
        load_scorer(tmp_path, ("u", "v"), 4)


def test_the_consensus_is_the_mean_score(long):
    rows = [flow for flow in long.flows if flow.kind == "consensus"]
    assert {flow.replica for flow in rows} == {CONSENSUS_REPLICA}
    best = next(flow for flow in rows if flow.working_point == "best")
    assert best.steps[-1].lower_error is not None
