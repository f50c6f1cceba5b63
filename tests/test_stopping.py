"""TERM and Ctrl-C stop the program with one line, whatever it does at that moment."""

from __future__ import annotations

import pytest

#: A library that takes every exception while it imports another for that one's absence, as many do.
_SWALLOWING = """
try:
    import stopped
except BaseException:
    print("lost")
"""

_PROGRAM = """
import sys, time
from cutflow_cli import app

def command(**_):
    sys.path.insert(0, {place!r})
    import swallowing
    print("imported", flush=True)
    time.sleep(20)

app.app = command
app.run()
"""


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("SIGTERM", 75, "cutflow: stopped by SIGTERM; nothing was written"),
        ("SIGUSR1", 75, "cutflow: stopped by SIGUSR1; nothing was written"),
        ("SIGINT", 130, "cutflow: interrupted"),
    ],
)
def test_a_signal_in_the_middle_of_an_import_is_not_lost(run_python, tmp_path, name, code, says):
    (tmp_path / "swallowing.py").write_text(_SWALLOWING)
    (tmp_path / "stopped.py").write_text(f"import os, signal\nos.kill(os.getpid(), signal.{name})\n")
    done = run_python(_PROGRAM.format(place=str(tmp_path)))
    assert (done.returncode, done.stdout) == (code, "imported\n")
    assert done.stderr.startswith(says)
    assert len(done.stderr.splitlines()) == 1


def test_a_signal_that_is_ignored_stays_ignored(run_python):
    done = run_python(
        "import os, signal\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from cutflow_cli import app\n"
        "app.app = lambda **_: (os.kill(os.getpid(), signal.SIGINT), print('done'))\n"
        "app.run()\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
