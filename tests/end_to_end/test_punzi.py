"""`cutflow train punzi` as a user types it, on the imitated search and on the generated sample."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

QUICK = ("--replicas", "2", "--bce-epochs", "3", "--epochs", "4", "--seed", "1", "--device", "cpu")
WIDTHS = "gen_mass,width\n" + "".join(f"{mass / 2},0.2\n" for mass in range(1, 18))


@pytest.fixture(scope="module")
def events(run_here, tmp_path_factory):
    """The imitated search, small."""
    path = tmp_path_factory.mktemp("events") / "zprime.parquet"
    assert run_here("generate-mock", "zprime", "--out", path, "--events", "30000", "--seed", "1").returncode == 0
    return path


@pytest.fixture(scope="module")
def widths(tmp_path_factory):
    path = tmp_path_factory.mktemp("widths") / "widths.csv"
    path.write_text(WIDTHS)
    return path


def one_line(done, code, *words):
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    for word in words:
        assert word in line


def test_a_search_is_trained_evaluated_and_exported(run_here, events, widths, tmp_path):
    out = tmp_path / "run"
    command = ("train", "punzi", events, "--out", out, "--mass-column", "m2_recoil", "--windows", widths, *QUICK)
    command += ("--holdout-hypotheses", "every-second", "--generated-events", "5000")
    done = run_here(*command)
    assert done.returncode == 0, done.stderr
    assert "held out, not trained on: 1, 2, 3" in done.stderr
    assert "lie in no window of a trained hypothesis and were left out" in done.stderr
    assert "score > 0.5" in done.stdout
    manifest = json.loads((out / "run.json").read_text())
    assert manifest["recommended"] == "fixed"
    assert manifest["settings"]["sigma_min_unit"] == "fb"
    assert manifest["settings"]["luminosity"] == 50.0
    table = pq.read_table(out / "hypotheses.parquet").to_pandas()
    # 17 masses, 2 networks, 2 cuts, 2 replicas and their consensus, 2 splits
    assert len(table) == 17 * 2 * 2 * 3 * 2
    assert (table["signal_efficiency"] <= 1).all()
    assert "already done" in run_here(*command).stderr

    report = run_here("evaluate", out, "--data", events, "--out", tmp_path / "report", "--no-figures")
    assert report.returncode in (0, 4), report.stderr
    assert "held-out hypotheses" in report.stdout
    metrics = pq.read_table(tmp_path / "report" / "metrics.parquet").to_pandas()
    found = metrics[(metrics.metric == "punzi_sigma_min") & (metrics.kind == "consensus") & (metrics.split == "test")]
    assert set(found.working_point) == {"fixed", "best", "pretrained_fixed", "pretrained_best"}
    assert np.isfinite(found[found.working_point == "pretrained_fixed"].value).all()

    validation = metrics[(metrics.metric == "punzi_sigma_min") & (metrics.split == "validation")]
    if len(validation):  # the same number in two ways
        mine = table[(table.split == "validation") & (table.replica == -1) & (table.cut == "fixed")]
        mine = mine[mine.network == "punzi"].set_index("hypothesis").sigma_min
        theirs = validation[(validation.working_point == "fixed") & (validation.kind == "consensus")]
        theirs = theirs.set_index("hypothesis").value
        np.testing.assert_allclose(mine, theirs[mine.index], rtol=1e-6)

    cuts = run_here("export-cuts", out, "--format", "json", "--working-point", "best", "--hypothesis", "2.5")
    assert cuts.returncode == 0, cuts.stderr
    (flow,) = json.loads(cuts.stdout)["cut_flows"]
    assert [cut["observable"] for cut in flow["cuts"]] == ["m2_recoil", "score"]
    assert flow["cuts"][0]["lower"] == float(np.float32(6.25 - 0.4))


def test_bad_input_is_one_line(run_here, events, widths, tmp_path):
    def train(*options):
        return run_here("train", "punzi", events, "--out", tmp_path / "run", *options)

    few = tmp_path / "few.csv"
    few.write_text("".join(f"{line}\n" for line in WIDTHS.splitlines()[:-1]))
    one_line(train("--mass-column", "m2_recoil", "--windows", few), 3, "no row for hypothesis 8.5", "add it")
    one_line(train("--mass-column", "m_recol"), 3, "m_recol", "m_recoil")
    windows = ("--mass-column", "m2_recoil", "--windows", str(widths))
    one_line(train(*windows, "--holdout-hypotheses", "9"), 2, "--holdout-hypotheses 9", "no signal event")
    one_line(train(*windows, "--generated-events", "10"), 3, "but 10 generated", "--generated-events")
    assert not (tmp_path / "run").exists()


def test_a_sample_without_masses_is_one_hypothesis(run_here, tmp_path):
    """Nor has it a luminosity, or a validation split."""
    events = tmp_path / "mock1.parquet"
    assert run_here("generate-mock", "mock1", "--out", events, "--events", "3000").returncode == 0
    done = run_here("train", "punzi", events, "--out", tmp_path / "run", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "there is no validation split" in done.stderr
    assert "score > 0.5" in done.stdout


def test_the_generated_sample_gains_from_its_loss(run_here, root, tmp_path):
    """Briefly trained, on the sample of EPJ C 82:121's search: one cut for all does better after the second stage."""
    data = root.parent / "shared" / "data"
    if not (data / "zprime.parquet").is_file():
        pytest.skip("the generated zprime sample is not beside the checkout")
    events = tmp_path / "events.parquet"
    ingested = run_here("ingest", root / "examples" / "zprime" / "samples.toml", "--out", events)
    assert ingested.returncode == 0, ingested.stderr
    out = tmp_path / "run"
    done = run_here(
        "train", "punzi", events, "--out", out, "--mass-column", "m2_recoil", "--windows", data / "widths.csv",
        "--generated-events", "10000", "--replicas", "1", "--bce-epochs", "3", "--epochs", "12", "--seed", "1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = pq.read_table(out / "hypotheses.parquet").to_pandas()
    fixed = table[(table.split == "validation") & (table.cut == "fixed") & (table.replica == -1)]
    mean = fixed.groupby("network").sigma_min.mean()
    assert mean["punzi"] < 0.92 * mean["pretrained"]
    window = pq.read_table(out / "cuts.parquet").to_pandas().query("hypothesis == 0.5 and observable == 'm2_recoil'")
    assert window.lower.unique() == pytest.approx(0.26094 - 2 * 0.088437, abs=1e-6)
