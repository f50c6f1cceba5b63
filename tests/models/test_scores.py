"""Scores as columns of the events: what each is called, computed from, and cut on."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutflow_cli.events.table import open_events
from cutflow_cli.models.scores import SCORING_METHODS, column_name, load_scorer, mean_score, score_columns, with_columns
from cutflow_cli.models.thresholds import score_flows
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut


class Linear:
    """Two scores of two replicas, of features in an order of its own."""

    names = ("score", "pretrained_score")
    features = ("b", "a")

    def scores(self, x):
        assert x.shape[1] == 2
        first = np.stack([x[:, 0] + 10 * x[:, 1], x[:, 0] - 10 * x[:, 1]]).astype(np.float32)
        return {"score": first, "pretrained_score": -first}

    def save(self, directory):
        raise NotImplementedError


@pytest.fixture
def events(tmp_path):
    path = tmp_path / "events.parquet"
    table = {"label": [0, 1, 0, 1, 1], "a": np.arange(5.0, dtype=np.float32), "b": np.ones(5, dtype=np.float32)}
    pq.write_table(pa.table(table), path)
    return open_events(path)


def test_the_consensus_is_the_mean_in_double_precision():
    scores = np.array([[0.1, np.nan, 1e8], [0.2, 0.5, 1.0], [0.3, 0.5, -1e8]], dtype=np.float32)
    got = mean_score(scores)
    assert got.dtype == np.float32
    assert got[0] == pytest.approx(0.2)
    assert np.isnan(got[1])  # one replica without a score leaves none
    assert got[2] == pytest.approx(1 / 3)  # in single precision it would be 0


def test_one_replica_is_its_own_consensus_bit_for_bit():
    scores = np.random.default_rng(0).random((1, 1000)).astype(np.float32)
    assert np.array_equal(mean_score(scores), scores[0])


def test_scores_are_read_like_columns_of_the_file(events):
    derived = events.with_derived([score_columns("net", Linear(), range(3, 5))])
    (batch,) = derived.batches(("net.score", "a", "net.score[3]", "net.score[4]", "net.pretrained_score[4]"))
    a = np.arange(5.0)
    assert list(batch.columns) == ["net.score", "a", "net.score[3]", "net.score[4]", "net.pretrained_score[4]"]
    assert batch.columns["net.score[3]"].tolist() == (1 + 10 * a).tolist()
    assert batch.columns["net.score[4]"].tolist() == (1 - 10 * a).tolist()
    assert batch.columns["net.score"].tolist() == [1.0] * 5
    assert batch.columns["net.pretrained_score[4]"].tolist() == (10 * a - 1).tolist()
    assert all(batch.columns[name].dtype == np.float32 for name in batch.columns)


def test_names_of_columns():
    assert column_name("bdt", "score", None) == "bdt.score"
    assert column_name("runs/bdt", "score", 3) == "runs/bdt.score[3]"
    assert score_columns("r", Linear(), range(1)).inputs == ("b", "a")


def test_each_flow_cuts_on_its_own_column():
    flows = [with_columns(flow, "net", Linear()) for flow in score_flows("score", [0.25, 0.5], 0.75, range(3, 5))]
    assert [flow.observables for flow in flows] == [("net.score[3]",), ("net.score[4]",), ("net.score",)]
    assert [flow.steps[0].cut.lower for flow in flows] == [0.25, 0.5, 0.75]
    assert [flow.replica for flow in flows] == [3, 4, -1]


def test_cuts_on_features_stay_as_they_are():
    window = LearnedCut(Cut("m2_recoil", Region.INSIDE, 1.0, 2.0))
    both = CutFlow((window, LearnedCut(Cut("pretrained_score", Region.ABOVE, 0.5))), kind="consensus", replica=-1)
    got = with_columns(both, "net", Linear())
    assert got.observables == ("m2_recoil", "net.pretrained_score")
    assert got.steps[0] == window


def test_a_method_that_cuts_has_no_scorer(tmp_path):
    assert load_scorer("lcf-parallel", tmp_path, ("a",), 1) is None


@pytest.mark.parametrize("method", sorted(set(SCORING_METHODS) - {"punzi"}))
def test_what_is_not_there_is_named(method, tmp_path):
    from cutflow_cli.errors import InputError

    with pytest.raises(InputError, match="no such file; the run is incomplete, train again"):
        load_scorer(method, tmp_path, ("a", "b"), 1)
