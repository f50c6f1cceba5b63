"""The published benchmark: its cuts keep the published numbers of our events."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from cutflow_cli.errors import UsageError
from cutflow_cli.events.mock.catalogue import MOCKS
from cutflow_cli.events.mock.plan import plan_mock
from cutflow_cli.events.mock.published import draw
from cutflow_cli.events.mock.write import write_mock
from cutflow_cli.events.schema import SPLITS
from cutflow_cli.events.table import open_events

PUBLISHED = json.loads((Path(__file__).parents[2] / "reference" / "lcf_published_results.json").read_text())
ANCHORS = PUBLISHED["anchors"]
MOCK_NAMES = ("mock1", "mock2", "mock3", "mock4", "mock5", "mock6")


@cache
def published_draw(name):
    (block,) = plan_mock(name).blocks()
    return draw(block)


def kept(columns, features, cuts):
    """Apply cuts in the notation of the reference file; a float32 column meets a float32 boundary."""
    keep = np.ones(len(columns[features[0]]), dtype=bool)
    for feature, cut in zip(features, cuts, strict=True):
        if cut is None:
            continue
        x, v = columns[feature], [np.float32(value) for value in cut[1:]]
        keep &= {
            "lt": lambda x, v: x < v[0],
            "gt": lambda x, v: x > v[0],
            "in": lambda x, v: (v[0] < x) & (x < v[1]),
            "out": lambda x, v: (x < v[0]) | (x > v[1]),
        }[cut[0]](x, v)
    return keep


def features_of(name):
    return [feature.name for feature in MOCKS[name].features]


@pytest.mark.parametrize("anchor", ANCHORS, ids=lambda a: f"{a['dataset']}-{a['model']}-{a['run']}")
def test_published_cuts_keep_the_published_events(anchor):
    name = anchor["dataset"]
    drawn = published_draw(name)
    keep = kept(drawn.columns, features_of(name), anchor["cuts"]) & (drawn.split == SPLITS.index("test"))
    assert np.count_nonzero(keep[:100_000]) == anchor["tp"]
    assert np.count_nonzero(keep[100_000:]) == anchor["fp"]


def test_all_anchors_are_there():
    assert len(ANCHORS) == 13
    assert {anchor["dataset"] for anchor in ANCHORS} == set(MOCK_NAMES)


@pytest.mark.parametrize("name", MOCK_NAMES)
def test_test_half_has_the_published_composition(name):
    tested = published_draw(name).split == SPLITS.index("test")
    signal = 50_130 if name == "mock6" else 49_857
    assert np.count_nonzero(tested[:100_000]) == signal
    assert np.count_nonzero(tested) == 100_000


def test_split_is_that_of_scikit_learn():
    from sklearn.model_selection import train_test_split

    plan = plan_mock("mock2", events=1001, seed=7)
    (block,) = plan.blocks()
    train, test = train_test_split(np.arange(1001), test_size=0.5, random_state=7)
    split = draw(block).split
    assert set(np.flatnonzero(split == SPLITS.index("test"))) == set(test)
    assert set(np.flatnonzero(split == SPLITS.index("train"))) == set(train)


def test_mock6_holds_the_events_of_mock5():
    five, six = published_draw("mock5"), published_draw("mock6")
    for name in features_of("mock5"):
        np.testing.assert_array_equal(five.columns[name], six.columns[name])
    assert not np.array_equal(five.split, six.split)


def test_published_cuts_give_the_published_significance_from_the_file(tmp_path):
    """S/√B = 34.3433 on test, each process scaled by its sum of weights in all splits over that in test."""
    out = tmp_path / "mock1.parquet"
    metadata = write_mock("mock1", out)
    assert all(feature.dtype == "float32" for feature in metadata.features)
    file = open_events(out)
    test = file.load("test")
    assert test.x.dtype == np.float32
    anchor = next(a for a in ANCHORS if (a["dataset"], a["model"], a["run"]) == ("mock1", "lcf_par", 1))
    keep = kept(test.columns, list(file.features), anchor["cuts"])
    yields = {}
    for position, process in enumerate(file.metadata.processes):
        scale = process.total.sumw / process.splits["test"].sumw
        yields[process.role] = scale * test.weight[keep & (test.process == position)].sum()
    # The formula of the paper from the published counts, independently of the file.
    signal = anchor["tp"] / 49_857 * 1e-3 * 3e6
    background = anchor["fp"] / 50_143 * 1.0 * 3e6
    assert yields["signal"] == pytest.approx(signal, rel=1e-12)
    assert yields["background"] == pytest.approx(background, rel=1e-12)
    assert yields["signal"] / np.sqrt(yields["background"]) == pytest.approx(34.34333523411796, rel=1e-8)


def test_two_peaks_are_two_blocks():
    """x3 of background and x4 of signal: the first half from the lower peak, the second from the upper."""
    columns = published_draw("mock1").columns
    for peaks in (columns["x3"][100_000:], columns["x4"][:100_000]):
        for half, mean in ((peaks[:50_000], -5.0), (peaks[50_000:], 5.0)):
            assert half.mean() == pytest.approx(mean, abs=5 * 2 / np.sqrt(50_000))
            assert half.std() == pytest.approx(2.0, abs=5 * 2 / np.sqrt(2 * 50_000))


def test_correlated_features_follow_x1():
    columns = published_draw("mock4").columns
    for name, slope in (("x9", 0.9), ("x10", 0.7)):
        noise = columns[name] - slope * columns["x1"]
        assert noise.std() == pytest.approx(1.0, abs=0.01)
        assert np.corrcoef(noise, columns["x1"])[0, 1] == pytest.approx(0.0, abs=0.01)


def test_blocks_are_the_same_law_but_independent_streams():
    plan = plan_mock("mock6", events=30_001, block_events=10_000)
    blocks = list(plan.blocks())
    assert [sum(block.sizes) for block in blocks] == [7_500, 7_500, 7_500, 7_501]  # three would be too large
    draws = [draw(block) for block in blocks]
    correlation = np.corrcoef([drawn.columns["x1"][:3_000] for drawn in draws]) - np.eye(4)
    assert np.abs(correlation).max() < 5 / np.sqrt(3_000)
    for block, drawn in zip(blocks, draws, strict=True):
        signal = drawn.columns["x1"][: block.sizes[0]]
        assert signal.mean() == pytest.approx(-2.0, abs=5 * 2 / np.sqrt(len(signal)))
        assert np.count_nonzero(drawn.split == SPLITS.index("test")) == -(-sum(block.sizes) // 2)


def test_its_split_can_not_be_chosen():
    from cutflow_cli.events.splits import SplitFractions

    with pytest.raises(UsageError, match="split is part of the publication"):
        plan_mock("mock1", split=SplitFractions(0.6, 0.2, 0.2))
    assert plan_mock("mock1", split=SplitFractions(0.5, 0.0, 0.5)) == plan_mock("mock1")
