"""Observables that users define themselves, in a Python file that they name on the command line.

    from cutflow_cli.observables import observable

    @observable("pt_balance", "{0}.pt", "{1}.pt")      # used as jet0,jet1.pt_balance
    def pt_balance(first, second):
        return (first - second) / (first + second)

    @observable("ht_ratio", "jet.ht", "met.pt")        # used by its name alone: ht_ratio
    def ht_ratio(ht, met):
        return ht / met

The file is executed: it can do whatever its author could. Nothing but the command line ever names one.
"""

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.util
import inspect
import keyword
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any, TypeVar

from cutflow_cli.errors import InputError, naming
from cutflow_cli.observables.quantities import is_taken

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])

_PLACEHOLDER = re.compile(r"\{(\d+)\}", re.ASCII)
_LOADED_AS = "cutflow_user_observables"


@dataclass(frozen=True, slots=True, eq=False)
class UserObservable:
    """One observable of a user.

    Attributes:
        name: by which it is used.
        function: computes it.
        arguments: observables or columns that it is computed from; `{0}` stands for the first object, and so on.
        per_object: whether it gives one value per object; None if it does where one of its arguments does.
        file: where it was defined.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]
    per_object: bool | None
    file: str

    @property
    def objects(self) -> int:
        """How many objects stand before its name; 0 if it is used by its name alone."""
        places = [int(place) for argument in self.arguments for place in _PLACEHOLDER.findall(argument)]
        return max(places, default=-1) + 1

    @property
    def usage(self) -> str:
        """How it is written."""
        return f"{','.join(f'jet{place}' for place in range(self.objects))}.{self.name}".lstrip(".")

    def arguments_for(self, objects: Sequence[str]) -> tuple[str, ...]:
        """Return the arguments with objects put in their places."""
        return tuple(_PLACEHOLDER.sub(lambda match: objects[int(match[1])], text) for text in self.arguments)

    def __call__(self, *values: Any) -> Any:  # noqa: ANN401
        """Compute it.

        Raises:
            InputError: if the function fails, in one line that says where.
        """
        with failing_as_input(self.file, f"observable {self.name!r}"):
            return self.function(*values)


@dataclass(frozen=True, slots=True)
class UserObservables:
    """The observables of a user's file.

    Attributes:
        by_name: in the order of the file.
        path: the file; None for none.
        digest: sha256 of the file's content, empty for none.
    """

    by_name: Mapping[str, UserObservable] = field(default_factory=dict)
    path: Path | None = None
    digest: str = ""


NOTHING = UserObservables()
#: The file that is being loaded, and what it has defined so far.
_loading: ContextVar[tuple[Path, dict[str, UserObservable]] | None] = ContextVar("loading", default=None)


def observable(name: str, *arguments: str, per_object: bool | None = None) -> Callable[[AnyFunction], AnyFunction]:
    """Register a function as an observable; a decorator.

    The function gets one array for each argument: a numpy array of shape (events,) for what has one value per event,
    an awkward array `events * var * float64` for what has one per object. Missing values are NaN. Its result has one
    number per event, or one per object.

    Args:
        name: by which it is used, letters, digits and underscores.
        arguments: observables or columns, such as `jet.ht`; `{0}`, `{1}`, … stand for the objects before its name.
        per_object: whether the result has one number per object; by default it does if an argument does. A function
            that reduces objects to one number says False.

    Raises:
        InputError: while a file is loaded by `load_user_observables`: if the name is taken or unusable, or the
            function does not take as many arguments.
    """

    def register(function: AnyFunction) -> AnyFunction:
        loading = _loading.get()
        if loading is not None:  # otherwise somebody imports the file as a module, which is fine
            path, found = loading
            made = UserObservable(name, function, arguments, per_object, str(path))
            _check(made, found)
            found[name] = made
        return function

    return register


def load_user_observables(path: Path) -> UserObservables:
    """Execute a Python file and collect the observables that it defines.

    Args:
        path: the file, which the user named on the command line.

    Raises:
        InputError: if it can't be read, fails, or defines no observables or wrong ones.
    """
    try:
        with naming(path):
            content = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        msg = f"{path}: observables can't be read ({error.strerror})"
        raise InputError(msg) from error
    digest = hashlib.sha256(content).hexdigest()
    found: dict[str, UserObservable] = {}
    token = _loading.set((path, found))
    try:
        with failing_as_input(str(path), "the file"):
            _execute(path, content, f"{_LOADED_AS}_{digest[:12]}")
    finally:
        _loading.reset(token)
    if not found:
        msg = f"{path}: defines no observables; put @observable(name, arguments…) from cutflow_cli.observables on one"
        raise InputError(msg)
    return UserObservables(found, path, digest)


class _Loader(importlib.abc.InspectLoader):
    """Gives Python the text that was read already, so that what runs is what was digested; nothing is cached."""

    def __init__(self, path: Path, content: bytes) -> None:
        self._path = path
        self._content = content

    def get_source(self, fullname: str) -> str:
        return importlib.util.decode_source(self._content)

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._content, str(self._path))


def _execute(path: Path, content: bytes, name: str) -> None:
    loader = _Loader(path, content)
    spec = importlib.util.spec_from_loader(name, loader, origin=str(path))
    if spec is None:  # only for loaders that can't say whether they are packages
        msg = f"{path}: Python can't load it"
        raise InputError(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses of the file look themselves up there
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


@contextmanager
def failing_as_input(file: str, what: str) -> Iterator[None]:
    """Turn whatever a user's code raises into one line with file, line and exception."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        frames = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
        line = error.lineno if isinstance(error, SyntaxError) else (frames[-1] if frames else None)
        said = str(error).strip().splitlines()
        at = f"{file}, line {line}" if line is not None else file
        text = f": {said[0]}" if said else ""
        msg = f"{at}: {what} failed with {type(error).__name__}{text}"
        raise InputError(msg) from error


def _check(made: UserObservable, others: Mapping[str, UserObservable]) -> None:
    where = f"{made.file}: observable {made.name!r}"
    if not re.fullmatch(r"[A-Za-z_]\w*", made.name, re.ASCII) or keyword.iskeyword(made.name):
        msg = f"{where}: a name has letters, digits and underscores, and is no word of Python"
        raise InputError(msg)
    if is_taken(made.name):
        msg = f"{where}: the name belongs to a built-in observable; choose another one"
        raise InputError(msg)
    if made.name.lower() in {name.lower() for name in others}:
        msg = f"{where}: is defined twice (case does not matter); choose another name"
        raise InputError(msg)
    if not made.arguments or not all(isinstance(argument, str) and argument for argument in made.arguments):
        msg = f"{where}: name the observables that it is computed from, as in @observable({made.name!r}, 'jet0.pt')"
        raise InputError(msg)
    for argument in made.arguments:
        if set(_PLACEHOLDER.sub("", argument)) & set("{} "):
            msg = f"{where}: argument {argument!r}; write objects as {{0}}, {{1}}, …, without spaces"
            raise InputError(msg)
    try:
        inspect.signature(made.function).bind(*made.arguments)
    except TypeError as error:
        msg = f"{where}: names {len(made.arguments)} arguments, and its function does not take as many ({error})"
        raise InputError(msg) from error
