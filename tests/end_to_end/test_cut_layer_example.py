"""The example of cuts and a network trained with one loss runs, and gains."""

import re
import subprocess
import sys


def test_cuts_and_classifier_are_trained_with_one_loss(root):
    done = subprocess.run(
        [sys.executable, root / "examples/cut_layer/train.py", "--events", "3000", "--steps", "60"],
        capture_output=True, text=True, encoding="utf-8", check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    before, _, together = (float(value) for value in re.findall(r"Z = (\d+\.\d+)", done.stdout))
    assert together > before
    assert re.search(r"^  left < ", done.stdout, re.MULTILINE)
