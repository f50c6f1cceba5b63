"""The mock `gaussians` follows the law that it documents."""

import numpy as np
import pytest

from cutflow_cli.events.mock.gaussians import draw, parameters
from cutflow_cli.events.mock.plan import plan_mock


def test_events_follow_the_documented_parameters():
    plan = plan_mock("gaussians", events=100_000, seed=5, features_count=3)
    (block,) = plan.blocks()
    columns = draw(block).columns
    law = parameters(5, 3)
    assert list(columns) == ["x1", "x2", "x3"]
    for i, values in enumerate(columns.values()):
        for process, rows in enumerate((slice(0, 50_000), slice(50_000, None))):
            width = law.width[process, i]
            assert values[rows].mean() == pytest.approx(law.mean[process, i], abs=5 * width / np.sqrt(50_000))
            assert values[rows].std() == pytest.approx(width, abs=5 * width / np.sqrt(100_000))
    matrix = np.corrcoef([values[:50_000] for values in columns.values()])
    assert np.abs(matrix - np.eye(3)).max() < 5 / np.sqrt(50_000)


def test_parameters_are_in_range_and_do_not_depend_on_the_number_of_features():
    few, many = parameters(1, 4), parameters(1, 200)
    np.testing.assert_array_equal(few.mean, many.mean[:, :4])
    np.testing.assert_array_equal(few.width, many.width[:, :4])
    assert many.mean.min() >= -1
    assert many.mean.max() <= 1
    assert many.width.min() >= 0.5
    assert many.width.max() <= 1.5
    assert many.mean.std() == pytest.approx(2 / np.sqrt(12), rel=0.1)
    assert many.width.std() == pytest.approx(1 / np.sqrt(12), rel=0.1)
    assert not np.array_equal(parameters(2, 4).mean, few.mean)


def test_default_has_ten_features_and_20000_events_per_class():
    plan = plan_mock("gaussians")
    assert plan.events == (20_000, 20_000)
    assert len(plan.features) == 10
