"""`report.html`: whole, safe, the same each time, and every number of its tables in the files beside it."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from html_numbers import Numbers, parsed, read_page
from variation_files import write_varied

from cutflow_cli.errors import InputError
from cutflow_cli.evaluation import evaluate as evaluation
from cutflow_cli.evaluation.evaluate import evaluate_runs
from cutflow_cli.evaluation.html import pictures
from cutflow_cli.evaluation.html.layout import lay_out
from cutflow_cli.evaluation.html.page import PAGE
from cutflow_cli.evaluation.html.pictures import describe
from cutflow_cli.evaluation.printed import PrintedTable
from cutflow_cli.events.folds import Folds
from cutflow_cli.events.schema import FeatureInfo, ProcessInfo
from cutflow_cli.models.cut_and_count.model import CutAndCount
from cutflow_cli.models.cut_and_count.settings import CutAndCountSettings
from cutflow_cli.models.folds import run_folds
from cutflow_cli.models.plan import TrainingPlan
from cutflow_cli.models.thresholds import score_flows
from cutflow_cli.plots.look import Look
from cutflow_cli.runs import RunManifest, write_table
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import LearnedCut

CUTS = (
    '{"schema_version": 1, "cut_flows": [{"working_point": "default", "cuts": ["-0.25 < x < 3.25", "abs(y) < 1.5"]}]}'
)


@pytest.fixture
def seven(make_sample, make_run, make_scan, make_score_run, tmp_path):
    """Evaluate a run of each kind, and cuts from a file."""
    sample = make_sample()
    runs = [
        make_score_run("net", sample.path),
        make_scan("scan", sample.path),
        make_run("cuts", sample.path, [(0.0, 0.5), (0.1, 0.6), (0.2, 0.4)]),
    ]
    own = tmp_path / "mine.json"
    own.write_text(CUTS)

    def make(out="report", **options):
        return evaluate_runs(runs, sample.path, tmp_path / out, cuts=[own], **options)

    return make


@pytest.fixture
def masses(make_sample, make_score_run, tmp_path):
    """Evaluate a run with a selection for each of many masses, one of them held out."""
    points = (1.0, 2.0, 3.0, 4.0, 5.0)
    sample = make_sample(events=6000, hypotheses=points)
    flows = []
    for mass in points:
        window = LearnedCut(Cut("y", Region.INSIDE, -2.0 - 0.1 * mass, 1.0 + 0.1 * mass))
        for flow in score_flows("score", [0.5, 0.52], 0.51, range(2)):
            flows.append(replace(flow, steps=(window, *flow.steps), working_point="fixed", hypothesis=mass))
    run = make_score_run(
        "heavy", sample.path, flows=flows, method="punzi", recommended="fixed",
        settings={"luminosity": 50.0, "a": 3.0, "b": 1.28155, "windows": [{"mass": 1.0, "width": 0.1}]},
    )  # fmt: skip
    write_table(run / "hypotheses.parquet", {"hypothesis": list(points), "held_out": [mass == 2.0 for mass in points]})
    return evaluate_runs([run], sample.path, tmp_path / "report")


def text_of(report):
    return (report.path / PAGE).read_text(encoding="utf-8")


def test_the_page_is_whole_and_needs_nothing_else(seven):
    page = read_page(text_of(seven()))
    assert not page.open_tags
    assert page.language == "en"
    assert page.title.startswith("4 selections on ")
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert all(count == 1 for count in Counter(page.ids).values())
    assert page.links
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    assert all(reference in page.ids for reference in page.references)
    assert page.headers
    assert all("scope" in header for header in page.headers)
    for said in (
        "Warnings and notes", "Runs", "Tables", "Preselection", "Provenance", "Boundaries moved",
        "x > 0.1", "y < 0.5", "-0.25 < x < 3.25: upper", "abs(y) < 1.5", "score > 0.55",
        "signal_efficiency=0.5 (recommended)", "not trained: cuts read from a file", "QCD",
    ):  # fmt: skip
        assert said in page.text, said
    places = [
        page.ids.index(one) for one in ("summary-table", "remarks", "runs", "tables", "preselection", "provenance")
    ]
    assert places == sorted(places)
    assert page.images == []
    assert "#figures" not in page.links


def test_every_number_of_every_table_is_in_the_files(seven):
    report = seven()
    page = read_page(text_of(report))
    known = Numbers.of(report.path)
    cells = [cell for table in page.tables for row in table.rows for cell in row]
    assert len([cell for cell in cells if parsed(cell)]) > 500
    assert missing_numbers(report) == []
    notes = {note for table in page.tables for note in table.marks}
    assert notes <= known.reasons
    for wrong in ("0.51234±0.00043", "98765", "0.51 ± 0.43", "(1.234 ± 0.042)e7"):  # lest anything be found
        assert not known.have(wrong)
    summary_is_that_of_the_metrics(report, page.tables[0])


def summary_is_that_of_the_metrics(report, summary):
    columns = {
        "ε_s": "signal_efficiency", "ε_b": "background_efficiency", "S/√B": "s_over_sqrt_b",
        "Asimov Z": "asimov", "AUC": "auc", "R50": "rejection_at_50",
    }  # fmt: skip
    assert [row[0] for row in summary.rows] == [
        "net (mlp)",
        "scan (cabin-scan)",
        "cuts (lcf-parallel)",
        "mine.json (cuts)",
    ]
    for row in summary.rows:
        run = row[0].partition(" ")[0]
        for title, metric in columns.items():
            (number,) = (
                one
                for one in (*report.headline, *(two for two in report.consensus if two.working_point is None))
                if (one.run, one.metric) == (run, metric)
            )
            cell = row[summary.header.index(title)]
            if number.value is None:
                assert cell.startswith("–")
            else:
                value, half = parsed(cell)[0]
                assert number.value == pytest.approx(value, abs=1.01 * half)


def test_every_number_of_masses_is_in_the_files(masses):
    page = read_page(text_of(masses))
    assert missing_numbers(masses) == []
    assert "One selection for each of 5 masses." in page.text
    assert "held out, not trained on" in page.text
    (table,) = (one for one in page.tables if one.caption == "Cuts of each selection")
    assert table.rows[0] == ("1", "-2.1 < y < 1.1, score > 0.51")


def missing_numbers(report):
    known = Numbers.of(report.path)
    page = read_page(text_of(report))
    return [cell for table in page.tables for row in table.rows for cell in row if not known.have(cell)]


def test_systematic_variations_are_in_the_page(make_sample, make_run, tmp_path):
    sample = make_sample()
    shifted = sample.batch.weight * (1 + 0.1 * np.nan_to_num(sample.batch.columns["x"]))
    data = write_varied(tmp_path / "varied.parquet", sample.batch, sample.processes, {"tilt": shifted})
    report = evaluate_runs([make_run("cuts", data)], data, tmp_path / "report")
    page = read_page(text_of(report))
    (table,) = (one for one in page.tables if one.caption.startswith("Systematic variations"))
    assert "tilt" in {row[0] for row in table.rows}
    assert missing_numbers(report) == []


def test_a_run_with_folds_says_how_events_are_judged(make_sample, tmp_path):
    sample = make_sample()
    method = CutAndCount(CutAndCountSettings(min_effective_events=2))
    plan = TrainingPlan(
        "cut-and-count", method, sample.path, tmp_path / "count", features=("x", "y"), replicas=range(1), device="cpu"
    )
    run = run_folds(plan, Folds(2, seed=4)).run
    report = evaluate_runs([run.path], sample.path, tmp_path / "report")
    page = read_page(text_of(report))
    assert "2 folds (seed 4): 2 trainings, each event judged by the one that did not see it" in page.text
    assert "all, each judged by the training that did not see it" in page.text
    assert ", by fold" in page.text
    assert missing_numbers(report) == []


def test_names_are_no_markup(make_sample, make_run, tmp_path):
    evil = "<script>alert('x')</script>"
    processes = (ProcessInfo("<b>W&W</b>", "signal"), ProcessInfo(evil, "background"))
    sample = make_sample(processes=processes, weight_scale=(0.1, 3.0))
    features = (FeatureInfo("x", unit="<GeV>", label="$<i>x</i>$"), FeatureInfo("y", label='" onload="'))
    run = make_run("<i>run & co", sample.path, features=features)
    manifest = RunManifest.read(run)
    replace(
        manifest,
        warnings=("<em>careful</em>",),
        notes=("12 of 20 <starts> agree",),
        settings={"<tt>": "<tt>"},
        command="cutflow train <x> && rm",
    ).write(run)
    report = evaluate_runs([run], sample.path, tmp_path / "report", command="cutflow evaluate '<u>'")
    written = text_of(report)
    page = read_page(written)
    assert not {"script", "i", "em", "tt", "u", "gev", "starts"} & set(page.tags)
    assert "<script" not in written
    for said in (
        evil,
        "<b>W&W</b>",
        "<i>run & co",
        "$<i>x</i>$",
        '" onload="',
        "<em>careful</em>",
        "12 of 20 <starts> agree",
        "'<u>'",
        "<GeV>",
    ):
        assert said in page.text
    assert not any(name.startswith("on") for name in page.attributes)


def test_the_same_report_gives_the_same_bytes_and_a_finished_one_keeps_them(seven):
    report = seven("one")
    assert text_of(report) == text_of(seven("two"))
    before = (report.path / PAGE).stat().st_mtime_ns
    assert not seven("one").fresh
    assert (report.path / PAGE).stat().st_mtime_ns == before


def png(width=300, height=150, density=11811):
    """Make the smallest picture there is, said to be of a size."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    resolution = chunk(b"pHYs", struct.pack(">IIB", density, density, 1)) if density else b""
    return start + resolution + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.fixture
