"""Types of settings that several methods have."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from cutflow_cli.metrics.figures_of_merit import require_figure


def _events(value: Any) -> Any:  # noqa: ANN401  (whatever the user wrote)
    number = int(value) if isinstance(value, str) and value.isdigit() else value
    if number != "all" and (not isinstance(number, int) or number < 1):
        msg = "give a number of events, or all"
        raise ValueError(msg)
    return number


#: Name of a figure of merit.
FigureName = Annotated[str, AfterValidator(require_figure)]
#: Events per step; also in digits of a text.
BatchSize = Annotated[int | Literal["all"], BeforeValidator(_events)]
