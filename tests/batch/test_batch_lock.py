"""One attempt at a time, and no lock that outlives its owner."""

import os
import subprocess
import sys
import time

import pytest

from cutflow_cli.batch import lock
from cutflow_cli.batch.lock import LOCK, Owner, held, is_held
from cutflow_cli.errors import TemporaryError

HOLDER = """
import sys, time
from pathlib import Path
from cutflow_cli.batch.lock import Owner, held
with held(Path(sys.argv[1]), Owner.me("12.3")):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_attempt_is_told_who_is_at_work(tmp_path):
    with held(tmp_path, Owner.me()):
        assert is_held(tmp_path)
        with pytest.raises(TemporaryError, match=rf"process {os.getpid()} on .* is at work here"), \
                held(tmp_path, Owner.me()):  # fmt: skip
            pass
    assert not is_held(tmp_path)
    with held(tmp_path, Owner.me()):
        pass


def test_a_lock_dies_with_its_process(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    assert is_held(tmp_path)
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert (tmp_path / LOCK).read_text(), "it was killed before it could tidy up"
    assert not is_held(tmp_path)
    with held(tmp_path, Owner.me()):
        pass


def test_an_attempt_that_leaves_is_waited_for(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    seen = []

    def meanwhile(other):
        seen.append(str(other))
        holder.terminate()

    with holder, held(tmp_path, Owner.me("13.0"), patience=30, meanwhile=meanwhile):
        assert (tmp_path / LOCK).read_text() == Owner.me("13.0").to_text()
    assert f"process {holder.pid} on " in seen[0]


def test_an_attempt_on_another_machine_is_waited_for(tmp_path):
    path = tmp_path / LOCK
    path.write_text(Owner("elsewhere", 1, "1.0").to_text())
    with held(tmp_path, Owner.me("2.0"), patience=30, meanwhile=lambda other: path.write_text("")):
        pass


def test_waiting_ends(tmp_path):
    with held(tmp_path, Owner.me()):
        began = time.monotonic()
        with pytest.raises(TemporaryError, match="is at work here"), held(tmp_path, Owner.me("2.0"), patience=1):
            pass
        assert time.monotonic() - began > 1


@pytest.mark.parametrize(("age", "job", "taken"), [(10, "", True), (10, "1.0", False), (1000, "", False)])
def test_an_attempt_on_another_machine_counts_while_it_shows_life(tmp_path, age, job, taken):
    """Where the kernel's lock does not reach: a fresh sign of life is respected, except by the same job, come back."""
    path = tmp_path / LOCK
    path.write_text(Owner("elsewhere", 1, "1.0").to_text())
    os.utime(path, (time.time() - age,) * 2)
    assert is_held(tmp_path) == (age < lock.PATIENCE)
    if taken:
        with pytest.raises(TemporaryError, match="process 1 on elsewhere is at work here, whose last sign of life"), \
                held(tmp_path, Owner.me(job)):  # fmt: skip
            pass
    else:
        with held(tmp_path, Owner.me(job)):
            pass


def test_signs_of_life_are_given_now_and_then(tmp_path, monkeypatch):
    with held(tmp_path, Owner.me()) as mine:
        os.utime(tmp_path / LOCK, (1, 1))
        mine.show_life()
        assert (tmp_path / LOCK).stat().st_mtime == 1
        monkeypatch.setattr(lock, "HEARTBEAT", 0.0)
        mine.show_life()
        assert (tmp_path / LOCK).stat().st_mtime > time.time() - 60


def test_a_file_system_without_locks_is_no_reason_to_fail(tmp_path, monkeypatch):
    def unsupported(descriptor, operation):
        raise OSError(lock.errno.ENOLCK, "no locks")

    monkeypatch.setattr(lock.fcntl, "flock", unsupported)
    with held(tmp_path, Owner.me()):
        pass
