"""`--objective` through the command line: trained, evaluated, exported, done already, and refused."""

import json

import pytest


@pytest.fixture(scope="module")
def events(tmp_path_factory, run_cutflow):
    path = tmp_path_factory.mktemp("objective") / "slepton.parquet"
    done = run_cutflow("generate-mock", "slepton", "--out", path, "--events", "3000")
    assert done.returncode == 0, done.stderr
    return path


def test_lcf_is_refined_evaluated_and_exported(run_here, events, tmp_path):
    arguments = ("train", "lcf-parallel", events, "--out", tmp_path / "run", "--epochs", "5", "--replicas", "1",
                 "--objective", "s / sqrt(b + sigma_b**2)", "--background-systematic", "0.2")  # fmt: skip
    done = run_here(*arguments)
    assert done.returncode == 0, done.stderr
    assert "Selection of 1 replica, working point" in done.stdout
    manifest = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert manifest["settings"]["objective"] == "s / sqrt(b + sigma_b**2)"
    assert manifest["settings"]["objective_consensus"] > 0
    assert (tmp_path / "run" / "objective.parquet").is_file()
    assert "already done" in run_here(*arguments).stderr
    report = run_here("evaluate", tmp_path / "run", "--data", events, "--out", tmp_path / "report")
    assert report.returncode == 0, report.stderr


def test_a_scan_with_a_further_working_point_is_evaluated_and_exported(run_here, events, tmp_path):
    done = run_here("train", "cabin-scan", events, "--out", tmp_path / "run", "--epochs", "5", "--targets", "0.3,0.6",
                    "--objective", "asimov", "--background-systematic", "0.2")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "holds 3 working points" in done.stderr
    cuts = run_here("export-cuts", tmp_path / "run", "--format", "text", "--working-point", "objective")
    assert cuts.returncode == 0, cuts.stderr
    assert "working point objective" in cuts.stdout
    report = run_here("evaluate", tmp_path / "run", "--data", events, "--out", tmp_path / "report")
    assert report.returncode == 0, report.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lcf-parallel", "--objective", "asimow"), "asimov"),
        (("lcf-parallel", "--objective", "s / bb"), "no quantity 'bb'"),
        (("lcf-sequential", "--background-systematic", "0.1"), "only an objective uses it"),
        (("lcf-parallel", "--objective", "asimov", "--memory", "1kB"), "needs the events in memory"),
        (("cabin-scan", "--objective", "asimov", "--preset", "cabin"), "knows of no objective"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(run_here, events, tmp_path, arguments, said):
    method, *options = arguments
    done = run_here("train", method, events, "--out", tmp_path / "run", *options)
    assert done.returncode in (2, 3)
    assert said in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "run").exists()