def drawing(monkeypatch):
    """Draw pictures of given names and content."""

    def use(*names, content=None):
        def draw(runs, events, directory, **_):
            paths = [directory / f"{name}.{suffix}" for name in names for suffix in ("pdf", "png")]
            for path in paths:
                path.write_bytes(content or png())
            return tuple(paths)

        monkeypatch.setattr(evaluation, "_figure_drawer", lambda *_: draw)

    return use


def test_figures_are_in_the_page_with_words(make_sample, make_run, tmp_path, drawing):
    sample = make_sample()
    runs = [make_run("net", sample.path), make_run("net-loss", sample.path)]
    drawing("roc", "net-loss", "net-loss-loss", "net-n-minus-1-m_jet", "net-loss-wholly_new-kind")
    report = evaluate_runs(runs, sample.path, tmp_path / "report", look=Look())
    page = read_page(text_of(report))
    assert "figures/roc.pdf" in report.manifest.figures
    assert [image["alt"].partition(".")[0] for image in page.images] == [
        "Training of net",
        "N−1 distributions: m_jet of net",
        "Training of net-loss",
        "Wholly new kind of net-loss",
        "ROC curves",
    ]
    assert all(image["src"].startswith("data:image/png;base64,") for image in page.images)
    assert {(image["width"], image["height"]) for image in page.images} == {("96", "48")}
    assert "figures/net-loss-loss.png" in page.text
    assert "#figures" in page.links


