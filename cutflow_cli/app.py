"""The command line: commands in workflow order, and the one place where errors become exit codes."""

from __future__ import annotations

import errno
import signal
import sys
import traceback
from types import FrameType
from typing import Annotated, NoReturn

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from cutflow_cli import __version__
from cutflow_cli.commands import apply, compare, evaluate, export_cuts, generate_mock, ingest, merge
from cutflow_cli.commands.batch import app as batch
from cutflow_cli.commands.help_text import Command
from cutflow_cli.commands.train import app as train
from cutflow_cli.engine.allotment import settle_environment
from cutflow_cli.errors import CutflowError, TemporaryError, UsageError
from cutflow_cli.pipes import outlive_readers
from cutflow_cli.validation import in_words

#: The order in which commands are used, and in which `--help` and the shells list them.
WORKFLOW = ("generate-mock", "ingest", "merge", "train", "evaluate", "compare", "export-cuts", "apply", "batch")


class _WorkflowGroup(TyperGroup):
    """Lists commands in the order of the work, where typer lists groups of commands last."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        known = super().list_commands(ctx)
        return sorted(known, key=lambda name: WORKFLOW.index(name) if name in WORKFLOW else len(WORKFLOW))


app = typer.Typer(
    name="cutflow",
    cls=_WorkflowGroup,
    help="Find event selections: learn on which observables to cut, in which order and where.",
    epilog="generate-mock | ingest → train → evaluate, export-cuts. Results go to stdout, all else to stderr.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

_debug = False


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"cutflow {__version__}")
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    global _debug  # noqa: PLW0603  (read once, when an error is reported)
    _debug = debug


app.command("generate-mock", cls=Command)(generate_mock.generate_mock)
app.command("ingest", cls=Command)(ingest.ingest)
app.command("merge", cls=Command)(merge.merge)
app.add_typer(train.app, name="train")
app.command("evaluate", cls=Command)(evaluate.evaluate)
app.command("compare", cls=Command)(compare.compare)
app.command("export-cuts", cls=Command)(export_cuts.export_cuts)
app.command("apply", cls=Command)(apply.apply)
app.add_typer(batch.app, name="batch")


#: Errors of the system that the same command would meet again: of a name, of permissions, of what a file system can't
#: do. All others may pass, as those of disks and servers do (EIO, ESTALE, ETIMEDOUT, ENODEV, ENOTCONN, EAGAIN, …).
PERMANENT = frozenset({
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY,
    errno.EINVAL, errno.ENAMETOOLONG, errno.ELOOP, errno.EMLINK, errno.EXDEV, errno.EILSEQ, errno.ESPIPE, errno.ENOTTY,
    errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP,
})  # fmt: skip


def _classify(error: OSError) -> CutflowError:
    """Say whose fault an error of the operating system is."""
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return TemporaryError(f"{where}no space left to write; free some and run the same command again")
    if error.errno in PERMANENT:
        return UsageError(f"{where}{(error.strerror or str(error)).lower()}")
    return TemporaryError(f"{where}{(error.strerror or str(error)).lower()}; the same command may succeed later")


class _Stopped(BaseException):
    """A signal asked to stop. No Exception, so that nobody who handles errors takes it for one of them."""


#: Seconds after which a signal that came during an import is looked at again.
_AFTER_IMPORT = 0.02


def _stop(number: int, frame: FrameType | None) -> None:
    """Unwind on a signal to stop, so that half-written files are removed; training saves a checkpoint instead.

    Not in the middle of an import: libraries try to import each other and take any exception for an absent library, so
    the signal would be lost, and a module half imported can't be imported again.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            signal.signal(signal.SIGALRM, lambda _number, later: _stop(number, later))
            signal.setitimer(signal.ITIMER_REAL, _AFTER_IMPORT)
            return
        frame = frame.f_back
    raise _Stopped(number)


def _stop_on_signals() -> None:
    """Handle TERM, Ctrl-C and what batch systems send; one that is ignored (a job in the background) stays so."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def run() -> None:
    """Run the command line and exit with the code of `cutflow_cli.errors`."""
    _stop_on_signals()
    outlive_readers()
    settle_environment()
    try:
        code = app(prog_name="cutflow", standalone_mode=False)  # or typer would draw a box around its own errors
        sys.exit(code if isinstance(code, int) else 0)
    except TyperException as error:
        _fail_usage(error)
    except _Stopped as stopped:
        if stopped.args[0] == signal.SIGINT:
            _fail(CutflowError("interrupted; nothing was written"), stopped, exit_code=130)
        name = signal.Signals(stopped.args[0]).name
        _fail(TemporaryError(f"stopped by {name}; nothing was written, the same command starts over"), stopped)
    except CutflowError as error:
        _fail(error, error)
    except OSError as error:
        _fail(_classify(error), error)
    except KeyboardInterrupt as error:
        _fail(CutflowError("interrupted; nothing was written"), error, exit_code=130)
    except MemoryError as error:
        _fail(CutflowError("out of memory; give the job more, or fewer events, features or replicas"), error)
    except Exception as error:  # noqa: BLE001  (the last line of defence: still one line, and how to report it)
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        _fail(CutflowError(f"{text} (a fault of cutflow itself; `cutflow --debug …` shows where)"), error)


#: Options that only one command has, which may be looked for at others.
_ELSEWHERE = {"--binned-in": "cutflow train cabin-scan"}


def _fail_usage(error: TyperException) -> NoReturn:
    """Say in one line what is wrong with the command line; a command without arguments has shown its help by now."""
    _reword(error)
    text = " ".join(error.format_message().split())
    if not text:
        sys.exit(error.exit_code)
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "cutflow"
    elsewhere = _ELSEWHERE.get(getattr(error, "option_name", None) or "")
    if elsewhere is not None:
        text = f"{text.rstrip('.')}; `{elsewhere}` has it"
    _fail(UsageError(f"{text.rstrip('.')}; see `{command} --help`"), error)


def _reword(error: TyperException) -> None:
    """Say what is wrong with a value in our words, where typer would pass on pydantic's."""
    if error.__cause__ is None:
        return
    from pydantic import ValidationError

    if isinstance(error.__cause__, ValidationError):
        first = error.__cause__.errors(include_url=False)[0]
        shown = repr(first["input"])
        error.message = in_words(first)
        if shown not in error.message:
            error.message += f" (got {shown})"


def _fail(error: CutflowError, cause: BaseException, exit_code: int | None = None) -> NoReturn:
    if _debug:
        traceback.print_exception(cause)
    typer.echo(f"cutflow: {error}", err=True)
    sys.exit(error.exit_code if exit_code is None else exit_code)
