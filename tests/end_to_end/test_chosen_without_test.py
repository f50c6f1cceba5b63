"""What is learned, thresholds included, does not depend on the test split: it is there to judge what was chosen."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutflow_cli.runs import open_run

METHODS = {
    "bdt": ("--trees", "10", "--threads", "1", "--device", "cpu"),
    "cut-and-count": (),
}


def events(path, other=None):
    """Write events; those of one split are others, of swapped classes, if wanted."""
    rng = np.random.default_rng(8)
    label = np.arange(3000) % 2
    split = np.array(["train", "validation", "test"])[rng.choice(3, 3000, p=[0.5, 0.25, 0.25])]
    x, y = rng.normal(1.5 * label), rng.normal(-0.5 * label)
    if other is not None:
        here = split == other
        x[here] = rng.normal(0.7 - 1.5 * label[here], 2.0)
    pq.write_table(pa.table({"x": x, "y": y, "label": label, "split": split}), path)
    return path


@pytest.mark.parametrize("method", METHODS)
def test_cuts_depend_on_train_and_validation_alone(run_here, tmp_path, method):
    flows = {}
    for other in (None, "test", "validation"):
        data = events(tmp_path / f"{other}.parquet", other)
        out = tmp_path / f"run-{other}"
        done = run_here("train", method, data, "--features", "x,y", "--out", out, *METHODS[method], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        flows[other] = [[step.cut for step in flow.steps] for flow in open_run(out).flows]
    assert flows["test"] == flows[None]
    if method != "cut-and-count":  # which chooses its cuts on the training split
        assert flows["validation"] != flows[None]
