"""The whole chain on realistic events, as `make demo` runs it: what is handed over keeps just the events counted."""

import importlib.util
import json

import pandas as pd
import pytest


@pytest.fixture(scope="module")
def chain(run_here, root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chain")

    def run(*arguments):
        done = run_here(*arguments, cwd=folder)
        assert done.returncode == 0, done.stderr
        return done

    run("ingest", root / "examples" / "diboson" / "samples.toml", "--out", "events.parquet")
    for strategy in ("parallel", "sequential"):
        run("train", f"lcf-{strategy}", "events.parquet", "--out", strategy, "--replicas", "3")
        for dialect in ("json", "python"):
            out = f"{strategy}_{'cuts.json' if dialect == 'json' else 'cuts.py'}"
            run("export-cuts", strategy, "--format", dialect, "--out", out)
    run("evaluate", "parallel", "sequential", "--data", "events.parquet", "--out", "report", "--no-figures")
    return folder


def exported_mask(folder, strategy, dialect, events):
    """The exported selection applied by pandas, without a line of the program."""
    if dialect == "python":
        spec = importlib.util.spec_from_file_location("exported", folder / f"{strategy}_cuts.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.select(events)
    (flow,) = json.loads((folder / f"{strategy}_cuts.json").read_text())["cut_flows"]
    mask = pd.Series(data=True, index=events.index)
    for cut in flow["cuts"]:
        x, lower, upper = events[cut["observable"]], cut["lower"], cut["upper"]
        mask &= {
            "below": lambda x, lower, upper: x < upper,
            "above": lambda x, lower, upper: x > lower,
            "inside": lambda x, lower, upper: (x > lower) & (x < upper),
            "outside": lambda x, lower, upper: (x < lower) | (x > upper),
        }[cut["region"]](x, lower, upper)
    return mask.to_numpy()


@pytest.mark.parametrize("strategy", ["parallel", "sequential"])
@pytest.mark.parametrize("dialect", ["json", "python"])
def test_exported_cuts_keep_the_events_that_were_counted(chain, strategy, dialect):
    events = pd.read_parquet(chain / "events.parquet")
    test = events[events["split"] == "test"]
    kept = test[exported_mask(chain, strategy, dialect, test)]
    metrics = pd.read_parquet(chain / "report" / "metrics.parquet")
    rows = metrics[(metrics.run == strategy) & (metrics.kind == "consensus") & (metrics.split == "test")]
    value = rows.set_index("metric").value
    assert (kept.label == 1).sum() == value["tp"] > 1000
    assert (kept.label == 0).sum() == value["fp"] > 50
    # yields are those of the whole sample: each process scaled from what the split holds of it
    scale = events.groupby("process", observed=True).weight.sum() / test.groupby("process", observed=True).weight.sum()
    yields = kept.groupby("process", observed=True).weight.sum() * scale
    assert yields["WW"] + yields["WZ"] == pytest.approx(value["signal_yield"], rel=1e-9)
    assert yields["QCD"] == pytest.approx(value["background_yield"], rel=1e-9)


def test_the_selection_is_one_that_a_physicist_accepts(chain):
    cuts = pd.read_parquet(chain / "sequential" / "cuts.parquet")
    consensus = cuts[(cuts.kind == "consensus") & cuts.active].set_index("observable")
    window = consensus.loc["m_jet"]
    assert window.region == "inside"
    assert 50 < window.lower < 75  # the W at 80 GeV and the Z at 91 GeV are inside
    assert 100 < window.upper < 130
    assert consensus.loc["tau21"].region == "below"  # two prongs
    assert consensus.loc["tau21"].upper < 0.65
