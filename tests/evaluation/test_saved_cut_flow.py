"""Two saved cut flows: the same events, independent ones, other cuts."""

from __future__ import annotations

import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cutflow_cli.app import app
from cutflow_cli.errors import CutflowError, InputError, NegativeAnswer, UsageError
from cutflow_cli.evaluation.evaluate import evaluate_runs
from cutflow_cli.evaluation.saved_cut_flow import compare_cut_flows


@pytest.fixture
def report(make_sample, make_run, tmp_path):
    """Evaluate a run with some boundaries on events of some seed."""

    def make(name, *, seed=0, boundaries=((0.0, 0.5),), runs=("par",), split="test", **options):
        sample = make_sample(f"{name}.parquet", seed=seed, **options)
        made = [make_run(f"{name}/{run}", sample.path, boundaries) for run in runs]
        evaluate_runs(made, sample.path, tmp_path / f"report-{name}", split=split)
        return tmp_path / f"report-{name}"

    return make


def change(path, column, value, position, process="QCD", **also):
    """Change some cells of the quoted cut flow of a report."""
    table = pq.read_table(path / "cutflow.parquet")
    rows = table.to_pylist()
    for row in rows:
        if (row["kind"], row["split"], row["position"], row["process"]) == ("consensus", "test", position, process):
            row |= {column: value(row[column]), **also}
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path / "cutflow.parquet")


def test_the_same_report_agrees_exactly(report):
    path = report("a")
    found = compare_cut_flows(path, path)
    assert found.exact
    assert found.same_events
    assert found.split == "test"
    assert found.total == 3 * 5  # positions, and two classes of two and one processes
    assert found.differing == ()


def test_one_event_more_of_the_same_events_differs(report):
    path, other = report("a"), report("b")  # the same seed: the same events in another file
    assert compare_cut_flows(path, other).same_events
    assert compare_cut_flows(path, other).differing == ()
    change(other, "n_raw", lambda n: n + 1, 2)
    assert compare_cut_flows(path, other, exact=False).differing == ()
    ((pair, found),) = compare_cut_flows(path, other).differing
    assert pair == ("par", "par")
    assert (found.position, found.process, found.n_second - found.n_first) == (2, "QCD", 1)


def test_independent_events_agree_within_statistics(report):
    path, other = report("a"), report("b", seed=1)
    found = compare_cut_flows(path, other)
    assert found.differing == ()
    assert not found.exact
    for one in found.differences[0]:
        error = math.hypot(one.first_error, one.second_error)
        assert one.pull == pytest.approx((one.second - one.first) / error)
    assert compare_cut_flows(path, other, exact=True).differing
    assert compare_cut_flows(path, other, sigma=1e-3).differing


@pytest.mark.parametrize(
    ("column", "error", "also"),
    [
        ("yield", "yield_error", {}),
        ("efficiency_cumulative", "efficiency_cumulative_error", {}),
        ("yield", "yield_error", {"yield": None}),
    ],
)
def test_yields_and_efficiencies_beyond_statistics_differ(report, column, error, also):
    path, other = report("a"), report("b")
    rows = pq.read_table(path / "cutflow.parquet").to_pylist()
    size = next(
        row[error]
        for row in rows
        if (row["kind"], row["split"], row["position"], row["process"]) == ("consensus", "test", 2, "QCD")
    )
    change(other, column, lambda value: value + 6.0 * size, 2, **also)
    ((_, found),) = compare_cut_flows(path, other, exact=False).differing
    assert (found.position, found.process) == (2, "QCD")
    assert compare_cut_flows(path, other, exact=False, sigma=4.3).differing == (
        () if not also else ((("par",) * 2, found),)
    )


def test_other_cuts_are_an_error_that_shows_the_nearest(report):
    path = report("a")
    other = report("b", boundaries=((0.25, 0.5),))
    with pytest.raises(InputError, match=r"par has no cut 'x > 0.0', which .* has; did you mean x > 0.25\?"):
        compare_cut_flows(path, other)


