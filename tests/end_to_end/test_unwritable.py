"""An output that can't be written is wrong usage, not worth a retry."""

import sys

import pytest


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_an_output_where_no_file_can_be_made_is_wrong_usage(run_here, tmp_path):
    done = run_here("generate-mock", "--out", "/proc/none.parquet", "gaussians", "--events", "200", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("cutflow: /proc/none.parquet")
    assert "later" not in done.stderr


def test_so_is_a_name_that_is_too_long(run_here, tmp_path):
    done = run_here("generate-mock", "--out", "x" * 300, "gaussians", "--events", "200", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith("file name too long\n")
