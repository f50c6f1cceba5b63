"""The options on how figures look, as they are typed."""

import pytest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--no-figures", "--style", "CMS"), "--style is about figures, but --no-figures draws none"),
        (("--no-figures", "--no-log"), "--log/--no-log is about figures, but --no-figures draws none"),
        (("--style", "cms"), "--style cms: no such style; did you mean CMS"),
        (("--lumi", "-1"), "--lumi -1: a luminosity is above 0"),
    ],
)
def test_options_that_can_not_be_followed_are_refused(run_here, tmp_path, options, message):
    done = run_here("evaluate", "run", "--data", "no.parquet", "--out", tmp_path / "report", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "report").exists()
