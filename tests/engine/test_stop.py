"""Signals ask, the training loop obeys."""

import os
import signal
import threading

import pytest

from cutflow_cli.engine.stop import StopRequest, TimeLimit
from cutflow_cli.errors import UsageError


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2"])
def test_a_signal_is_a_request_and_the_old_handler_comes_back(name):
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert stop.reason is None
        os.kill(os.getpid(), number)
        assert stop.reason == name
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_stops_at_once():
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)  # a batch system that insists changes nothing
        assert stop.reason == "SIGTERM"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_handlers_come_back_after_an_error():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(RuntimeError), StopRequest():
        raise RuntimeError
    assert signal.getsignal(signal.SIGTERM) is before


def test_off_the_main_thread_it_does_nothing():
    reasons = []

    def work():
        with StopRequest() as stop:
            reasons.append(stop.reason)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert reasons == [None]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3600", 3600), ("1h30m", 5400), ("45m", 2700), ("90s", 90), ("1d2h", 93600), ("0.5", 0.5), ("1h 5s", 3605)],
)
def test_a_time_limit_is_seconds_or_a_time(text, seconds):
    assert TimeLimit.parse(text).seconds == seconds


@pytest.mark.parametrize("text", ["", "0", "0h", "-5", "1h30", "ten", "30m1h", "1e3"])
def test_no_time_limit(text):
    with pytest.raises(UsageError, match="give seconds such as 3600, or a time such as 1h30m"):
        TimeLimit.parse(text)


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [100.0]
    monkeypatch.setattr("cutflow_cli.engine.stop.monotonic", lambda: now[0])
    return now


def test_the_time_limit_stops_before_a_step_that_would_not_fit(clock):
    with StopRequest(TimeLimit.parse("10m")) as stop:
        for now in (110.0, 350.0, 450.0):
            clock[0] = now
            assert stop.why() is None
        clock[0] = 461.0  # of 700; a step took 240
        assert (stop.why(), stop.out_of_time) == ("--time-limit 10m", True)
        assert stop.reason == "--time-limit 10m"


def test_a_first_step_longer_than_the_time_limit_is_said(clock):
    with StopRequest(TimeLimit.parse("10")) as stop:
        clock[0] = 111.0
        assert stop.why() == "--time-limit 10 (the first step took longer)"


def test_a_signal_comes_before_the_time_limit(clock):
    with StopRequest(TimeLimit.parse("10")) as stop:
        os.kill(os.getpid(), signal.SIGUSR1)
        clock[0] = 111.0
        assert (stop.why(), stop.out_of_time) == ("SIGUSR1", False)
