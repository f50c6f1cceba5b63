"""What is printed where runs of several methods stand side by side."""

from __future__ import annotations

from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from cutflow_cli.evaluation.evaluate import evaluate_runs
from cutflow_cli.evaluation.numbers import compact
from cutflow_cli.evaluation.present import printed_tables
from cutflow_cli.evaluation.report import read_report
from cutflow_cli.metrics.options import read_options
from cutflow_cli.runs import RunManifest, open_run, write_table

ASIMOV_ON_VALIDATION = ("asimov", "validation", "consensus")


@pytest.fixture
def printed(make_sample, make_run, make_scan, make_score_run, tmp_path):
    """Tables of a network, a scan and a selection, by the beginning of their title."""

    def make(*wanted, amended=None, **options):
        sample = make_sample(events=6000)
        made = {
            "net": lambda: make_score_run("net", sample.path),
            "scan": lambda: make_scan("scan", sample.path),
            "cuts": lambda: make_run("cuts", sample.path),
        }
        runs = [tmp_path / name if (tmp_path / name).exists() else made[name]() for name in wanted]
        if amended is not None:
            amended(runs[0])
        report = evaluate_runs(runs, sample.path, tmp_path / "report", **options)
        tables = list(printed_tables(report, [(run.name, open_run(run)) for run in runs]))
        assert list(printed_tables(read_report(report.path), [(run.name, open_run(run)) for run in runs])) == tables
        return tables, report

    return make


def titled(tables, beginning):
    (table,) = (table for table in tables if table.title.startswith(beginning))
    return table


def test_one_row_for_each_run_comes_first(printed):
    tables, report = printed("net", "scan", "cuts")
    table = tables[0]
    assert table.title.startswith("Runs side by side on ")
    assert table.title.endswith("split test, 300 fb⁻¹")
    assert [row[0] for row in table.rows] == ["net (mlp)", "scan (cabin-scan)", "cuts (lcf-parallel)"]
    assert [row[1] for row in table.rows] == ["score > 0.55", "ε_s=0.5", "its cuts"]
    values = {
        (row.run, row.metric): row.value
        for row in report.consensus
        if row.working_point in ("default", "signal_efficiency=0.5", None)
    }
    columns = dict(zip(table.header, zip(*table.rows, strict=True), strict=True))
    for position, run in enumerate(("net", "scan", "cuts")):
        assert float(columns["ε_s"][position].split("±")[0]) == pytest.approx(
            values[run, "signal_efficiency"], abs=6e-3
        )
        assert float(columns["AUC"][position].split("±")[0]) == pytest.approx(values[run, "auc"], abs=6e-3)
        assert float(columns["R50"][position]) == pytest.approx(values[run, "rejection_at_50"], rel=6e-3)
        assert columns["ACC"][position] == f"{values[run, 'accuracy']:.3f}"
    text = "\n".join(table.footnotes)
    assert "curve of scan: the broken line from (0, 0) through the working points to (1, 1)" in text
    assert "curve of cuts: the broken line from (0, 0) through the selection to (1, 1)" in text


def test_tables_fit_a_page(printed):
    tables, _ = printed("net", "scan", "cuts")
    for table in tables:
        widths = [max(len(part) for part in title.split("\n")) for title in table.header]
        for row in table.rows:
            widths = [max(width, len(cell)) for width, cell in zip(widths, row, strict=True)]
        assert sum(widths) + 3 * (len(widths) - 1) <= 130, table.title


def test_background_at_equal_signal_efficiency(printed):
    tables, report = printed("net", "scan", "cuts")
    table = titled(tables, "Background efficiency at equal signal efficiency")
    assert table.header == ("ε_s", "0.1", "0.3", "0.5", "0.7", "0.9")
    assert [row[0] for row in table.rows] == ["net", "scan"]  # a single selection has no curve to speak of
    table = titled(tables, "Background efficiency at the signal efficiency of each selection")
    assert [row[0] for row in table.rows] == ["the selection", "net", "scan"]
    (own,) = (row for row in report.headline if (row.run, row.metric) == ("cuts", "background_efficiency"))
    assert float(table.rows[0][1].split("±")[0]) == pytest.approx(own.value, abs=6e-3)
    assert table.header[1].startswith("cuts\nε_s = 0.")


def test_only_tables_with_maxima_say_what_those_are_worth(make_sample, make_run, make_score_run, tmp_path):
    sample = make_sample(events=6000)
    names = [f"a_selection_with_a_long_name_{number}" for number in range(4)]
    runs = [make_score_run("net", sample.path), *(make_run(name, sample.path) for name in names)]
    report = evaluate_runs(runs, sample.path, tmp_path / "report")
    tables = printed_tables(report, [(run.name, open_run(run)) for run in runs])
    found = [table for table in tables if table.title.startswith("Consensus on /")]
    said = [any(line.startswith("max: ") for line in table.footnotes) for table in found]
    assert said == [any(row[0].startswith("max ") for row in table.rows) for table in found]
    assert set(said) == {False, True}


