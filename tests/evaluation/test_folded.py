"""Runs with folds: every event is judged by the training that did not see it, and all of them count."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutflow_cli.errors import UsageError
from cutflow_cli.evaluation.evaluate import evaluate_runs
from cutflow_cli.evaluation.folded import FoldedCut
from cutflow_cli.evaluation.inputs import open_scorer, printed_runs
from cutflow_cli.evaluation.present import printed_tables
from cutflow_cli.events.folds import Folds
from cutflow_cli.events.table import open_events
from cutflow_cli.metrics.options import FigureOptions
from cutflow_cli.models.bdt.model import BoostedTrees
from cutflow_cli.models.bdt.settings import BdtSettings
from cutflow_cli.models.cut_and_count.model import CutAndCount
from cutflow_cli.models.cut_and_count.settings import CutAndCountSettings
from cutflow_cli.models.folds import run_folds
from cutflow_cli.models.plan import TrainingPlan
from cutflow_cli.models.training import run_training
from cutflow_cli.runs import open_run
from cutflow_cli.selection.binned import BinnedCut
from cutflow_cli.selection.cut import Cut, Region

EVENTS = 900
FOLDS = Folds(3, seed=4, validation=0.25)
FEATURES = ("a", "b")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(8)
    label = (np.arange(EVENTS) % 3 == 0).astype(int)
    path = tmp_path_factory.mktemp("folded") / "events.parquet"
    columns = {
        "label": label,
        "a": rng.normal(label * 1.5),
        "b": rng.normal(-label),
        "weight": rng.uniform(1, 2, EVENTS),
    }
    split = rng.choice(["train", "validation", "test"], EVENTS, p=[0.5, 0.2, 0.3])
    pq.write_table(pa.table({**columns, "split": split}), path)
    return path


@pytest.fixture(scope="module")
def runs(data):
    def plan(name, method):
        return TrainingPlan(name, method, data, data.parent / name, features=FEATURES, replicas=range(1), device="cpu")

    count = plan("cut-and-count", CutAndCount(CutAndCountSettings(min_effective_events=2)))
    trees = plan("bdt", BoostedTrees(BdtSettings(trees=8, depth=2, min_effective_events=2)))
    run_training(TrainingPlan(**{**_fields(count), "out": data.parent / "plain"}))
    return {name: run_folds(one, FOLDS).run for name, one in (("count", count), ("bdt", trees))}


def _fields(plan):
    return {name: getattr(plan, name) for name in type(plan).__dataclass_fields__}


def kept_by_hand(run, columns, folds):
    """Apply to each event the consensus of the fold that it is in."""
    kept = np.zeros(EVENTS, dtype=bool)
    for number, one in enumerate(run.folds):
        flow = next(flow for flow in one.flows if flow.kind == "consensus")
        rows = folds.of_rows(np.arange(EVENTS)) == number
        here = {name: values[rows] for name, values in columns.items()}
        kept[rows] = flow.rounded(dict.fromkeys(here, "float64")).mask(here, int(rows.sum()))
    return kept


def evaluated(runs, data, out, **options):
    return evaluate_runs(
        [run.path for run in runs], data, out, options=FigureOptions(min_effective_events=0), **options
    )


def number(report, run, metric):
    return next(row.value for row in report.headline if (row.run, row.metric) == (run, metric))


def test_each_event_passes_the_cuts_of_its_own_fold(runs, data, tmp_path):
    report = evaluated([runs["count"]], data, tmp_path / "report")
    table = pq.read_table(data)
    columns = {name: table.column(name).to_numpy() for name in (*FEATURES, "label", "weight")}
    kept = kept_by_hand(runs["count"], columns, FOLDS)
    signal = columns["label"] == 1
    assert 0 < kept.sum() < EVENTS
    assert number(report, "cut-and-count", "tp") == (kept & signal).sum()
    assert number(report, "cut-and-count", "fp") == (kept & ~signal).sum()
    assert number(report, "cut-and-count", "signal_yield") == pytest.approx(columns["weight"][kept & signal].sum())
    assert {row.split for row in report.metrics} == {"test"}
    last = [row for row in report.cut_flow if row.kind == "consensus" and row.process == "signal"][-1]
    assert last.n_raw == (kept & signal).sum()
    assert last.n_eff > 0
    assert "by fold" in last.cut
    assert report.n_minus_1
    assert not [row for row in report.stability if row.position]  # there is no boundary to move


def test_each_event_has_the_score_of_the_training_that_did_not_see_it(runs, data, tmp_path):
    report = evaluated([runs["bdt"]], data, tmp_path / "report")
    events = open_events(data, FEATURES)
    x = np.concatenate([np.stack([batch.columns[name] for name in FEATURES], axis=1) for batch in events.batches()])
    label = pq.read_table(data).column("label").to_numpy()
    kept = np.zeros(EVENTS, dtype=bool)
    fold = FOLDS.of_rows(np.arange(EVENTS))
    for position, one in enumerate(runs["bdt"].folds):
        flow = next(flow for flow in one.flows if flow.kind == "consensus")
        score = open_scorer(one).scores(x)["score"].mean(axis=0, dtype=np.float64).astype(np.float32)
        kept |= (fold == position) & flow.mask({"score": score}, EVENTS)
    assert number(report, "bdt", "tp") == (kept & (label == 1)).sum()
    assert number(report, "bdt", "fp") == (kept & (label == 0)).sum()
    auc = next(row.value for row in report.consensus if row.metric == "auc")
    assert 0.6 < auc < 1
    assert any(row.curve == "score" for row in report.roc)


def test_beside_a_run_without_folds_its_test_split_is_quoted(runs, data, tmp_path):
    report = evaluated([runs["count"], open_run(data.parent / "plain")], data, tmp_path / "report")
    table = pq.read_table(data)
    columns = {name: table.column(name).to_numpy() for name in (*FEATURES, "label", "weight")}
    test = table.column("split").to_numpy() == "test"
    kept = kept_by_hand(runs["count"], columns, FOLDS) & test
    assert number(report, "cut-and-count", "tp") == (kept & (columns["label"] == 1)).sum()
    assert any("the quoted split is that of the others" in note for note in report.manifest.notes)


def test_one_fold_is_a_run_whose_test_split_is_what_it_did_not_see(runs, data, tmp_path):
    report = evaluated([runs["count"].folds[1]], data, tmp_path / "report")
    rows = [row for row in report.cut_flow if row.split == "test" and row.position == 0 and row.kind == "consensus"]
    assert (
        sum(row.n_raw for row in rows if row.process in ("signal", "background"))
        == (FOLDS.of_rows(np.arange(EVENTS)) == 1).sum()
    )
    with pytest.raises(UsageError, match="the runs leave out different folds; evaluate them one by one"):
        evaluated(runs["count"].folds[:2], data, tmp_path / "other")


def test_printed_tables_show_what_is_applied(runs, data, tmp_path):
    report = evaluated(list(runs.values()), data, tmp_path / "report")
    shown = list(printed_tables(report, printed_runs(report.manifest.runs)))
    selection = next(table for table in shown if table.title.startswith("Selection cut-and-count"))
    assert "3 folds" in selection.title
    assert any("…" in row[0] and "by fold" in row[0] for row in selection.rows)
    cut_flow = next(table for table in shown if table.title.startswith("Cut flow cut-and-count"))
    assert any("by fold" in row[0] for row in cut_flow.rows)
    assert any("each event is judged by the training that did not see it" in note for note in report.manifest.notes)


def test_cuts_in_bins_differ_by_bin_and_fold():
    def cut(values):
        members = [Cut("m", Region.ALL if one is None else Region.ABOVE, one) for one in values]
        return BinnedCut.of("pt", (0, 1, 2), members)

    folded = FoldedCut("column", Region.ABOVE, 0.5, None, (cut([1.0, 2.5]), cut([None, 3.0]), None))
    assert str(folded) == "m > 1.0…3.0, by pt and fold in 2 of 3"
    assert str(folded.text(lambda value: f"{value:.0f}")) == "m > 1…3, by pt and fold in 2 of 3"
