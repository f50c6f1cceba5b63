"""YAML: what JSON says, with infinite boundaries, which YAML can write."""

from __future__ import annotations

from typing import ClassVar

from cutflow_cli.export.dialect import Group, ReportUse, Selections
from cutflow_cli.export.json import as_document


class Yaml:
    """The dialect `yaml`."""

    name: ClassVar[str] = "yaml"
    summary: ClassVar[str] = "the same as json"
    group: ClassVar[Group] = "data"
    several: ClassVar[bool] = True
    executes: ClassVar[bool] = False
    objects: ClassVar[bool] = True
    report: ClassVar[ReportUse] = "none"

    def render(self, selections: Selections) -> str:
        """Write all flows, with the features that they cut on and the preselection."""
        import yaml

        return str(yaml.safe_dump(as_document(selections), sort_keys=False, allow_unicode=True, width=1000))
