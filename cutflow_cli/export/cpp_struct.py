"""C++: a header with a struct that needs the standard library alone, C++17.

Columns are doubles, cuts one line each; a missing value is NaN, so that `-ffast-math` is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import ClassVar

from cutflow_cli.export.cpp import KEYWORDS
from cutflow_cli.export.dialect import Group, ReportUse, Selections, conditions, provenance
from cutflow_cli.export.infix import Piece
from cutflow_cli.export.rdataframe import CppPrinter
from cutflow_cli.selection.tree import AsFloat32, Node, Number, names


class StructPrinter(CppPrinter):
    """Renders for members of `event`, all of them double.

    Args:
        members: the member that holds each column.
    """

    def __init__(self, members: Mapping[str, str]) -> None:
        self._members = members

    def name(self, name: str) -> Piece:
        """Write the member that holds a column."""
        return self.atom(f"event.{self._members[name]}")

    def side(self, node: Node, other: Node) -> str:
        """Write one side of a comparison."""
        if isinstance(node, AsFloat32) and isinstance(other, Number):
            return super().side(node, other)
        return self.inside(node, self.words.sum_strength)


class Cpp:
    """The dialect `cpp`."""

    name: ClassVar[str] = "cpp"
    summary: ClassVar[str] = "a C++17 header, a struct to be called with an event"
    group: ClassVar[Group] = "ROOT and C++"
    several: ClassVar[bool] = False
    executes: ClassVar[bool] = True
    objects: ClassVar[bool] = False
    report: ClassVar[ReportUse] = "none"

    def render(self, selections: Selections) -> str:
        """Write the header.

        Raises:
            UsageError: for what C++ has no faithful word for.
        """
        rendered = conditions(selections)
        columns = tuple(dict.fromkeys(name for condition in rendered for name in names(condition.tree)))
        members = _members(columns)
        printer = StructPrinter(members)
        return _HEADER.format(
            comment="\n".join(f"// {line}" for line in provenance(selections)),
            members="".join(
                f"      double {members[name]};{_comment(selections, name, members)}\n" for name in columns
            ),
            number=len(rendered),
            names=_braced(6, (json.dumps(condition.title, ensure_ascii=False) for condition in rendered)),
            cuts=_braced(9, (printer.text(condition.tree) for condition in rendered)),
            event="event" if columns else "",
        )


def _comment(selections: Selections, name: str, members: Mapping[str, str]) -> str:
    """Say which column a member holds, where it is called otherwise, and its unit."""
    words = [*([name] if members[name] != name else []), *selections.unit(name).split()]
    return f"  // {' '.join(words)}".rstrip("\\") if words else ""  # a backslash would continue the comment


def _braced(indent: int, texts: Iterable[str]) -> str:
    return "".join(f"\n{' ' * indent}{text}," for text in texts)


def _members(columns: Iterable[str]) -> dict[str, str]:
    """Give each column a member, named alike where C++ allows."""
    found: dict[str, str] = {}
    for column in columns:
        stem = re.sub(r"_+", "_", re.sub(r"\W", "_", column, flags=re.ASCII)).strip("_")  # __ is not for users
        if not stem[:1].isalpha() or stem in KEYWORDS:
            stem = f"column_{stem}"
        name, count = stem, 1
        while name in found.values():
            count += 1
            name = f"{stem}_{count}"
        found[column] = name
    return found


_HEADER = """\
{comment}
//
//    #include "selection.h"
//    const bool kept = cutflow::Selection{{}}(event);   // event: a cutflow::Selection::Event
#pragma once
#include <array>
#include <cmath>
#include <limits>

#ifdef __FAST_MATH__
#error "missing values are NaN, which -ffast-math takes for anything: compile without it"
#endif

namespace cutflow {{

struct Selection {{
   /// The columns of one event in double precision; what is missing is NaN.
   struct Event {{
{members}   }};

   /// The cuts in order, in words.
   static constexpr std::array<const char *, {number}> names = {{{names}
   }};

   /// Say which cuts an event passes, whatever the other cuts do.
   static std::array<bool, {number}> cuts(const Event &{event})
   {{
      return {{{cuts}
      }};
   }}

   /// Say whether an event passes all cuts.
   bool operator()(const Event &event) const
   {{
      for (const bool passed : cuts(event))
         if (!passed)
            return false;
      return true;
   }}
}};

}} // namespace cutflow
"""