def test_single_selections_are_not_compared_as_curves(printed):
    tables, _ = printed("cuts")
    assert tables[0].title.startswith("Selection cuts")
    assert not any(table.title.startswith(("Runs side", "Background eff")) for table in tables)
    metrics = titled(tables, "Consensus on /")
    assert "AUC" not in [row[0] for row in metrics.rows]


def test_working_points_of_a_scan(printed):
    tables, _ = printed("scan")
    table = titled(tables, "Working points of scan: cabin-scan")
    assert table.header == (
        "", "ε_s", "ε_b", "Asimov Z", "free ε_b\n(train)", "price\n(train)", "Asimov Z\n(validation)",
    )  # fmt: skip
    assert [row[0] for row in table.rows] == ["ε_s=0.2", "ε_s=0.5 *", "ε_s=0.8"]
    assert [row[4:6] for row in table.rows] == [("0.01", "0.001"), ("0.05", "0.002"), ("0.2", "0.003")]
    assert "* recommended" in table.footnotes[0]
    assert "price below 0" not in "\n".join(table.footnotes)


def test_figure_of_a_scan_on_validation_has_the_uncertainty_of_the_evaluation(printed):
    for options, chosen in (
        ({}, "best on validation, of those with 10 effective background events there"),
        ({"options": read_options(["0.3"])}, "best on validation, with σ_B = MC statistics, of those with 10 "),
    ):
        tables, report = printed("scan", force=True, **options)
        table = titled(tables, "Working points of scan")
        rows = [row for row in report.metrics if (row.metric, row.split, row.kind) == ASIMOV_ON_VALIDATION]
        few, *enough = rows
        assert few.value is None
        mark = next(note.split()[0] for note in table.footnotes if note.endswith(few.reason))
        assert [row[6] for row in table.rows] == [
            f"– {mark}", *(compact(row.value, row.stat_error) for row in enough)
        ]  # fmt: skip
        assert chosen in table.footnotes[1]


def test_figure_of_a_scan_on_other_events_is_that_of_its_training(printed, make_scan):
    def other(directory):
        manifest = RunManifest.read(directory)
        replace(manifest, data={**manifest.data, "digest": "another"}).write(directory)
        table = pq.read_table(directory / "working_points.parquet")
        effective = [None, None, None, 30.0, 12.0, 3.0]
        write_table(
            directory / "working_points.parquet", {**table.to_pydict(), "validation_effective_background": effective}
        )

    tables, _ = printed("scan", amended=other, options=read_options(["0.3"]))
    table = titled(tables, "Working points of scan")
    *known, few = (row[6] for row in table.rows)
    assert known == ["1.25", "2.5"]
    (note,) = (note for note in table.footnotes if note.startswith(few.removeprefix("– ")))
    assert note.endswith("only 3 effective background events are left, fewer than 10")
    assert "Asimov Z (validation): of the training, σ_B = MC statistics" in table.footnotes


def test_a_negative_price_is_explained(printed):
    def cheaper(directory):
        table = pq.read_table(directory / "working_points.parquet").to_pydict()
        write_table(directory / "working_points.parquet", {**table, "price": [-0.001, 0.002, 0.003, None, None, None]})

    tables, _ = printed("scan", amended=cheaper)
    assert any(note.startswith("price below 0: ") for note in titled(tables, "Working points of scan").footnotes)


def test_only_the_quoted_working_point_is_shown_in_detail(printed):
    tables, _ = printed("scan", "cuts", working_point="signal_efficiency=0.8")
    assert [row[0] for row in titled(tables, "Working points").rows] == ["ε_s=0.2", "ε_s=0.5", "ε_s=0.8 *"]
    assert "* quoted" in titled(tables, "Working points").footnotes[0]
    for beginning in ("Selection scan signal_efficiency=0.8", "Cut flow scan signal_efficiency=0.8"):
        assert titled(tables, beginning)
    assert sum(table.title.startswith("Cut flow scan") for table in tables) == 1
    metrics = titled(tables, "Consensus on /")
    assert metrics.header == ("", "scan signal_efficiency=0.8", "cuts")
    cells = {row[0]: row[1:] for row in metrics.rows}
    assert cells["AUC"][0] != "–" == cells["AUC"][1]


def test_a_score_has_no_table_of_cuts(printed):
    tables, _ = printed("net")
    assert not any(table.title.startswith("Selection") for table in tables)
    flow = titled(tables, "Cut flow net")
    assert "  score > 0.55" in [row[0] for row in flow.rows]
    compared = titled(tables, "Consensus on train against test")
    assert [row[0] for row in compared.rows][-1] == "net  AUC"