def test_another_order_or_process_is_an_error(report):
    path, other = report("a"), report("b")
    for column, first, second in (("cut", "y < 0.5", "x > 0.0"),):
        table = pq.read_table(other / "cutflow.parquet")
        rows = table.to_pylist()
        for row in rows:
            row[column] = {1: first, 2: second}.get(row["position"], row[column])
        pq.write_table(pa.Table.from_pylist(rows, table.schema), other / "cutflow.parquet")
    with pytest.raises(InputError, match=r"in another order; 'y < 0.5' comes where 'x > 0.0' is there"):
        compare_cut_flows(path, other)
    renamed = report("c")
    for position in range(3):
        change(renamed, "process", lambda _: "QDC", position)
    with pytest.raises(InputError, match=r"has no process 'QCD', which .* did you mean QDC\?"):
        compare_cut_flows(path, renamed)


def test_runs_are_matched_by_name_or_as_told(report):
    both, other = report("a", runs=("par", "seq")), report("b", runs=("par", "cc"))
    assert compare_cut_flows(both, other).runs == (("par", "par"),)
    assert compare_cut_flows(both, other, runs=("seq", "cc"), exact=True).differing == ()
    with pytest.raises(UsageError, match=r"which runs are to be compared.*par, seq.*--first-run"):
        compare_cut_flows(both, other, runs=("seq", None))
    with pytest.raises(UsageError, match=r"--first-run sq: .* no such run; did you mean seq\?"):
        compare_cut_flows(both, other, runs=("sq", None))


def test_a_table_alone_says_what_it_counts(report):
    path = report("a", split="validation")
    table = (path / "cutflow.parquet").rename(path / "copy.parquet")
    found = compare_cut_flows(table, table)
    assert (found.split, found.exact, found.same_events) == ("validation", True, True)
    assert compare_cut_flows(table, table, split="train").split == "train"


def test_a_table_that_another_program_wrote_is_compared_on_the_test_split(report):
    table = report("a") / "cutflow.parquet"
    pq.write_table(pq.read_table(table).replace_schema_metadata(None), table)
    found = compare_cut_flows(table, table)
    assert (found.split, found.exact, found.same_events) == ("test", False, False)


def test_refusals(report, tmp_path):
    path = report("a", shares=(0.5, 0.0, 0.5))
    (tmp_path / "empty").mkdir()
    for arguments, options, error, message in (
        ((path, tmp_path / "empty"), {}, InputError, "holds no cutflow.parquet; `cutflow evaluate` makes one"),
        ((path, tmp_path / "no.parquet"), {}, InputError, "no.parquet: no such file"),
        ((path, path / "metrics.parquet"), {}, InputError, r"not a cut flow of .*no column 'position'; another"),
        ((path, path), {"sigma": 0.0}, UsageError, "--sigma 0"),
        ((path, path), {"split": "tset"}, UsageError, "did you mean test"),
        ((path, path), {"split": "validation"}, InputError, "no cut flow on split 'validation'"),
    ):
        with pytest.raises(error, match=message):
            compare_cut_flows(*arguments, **options)


def test_command(report):
    path, other = report("a"), report("b", seed=1)
    run = CliRunner().invoke
    same = run(app, ["compare", str(path), str(path)])
    assert same.exit_code == 0
    assert same.stdout.splitlines()[-1] == "all 15 rows agree exactly"
    assert "both count the same events" in same.stdout
    statistical = run(app, ["compare", str(path), str(other)])
    assert "of efficiency" in statistical.stdout
    assert statistical.stdout.splitlines()[-1] == "all 15 rows agree within 3 standard deviations"
    differs = run(app, ["compare", str(path), str(other), "--exact", "--json"])
    assert isinstance(differs.exception, NegativeAnswer)
    assert differs.exception.exit_code == 4
    assert '"agree": false' in differs.stdout
    assert isinstance(run(app, ["compare", str(path), "nothing"]).exception, CutflowError)
