"""What a training is asked: one class of options for each method, and from it the command that Typer reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from inspect import Parameter, Signature
from typing import Annotated, Any, TypeVar, get_origin, get_type_hints

from cutflow_cli.commands.train import options
from cutflow_cli.commands.train.options import Device

R = TypeVar("R", bound="Request")


@dataclass(frozen=True, slots=True)
class Request:
    """The options that methods share.

    A method derives a class from this one. Its further fields are the method's settings, named as in a settings file,
    and `settings`, that file. It declares a field again to give it another default or text. Fields that are not
    `Annotated` are no options: they have their default always.
    """

    events: options.Events
    out: options.Out
    features: options.Features = None
    hypothesis_column: str | None = None
    split: options.Split = None
    split_seed: options.SplitSeed = 0
    folds: options.FoldCount = None
    replicas: options.Replicas = "1"
    seed: options.Seed = 0
    device: options.DeviceOption = Device.AUTO
    threads: options.Threads = None
    memory: str | None = None
    force: options.Force = False
    fresh: options.Fresh = False
    time_limit: options.TimeLimit = None
    keep_state: options.KeepState = False
    as_json: options.AsJson = False


def command(kind: type[R]) -> Callable[[Callable[[R], None]], Callable[..., None]]:
    """Turn a function of a request into a command, whose parameters are the options of that kind of request."""
    hints = get_type_hints(kind, include_extras=True)
    defaults = {field.name: field.default for field in fields(kind)}
    parameters = [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if defaults[name] is MISSING else defaults[name],
            annotation=hints[name],
        )
        for name in _in_order(kind)
        if get_origin(hints[name]) is Annotated
    ]

    def decorate(train: Callable[[R], None]) -> Callable[..., None]:
        def run(**given_options: Any) -> None:  # noqa: ANN401  (options of any type)
            train(kind(**given_options))

        run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # what Typer reads
        run.__doc__ = train.__doc__
        return run

    return decorate


def given(request: Request, **read: Any) -> dict[str, Any]:  # noqa: ANN401  (settings of any type)
    """Collect the settings that were given, enumerations as their values.

    Args:
        request: of a method.
        **read: settings whose options are texts, as read from them.
    """
    names = [name for name in _own(type(request)) if name != "settings"]
    found = {name: getattr(request, name) for name in names} | read
    return {
        name: str(value) if isinstance(value, StrEnum) else value for name, value in found.items() if value is not None
    }


def _own(kind: type[Request]) -> list[str]:
    """Name the fields that a method adds."""
    shared = {field.name for field in fields(Request)}
    return [field.name for field in fields(kind) if field.name not in shared]


def _in_order(kind: type[Request]) -> list[str]:
    """Name the fields in the order of help: how to split stands before the settings, how to run behind them."""
    shared, own = [field.name for field in fields(Request)], _own(kind)
    split, run = shared.index("split"), shared.index("replicas")
    settings = own.index("preset" if "preset" in own else "settings")
    return [*shared[:split], *own[:settings], *shared[split:run], *own[settings:], *shared[run:]]
