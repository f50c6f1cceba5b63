"""What is wrong with a plan file is said in one line, with the nearest known name."""

import pytest

from cutflow_cli.batch.plan_file import read_plan_file
from cutflow_cli.errors import UsageError

GOOD = """
[samples]
mock1 = "mock1.parquet"
[[train]]
name = "lcf"
method = "lcf-parallel"
"""


def read(tmp_path, text):
    path = tmp_path / "plan.toml"
    path.write_text(text)
    return read_plan_file(path)


def test_defaults_are_those_of_one_training(tmp_path):
    (train,) = read(tmp_path, GOOD).train
    assert (train.replicas, train.seeds, train.block, train.samples, train.options) == ("10", (0,), None, None, ())


def test_a_single_table_is_a_list_of_one(tmp_path):
    (ingest,) = read(tmp_path, '[ingest]\nname = "events"\nsettings = "samples.toml"\nshards = 8\n').ingest
    assert ingest.shards == 8


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("blocks = 2", "train 'lcf': blocks: no such key; did you mean block?"),
        ("block = 0", "train 'lcf': block: must be greater than or equal to 1 (got 0)"),
        ('replicas = "5:5"', "train 'lcf': replicas: 5:5: give a number of replicas such as 10"),
        ("seeds = [1, 1]", "train 'lcf': seeds: one comes twice"),
        ("grid = { epochs = [] }", "train 'lcf': grid.epochs: has no values"),
        ("grid = { epochs = [1] }\nsettings = { epochs = 1 }", "train 'lcf': grid.epochs: is in settings too"),
        ('options = ["--out=x"]', "train 'lcf': options: --out is for the plan to decide"),
        ('[[train]]\nname = "lcf"\nmethod = "bdt"', "name = 'lcf' comes twice"),
        ('[[train]]\nname = "l cf"\nmethod = "bdt"', "train 2: name: 'l cf' is no name"),
        ('[[train]]\nname = "x"', "train 'x': method: is missing"),
        ('[[train]]\nname = "x"\nmethod = "lcf-paralell"', "did you mean lcf-parallel"),
        ("[trian]", "trian: no such key; did you mean train?"),
    ],
)  # fmt: skip
def test_one_line_says_what_is_wrong(tmp_path, wrong, said):
    with pytest.raises(UsageError) as error:
        read(tmp_path, GOOD + wrong)
    assert str(error.value).startswith(f"{tmp_path / 'plan.toml'}: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_nothing_to_do_is_an_error(tmp_path):
    with pytest.raises(UsageError, match=r"plans nothing; add \[\[train\]\]"):
        read(tmp_path, '[samples]\nmock1 = "mock1.parquet"\n')


@pytest.mark.parametrize("example", ["htcondor", "slurm"])
def test_the_examples_are_valid(root, example):
    plan = read_plan_file(root / "examples" / example / "plan.toml")
    assert [train.method for train in plan.train] == ["lcf-parallel", "bdt"]
