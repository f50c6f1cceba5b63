"""The submit file as one would write it by hand, and what HTCondor 23.9 said of jobs when asked."""

from pathlib import Path

import pytest

from cutflow_cli.batch.htcondor import last_words, parse_queue, submit_file
from cutflow_cli.batch.profile import Profile
from cutflow_cli.batch.queue import Job
from cutflow_cli.errors import InputError, UsageError

RECORDED = Path(__file__).parent / "recorded"

SHARED = """\
# cutflow batch submit --htcondor: 2 tasks of PLAN
# One job a task. The task writes its status and log itself; the queue is not needed to know what is done.

batch_name     = cutflow-scan
initialdir     = PLAN
executable     = /opt/venv/bin/python
transfer_executable = False
arguments      = -m cutflow_cli batch run PLAN $(task) --job $(ClusterId).$(ProcId)
log            = submit/0001.log
output         = tasks/$(task)/job.txt
error          = tasks/$(task)/job.txt

# Nothing comes from the machine that this is submitted on.
getenv         = False
environment    = "PATH='/usr/local/bin:/usr/bin:/bin' LANG='C.UTF-8' X='1 2'"

request_cpus   = 2
request_memory = 3000
+JobFlavour    = "workday"

# 85: a checkpoint was saved, go on from there. 75, such as a stalled disk: another attempt, after a pause.
# Killed, for want of memory: another attempt. All else is done, or an error that another attempt can't mend.
checkpoint_exit_code = 85
on_exit_hold   = ExitBySignal =?= False && ExitCode =?= 75 && NumJobCompletions <= 2
on_exit_hold_reason = "failed for a passing reason, and will be tried again"
periodic_release = HoldReasonCode =?= 3 && time() - EnteredCurrentStatus > 120
max_retries    = 2
retry_until    = ExitBySignal =?= False && ExitCode =!= 75 && ExitCode =!= 85 && ExitCode =!= 137
# TERM first, on eviction; then time to save the checkpoint.
kill_sig       = SIGTERM
job_max_vacate_time = 300

should_transfer_files = NO
+AccountingGroup = "group_u_X"

queue task from (
  00000
  00002
)
"""


def test_a_submit_file_for_a_shared_disk(make_plan):
    plan = make_plan()
    profile = Profile(
        python="/opt/venv/bin/python", cpus=2, memory=3000, flavour="workday", retries=2, environment={"X": "1 2"},
        extra=('+AccountingGroup = "group_u_X"',),
    )  # fmt: skip
    assert submit_file(plan, [0, 2], profile, "0001") == {"0001.sub": SHARED.replace("PLAN", str(plan.path))}


def test_a_submit_file_that_copies_files(make_plan, tmp_path):
    plan = make_plan()
    files = submit_file(plan, [1], Profile(transfer="files", setup="source /cvmfs/view.sh"), "0002")
    assert list(files) == ["0002.sub", "0002.sh"]
    lines = files["0002.sub"].splitlines()
    assert f"executable     = {plan.path}/submit/0002.sh" in lines
    assert "arguments      = batch run . $(task) --job $(ClusterId).$(ProcId) --transferred" in lines
    assert "when_to_transfer_output = ON_EXIT_OR_EVICT" in lines
    assert "transfer_output_files   = tasks/$(task), results" in lines
    assert lines[-3:] == ["queue task, inputs from (", f"  00001, {tmp_path / 'input.txt'}", ")"]
    assert files["0002.sh"].startswith("#!/bin/bash\nsource /cvmfs/view.sh\nexec ")


def test_a_path_that_htcondor_would_misread_is_refused(make_plan):
    with pytest.raises(UsageError, match="has spaces"):
        submit_file(make_plan(name="my scan"), [0], Profile(), "0001")


def test_the_queue_as_recorded():
    jobs = parse_queue((RECORDED / "condor_q.json").read_text())
    assert jobs["9.0"] == Job("9.0", "held", "via condor_hold (by user user)", 1)
    assert jobs["3.0"] == Job("3.0", "running", None, 1)
    passing = '[{"ClusterId": 12, "HoldReason": "failed for a passing reason", "HoldReasonCode": 3, "JobStatus": 5, '
    assert parse_queue(passing + '"NumJobStarts": 1, "ProcId": 0}]')["12.0"].state == "queued", "it releases itself"
    assert parse_queue("") == {}, "what it prints for a cluster that is gone"
    with pytest.raises(InputError, match="not understood"):
        parse_queue('{"what": 1}')


def test_the_event_logs_as_recorded(tmp_path):
    assert last_words(RECORDED / "removed.log") == {"5.0": "removed: via condor_rm (by user user)"}
    held_then_removed = last_words(RECORDED / "event.log")
    assert held_then_removed == {f"9.{n}": "removed: via condor_rm (by user user)" for n in range(4)}
    assert last_words(RECORDED / "evicted.log") == {}, "it went on, and ended by itself"
    assert last_words(tmp_path / "none.log") == {}
    cut = tmp_path / "cut.log"
    cut.write_text((RECORDED / "event.log").read_text().partition("009 (009.003")[0])
    assert last_words(cut)["9.3"] == "held: via condor_hold (by user user)"
