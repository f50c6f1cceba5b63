"""What pydantic finds wrong with settings and options, in the words of everything else that is said to users."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cutflow_cli.errors import nearest

#: What comes before a message of ours.
_PREFIX = re.compile(r"^(Value error|Assertion failed), ")
_SUBJECT = re.compile(r"^(Input|String|List|Tuple|Set|Dictionary|Value) should ")
#: Pydantic's words, and ours.
_WORDS = (
    (re.compile(r", unable to parse string as an? \w+"), ""),
    (re.compile(r" after validation, not \d+"), ""),
    (re.compile(r"\ba valid integer\b"), "a whole number"),
    (re.compile(r"\ba valid (number|list|tuple|set|path)\b"), r"a \1"),
    (re.compile(r"\ba valid string\b"), "text"),
    (re.compile(r"\ba valid boolean\b"), "true or false"),
    (re.compile(r"\ba valid dictionary\b"), "a table of names and values"),
)
_CHOICES = re.compile(r"(?:is not one of|must be) (?=')(.*)$")


def in_words(detail: Mapping[str, Any]) -> str:
    """Say what one of the errors of a `ValidationError` is, without where it is.

    Args:
        detail: an entry of its `errors()`.

    Returns:
        A clause in one line, such as `must be greater than 0`; what a validator of ours raised is as it was raised.
        A name that is none of the choices is told from the nearest of them.
    """
    raw = str(detail["msg"])
    ours = _PREFIX.sub("", raw)
    text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in ours).rstrip(".")
    if ours == raw:
        text = _SUBJECT.sub("must ", text)
        for theirs, words in _WORDS:
            text = theirs.sub(words, text)
        text = text[:1].lower() + text[1:]
    given, choices = detail.get("input"), _CHOICES.search(text)
    if choices is not None and isinstance(given, str):
        near = nearest(given, re.findall(r"'([^']+)'", choices[1]), limit=1)
        text += f"; {near}" if near.startswith("did you mean") else ""
    return text
