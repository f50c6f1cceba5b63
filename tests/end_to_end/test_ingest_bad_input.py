"""`cutflow ingest` on bad input: one line that names file, column and remedy, the right code, nothing left behind."""

import resource
import shutil
import subprocess
import sys

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

TWICE = ("--variation", "up=x", "--variation", "up=x")
GOOD = ("--background", "b.csv", "--feature", "x")
WEIGHTED = (
    "--weight-column",
    "w",
    "--luminosity",
    "1",
    "--signal-cross-section",
    "1",
    "--background-cross-section",
    "1",
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A directory of files, few of which are good."""
    directory = tmp_path_factory.mktemp("inputs")
    x = np.linspace(0.0, 1.0, 500, dtype=np.float32)
    with uproot.recreate(directory / "good.root") as file:
        jets = {"x": np.dtype("f4"), "jet_pt": "var * float32"}
        file.mktree("Events", jets).extend({"x": x, "jet_pt": ak.Array([[1.0]] * 500)})
    with uproot.recreate(directory / "two.root") as file:
        for name in ("nominal", "jes_up"):
            file.mktree(name, {"x": np.dtype("f4")}).extend({"x": x})
    pq.write_table(pa.table({"x": x, "name": ["a"] * 500}), directory / "good.parquet")
    texts = {
        "b.csv": "x,w\n1,1\n2,1\n",
        "text.root": "hello\n",
        "zero.csv": "x,w\n1,0\n2,0\n",
        "negative.csv": "x,w\n1,1\n2,-3\n",
        "nan.csv": "x,w\n1,1\n2,nan\n",
        "late.csv": "x,w\n" + "1.5,1\n" * 300_000 + "many,1\n",
        "header.csv": "x,w\n",
        "wrong.toml": 'features = ["x"]\nluminsity = 1\n',
        "broken.toml": 'features = ["x"]\nprocesses = {\n',
        "twice.yaml": "seed: 1\nfeatures: [x]\nseed: 2\n",
        "no_signal.toml": 'features = ["x"]\n[processes.b]\nrole = "background"\nfiles = "b.csv"\n',
        "expression.toml": 'features = ["x"]\n[processes.b]\nrole = "background"\nfiles = "b.csv"\n'
        '[processes.s]\nrole = "signal"\nfiles = "good.root"\nrows = "x > 1 & x < 2"\n',
    }
    for name, text in texts.items():
        (directory / name).write_text(text)
    (directory / "empty.root").touch()
    shutil.copy(directory / "good.root", directory / "root.parquet")
    shutil.copy(directory / "good.root", directory / "jets.root")
    for name, share in (("good.root", 0.6), ("good.parquet", 0.7)):
        data = (directory / name).read_bytes()
        (directory / f"cut_{name}").write_bytes(data[: int(len(data) * share)])
    return directory


CASES = {
    "missing file": (("--signal", "godo.root", *GOOD), 3, "godo.root: no such file; did you mean good.root"),
    "no match": (("--signal", "s*.root", *GOOD), 3, "process 'signal': no file matches 's*.root'"),
    "text named root": (("--signal", "text.root", *GOOD), 3, "text.root: is no ROOT file but text"),
    "root named parquet": (
        ("--signal", "root.parquet", *GOOD),
        3,
        "root.parquet: is a ROOT file, though its name ends in",
    ),
    "empty": (("--signal", "empty.root", *GOOD), 3, "empty.root: is empty"),
    "truncated root": (("--signal", "cut_good.root", *GOOD), 3, "cut_good.root: truncated ROOT file"),
    "truncated parquet": (("--signal", "cut_good.parquet", *GOOD), 3, "cut_good.parquet: truncated Parquet file"),
    "missing tree": (
        ("--signal", "two.root", "--background", "good.root", "--feature", "x", "--tree", "nominale"),
        3,
        "two.root: no tree 'nominale'; did you mean nominal? (there are: nominal, jes_up)",
    ),
    "missing column": (
        ("--signal", "good.root", "--background", "b.csv", "--feature", "jetpt"),
        3,
        "good.root, tree 'Events': no column 'jetpt' (a feature); did you mean jet_pt",
    ),
    "jagged": (
        ("--signal", "good.root", "--background", "jets.root", "--feature", "r=1/jet_pt"),
        3,
        "feature 'r': `1.0 / jet_pt` is one number for each object, where one for the event is needed; take one object",
    ),
    "text column": (
        ("--signal", "good.parquet", "--background", "b.csv", "--feature", "name"),
        3,
        "good.parquet: column 'name' (a feature) holds text ('a' in row 1), numbers were expected",
    ),
    "text late": (("--signal", "late.csv", *GOOD), 3, "late.csv: column 'x', line 300002: 'many' is no number"),
    "no events": (("--signal", "header.csv", *GOOD), 3, "process 'signal': its files hold no events"),
    "weights zero": (
        ("--signal", "zero.csv", *GOOD, *WEIGHTED),
        3,
        "'signal': the weights of its 2 events before any preselection are all zero",
    ),
    "weights negative": (
        ("--signal", "negative.csv", *GOOD, *WEIGHTED),
        3,
        "'signal': the weights of its 2 events before any preselection sum to -2;",
    ),
    "weight nan": (("--signal", "nan.csv", *GOOD, *WEIGHTED), 3, "nan.csv: weight 'w' is missing for 1 of rows 0 to 1"),
    "no background": (("--signal", "good.root", "--feature", "x"), 2, "--background is missing"),
    "no signal": (("no_signal.toml",), 2, "no_signal.toml: processes: no signal"),
    "duplicate feature": (("--signal", "good.root", *GOOD, "--feature", "x"), 2, "feature 'x' is given twice"),
    "reserved feature": (
        ("--signal", "good.root", *GOOD, "--feature", "weight=x"),
        2,
        "'weight' is a column of the events file itself",
    ),
    "wrong key": (("wrong.toml",), 2, "wrong.toml: luminsity: no such setting; did you mean luminosity"),
    "variation twice": (("--signal", "good.root", *GOOD, *TWICE), 2, "--variation 'up' is given twice"),
    "variation empty": (("--signal", "good.root", *GOOD, "--variation", "up="), 2, "--variation 'up=': give it a name"),
    "cross section": (
        ("--signal", "good.root", *GOOD, "--signal-cross-section", "heder"),
        2,
        "cross section 'heder': give a number in pb, or 'header' for LHE files",
    ),
    "sum of weights": (
        ("--signal", "good.root", *GOOD, "--sum-of-weights-from", "Runs"),
        2,
        "--sum-of-weights-from 'Runs': give a tree and a column, such as Runs:genEventSumw",
    ),
    "two sums": (
        ("--signal", "b.csv", *GOOD, "--sum-of-weights-from", "R:w", "--signal-sum-of-weights", "3"),
        2,
        "--sum-of-weights-from and --signal-sum-of-weights: give one of them",
    ),
    "sum beside file": (
        ("wrong.toml", "--sum-of-weights-from", "Runs:genEventSumw"),
        2,
        "--sum-of-weights-from can't stand beside a settings file; set it in wrong.toml",
    ),
    "shard": (("--signal", "good.root", *GOOD, "--shard", "3"), 2, "--shard '3': give which part and of how many"),
    "dialect": (("--signal", "good.root", *GOOD, "--cut-dialect", "c++"), 2, "'c++' is not one of 'cutflow', 'root'"),
    "format": (("--signal", "good.root", *GOOD, "--format", "root"), 2, "'root' is not one of"),
    "quantiles": (
        ("--signal", "good.root", *GOOD, "--keep-quantiles", "0.05"),
        2,
        "keep_quantiles: 0.05: give two shares in increasing order",
    ),
    "nothing passes": (
        ("--signal", "good.root", *GOOD, "--preselect", "x >= 0", "--preselect", "x > 7"),
        3,
        "process 'signal': none of its 500 events passes the preselection 'x > 7'",
    ),
    "object": (
        ("--signal", "jets.root", *GOOD, "--feature", "y=jett0.pt"),
        3,
        "observable 'jett0.pt' (feature 'y')",
    ),
    "spectator of objects": (
        ("--signal", "jets.root", "--background", "jets.root", "--feature", "x", "--spectator", "jet.size"),
        2,
        "belongs to processes 'signal' and 'background'",
    ),
    "broken toml": (
        ("broken.toml",),
        2,
        "broken.toml: not valid TOML: Invalid initial character for a key part (at line 2",
    ),
    "key twice": (("twice.yaml",), 2, "twice.yaml: not valid YAML: key 'seed' comes twice (at line 3, column 1)"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_line_the_right_code_and_nothing_left(run_here, inputs, case):
    arguments, code, says = CASES[case]
    before = sorted(path.name for path in inputs.iterdir())
    done = run_here("ingest", *arguments, "--out", "out.parquet", cwd=inputs)
    assert (done.returncode, done.stdout) == (code, "")
    lines = [line for line in done.stderr.splitlines() if not line.startswith("cutflow: warning: ")]
    assert len(lines) == 1
    assert lines[0].startswith("cutflow: ")
    assert says in lines[0]
    assert sorted(path.name for path in inputs.iterdir()) == before


def test_an_expression_error_shows_the_place(run_here, inputs):
    done = run_here("ingest", "expression.toml", "--out", "out.parquet", cwd=inputs)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "cutflow: process 's': rows: `&` is not in the language: write `and`\n  x > 1 & x < 2\n        ^\n"
    )


def test_an_output_that_exists_or_can_not_be_made(run_here, inputs, tmp_path):
    out = tmp_path / "mine.parquet"
    out.write_text("mine")
    command = ("ingest", "--signal", "good.root", *GOOD, "--out")
    refused = run_here(*command, out, cwd=inputs)
    assert (refused.returncode, out.read_text()) == (2, "mine")
    assert "mine.parquet: exists; choose another --out, or --force to replace it" in refused.stderr
    below = run_here(*command, out / "below.parquet", cwd=inputs)
    assert below.returncode == 2
    assert "mine.parquet: can't make this directory" in below.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.parquet"]


def test_a_full_disk_is_worth_a_retry_and_leaves_nothing(inputs, tmp_path):
    rows = np.random.default_rng(0).normal(size=400_000).astype(np.float32)
    for name in ("s", "b"):
        pq.write_table(pa.table({"x": rows}), tmp_path / f"{name}.parquet")
    command = [sys.executable, "-m", "cutflow_cli", "ingest", "--signal", "s.parquet", "--background", "b.parquet"]
    for limit in (100_000, 2_000_000):  # while writing the first row group, and later
        done = subprocess.run(
            [*command, "--feature", "x", "--out", "out.parquet"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda limit=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )
        assert done.returncode == 75
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert "out.parquet: no space left to write" in done.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == ["b.parquet", "s.parquet"]