@pytest.mark.parametrize("content", [b"no picture at all, though as long as the head of one", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_an_error(make_sample, make_run, tmp_path, drawing, content):
    sample = make_sample()
    drawing("roc", content=content)
    with pytest.raises(InputError, match=r"roc\.png: not a PNG picture"):
        evaluate_runs([make_run("net", sample.path)], sample.path, tmp_path / "report", look=Look())
    assert not (tmp_path / "report").exists()


def test_size_without_a_density(tmp_path):
    assert pictures._size(png(density=0), tmp_path) == (192, 96)  # at 150 pixels to the inch


def test_captions_of_kinds():
    assert describe("roc")[0] == "ROC curves"
    assert describe("stack-m_jet")[0].endswith(": m_jet")
    assert describe("never-heard_of") == ("Never heard of", "")


def test_layout_of_a_table():
    table = PrintedTable(
        "a title", ("", "two\nlines", "words", "number"),
        (("one", "–", "yes", "(1.0±0.2)e-4"), ("  inner", "– [1]", "", "−3 [2]")), ("foot",),
    )  # fmt: skip
    found = lay_out(table, "t")
    assert [number for _, number in found.header] == [False, True, False, True]
    assert found.header[1][0] == ("two", "lines")
    assert [(row.heading, row.inner) for row in found.rows] == [("one", False), ("inner", True)]
    assert found.characters == len("  inner") + len("lines") + len("words") + len("(1.0±0.2)e-4") + 4 * 2
