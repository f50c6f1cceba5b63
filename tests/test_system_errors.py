"""Which errors of the operating system a batch system is told to try again."""

from __future__ import annotations

import errno
import os

import pytest

from cutflow_cli import app


def _told(monkeypatch, capsys, error):
    """Run a command that meets an error; return the exit code and what is said."""

    def command(**_):
        raise error

    monkeypatch.setattr(app, "app", command)
    monkeypatch.setattr(app, "_stop_on_signals", lambda: None)
    monkeypatch.setattr(app, "outlive_readers", lambda: None)
    monkeypatch.setattr(app, "settle_environment", lambda: None)
    with pytest.raises(SystemExit) as stopped:
        app.run()
    return stopped.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    ["EIO", "ESTALE", "ETIMEDOUT", "EAGAIN", "EINTR", "EBUSY", "ENODEV", "ENOTCONN", "ECONNRESET", "ECONNREFUSED",
     "EHOSTUNREACH", "ENETDOWN", "EREMOTEIO", "ENOLCK", "ENFILE", "EMFILE", "ENOMEM", "ETXTBSY", "EPROTO",
     "ENOSPC", "EDQUOT"],
)  # fmt: skip
def test_what_passes_on_disks_and_servers_is_worth_a_retry(monkeypatch, capsys, name):
    number = getattr(errno, name)
    code, said = _told(monkeypatch, capsys, OSError(number, os.strerror(number), "out.parquet"))
    assert code == 75
    assert said.startswith("cutflow: out.parquet: ")
    assert "same command" in said


@pytest.mark.parametrize(
    "name",
    ["ENOENT", "EPERM", "EACCES", "EROFS", "ENOTDIR", "EISDIR", "EINVAL", "ENAMETOOLONG", "ELOOP", "EEXIST", "ENOSYS"],
)
def test_what_no_retry_mends_is_not(monkeypatch, capsys, name):
    number = getattr(errno, name)
    code, said = _told(monkeypatch, capsys, OSError(number, os.strerror(number), "out.parquet"))
    assert (code, said) == (2, f"cutflow: out.parquet: {os.strerror(number).lower()}\n")
