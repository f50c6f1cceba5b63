"""HEPData: the cut-flow table of a report as a submission in one YAML file.

The layout is that of hepdata-submission.readthedocs.io ("single YAML file"): a record, then a table whose independent
variable is the name of the cut. It is checked by hepdata-validator before it is given, where that is installed.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Any, ClassVar

from cutflow_cli.errors import UsageError
from cutflow_cli.export.cut_flow_table import CutFlowLine, CutFlowTable, Expected
from cutflow_cli.export.dialect import Group, ReportUse, Selections, provenance
from cutflow_cli.export.digits import plain_cut

_SCHEMA = "1.1.1"
_DIGITS = 8  #: of a value and its error


class HepData:
    """The dialect `hepdata`."""

    name: ClassVar[str] = "hepdata"
    summary: ClassVar[str] = "the cut flow of --report as a HEPData submission"
    group: ClassVar[Group] = "publication"
    several: ClassVar[bool] = False
    executes: ClassVar[bool] = False
    objects: ClassVar[bool] = True
    report: ClassVar[ReportUse] = "required"

    def render(self, selections: Selections) -> str:
        """Write the submission.

        Raises:
            UsageError: without a cut-flow table, or if the validator objects.
        """
        import yaml

        if selections.table is None:
            msg = "--format hepdata gives a cut-flow table; add --report with a directory that `evaluate` wrote"
            raise UsageError(msg)
        documents = [{"comment": " ".join(provenance(selections))}, _table(selections, selections.table)]
        text = str(yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=1000, explicit_start=True))
        faults = validated(text)
        if faults:
            msg = f"the HEPData validator objects: {'; '.join(faults)}"
            raise UsageError(msg)
        return text

    def remarks(self, text: str) -> tuple[str, ...]:
        """Say whether the submission has been validated."""
        if validated(text) is None:
            return ("not validated; `pip install hepdata-validator` has it checked",)
        return (f"validated by hepdata-validator, schema {_SCHEMA}",)


def validated(text: str) -> tuple[str, ...] | None:
    """Have a submission checked, its parts as HEPData divides them.

    Returns:
        What the validator says is wrong, nothing for a valid submission; None if it is not installed.
    """
    if find_spec("hepdata_validator") is None:
        return None
    import yaml

    record, table = yaml.safe_load_all(text)
    variables = {name: table.pop(name, None) for name in ("independent_variables", "dependent_variables")}
    parts = {"submission": [record, table | {"data_file": "table.yaml"}], "table": variables}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of jsonschema, whose old resolver the validator uses
        from hepdata_validator.data_file_validator import DataFileValidator
        from hepdata_validator.submission_file_validator import SubmissionFileValidator

        validators = {"submission": SubmissionFileValidator, "table": DataFileValidator}
        faults: list[str] = []
        for name, data in parts.items():
            validator = validators[name](schema_version=_SCHEMA)
            if not validator.validate(file_path=name, data=data):
                faults += [" ".join(message.message.split()) for message in validator.get_messages(name)]
    return tuple(faults)


def _table(selections: Selections, table: CutFlowTable) -> dict[str, Any]:
    return {
        "name": "Cut flow",
        "location": "Produced by cutflow",
        "description": "Expected events after each requirement, with the statistical uncertainty of the simulation, "
        f"estimated with the events of the split {table.split}.",
        "keywords": [{"name": "phrases", "values": ["cut flow"]}],
        "independent_variables": [
            {"header": {"name": "Cut"}, "values": [{"value": _title(selections, line)} for line in table.lines]}
        ],
        "dependent_variables": [
            {
                "header": {"name": "Expected events"},
                "qualifiers": _qualifiers(table, process),
                "values": [_value(line.expected[column]) for line in table.lines],
            }
            for column, process in enumerate(table.processes)
        ],
    }


def _qualifiers(table: CutFlowTable, process: tuple[str, str]) -> list[dict[str, Any]]:
    name, role = process
    found: list[dict[str, Any]] = [{"name": "Process", "value": name}]
    if name != role:
        found.append({"name": "Role", "value": role})
    if table.luminosity is not None:
        found.append({"name": "Integrated luminosity", "value": table.luminosity, "units": "fb$^{-1}$"})
    return found


def _title(selections: Selections, line: CutFlowLine) -> str:
    if line.position <= 0:
        return line.cut
    cut = selections.flow.cuts[line.position - 1]
    return f"{plain_cut(cut, selections.feature(cut.observable).dtype)}{selections.unit(cut.observable)}"


def _value(expected: Expected) -> dict[str, Any]:
    """Return a value with its error, to more digits than anyone needs; `-` is HEPData's unknown.

    An error of zero, which the validator refuses, is none.
    """
    if expected.value is None:
        return {"value": "-"}
    errors = [] if not expected.error else [{"symerror": _plain(expected.error), "label": "stat"}]
    return {"value": _plain(expected.value), "errors": errors}


def _plain(value: float) -> float:
    """Drop the digits that adding up weights has left."""
    return float(f"{value:.{_DIGITS}g}")
