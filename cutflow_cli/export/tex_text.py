"""Any text for LaTeX: what it would read itself is escaped, and letters beyond ASCII are written in its own words.

pdfLaTeX stops at a Unicode letter that no package has declared, Greek ones above all.
"""

from __future__ import annotations

import unicodedata

_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}",
}  # fmt: skip
#: What mathematics calls a letter or sign.
_MATHS = {
    "ℓ": r"\ell", "ħ": r"\hbar", "ℏ": r"\hbar", "µ": r"\mu", "ϕ": r"\phi", "ε": r"\varepsilon", "ϵ": r"\epsilon",
    "ϑ": r"\vartheta", "ς": r"\varsigma", "ϱ": r"\varrho", "±": r"\pm", "∓": r"\mp", "×": r"\times", "·": r"\cdot",
    "−": "-", "≤": r"\leq", "≥": r"\geq", "≠": r"\neq", "≈": r"\approx", "∼": r"\sim", "∞": r"\infty", "√": r"\surd",
    "∑": r"\sum", "∆": r"\Delta", "∂": r"\partial", "→": r"\to", "←": r"\leftarrow", "↔": r"\leftrightarrow",
    "∈": r"\in", "⊥": r"\perp", "∥": r"\parallel", "°": r"^{\circ}", "′": r"'", "⟨": r"\langle", "⟩": r"\rangle",
}  # fmt: skip
_TEXT = {"–": "--", "—": "---", "…": r"\ldots{}", "‘": "`", "’": "'", "“": "``", "”": "''", "\u00a0": "~"}
#: Greek letters by their names; TeX has no command for those that look Latin.
_SMALL = frozenset(
    "alpha beta gamma delta zeta eta theta iota kappa mu nu xi pi rho sigma tau upsilon phi chi psi omega".split()  # noqa: SIM905
)
_CAPITAL = frozenset("gamma delta theta xi pi sigma upsilon phi psi omega lambda".split())  # noqa: SIM905
_LIKE_LATIN = {
    "alpha": "A", "beta": "B", "epsilon": "E", "zeta": "Z", "eta": "H", "iota": "I", "kappa": "K", "mu": "M",
    "nu": "N", "omicron": "O", "rho": "P", "tau": "T", "chi": "X",
}  # fmt: skip
#: Latin letters up to here LaTeX knows without a package.
_LAST_LATIN = 0x17F


def escaped(text: str) -> str:
    """Write any text so that LaTeX sets it as it is."""
    return "".join(_ESCAPES.get(letter) or _letter(letter) for letter in text)


def without_unicode(tex: str) -> str:
    """Write the letters beyond ASCII of something that is TeX already in TeX's own words, as `m_τ` may hold them."""
    return "".join(letter if letter.isascii() else f"{{{_letter(letter)}}}" for letter in tex)


def _letter(letter: str) -> str:
    if letter.isascii():
        return letter
    if letter in _TEXT:
        return _TEXT[letter]
    word = _MATHS.get(letter) or _greek(letter)
    if word is not None:
        return rf"\ensuremath{{{word}}}"
    kind, _, plain = unicodedata.decomposition(letter).rpartition("> ")
    parts = "".join(chr(int(code, 16)) for code in plain.split())
    if kind in ("<super", "<sub") and parts:
        inner = "".join(map(_letter, parts)).replace(r"\ensuremath{-}", "-")
        return rf"\ensuremath{{{'^' if kind == '<super' else '_'}{{{inner}}}}}"
    if letter.isalpha() and ord(letter) <= _LAST_LATIN:
        return letter
    same = unicodedata.normalize("NFKD", letter)
    if same.isascii():
        return "".join(_ESCAPES.get(one, one) for one in same)
    return f"[U+{ord(letter):04X}]"


def _greek(letter: str) -> str | None:
    """Return the command for a Greek letter, or the Latin one that it looks like; None for other letters."""
    name = unicodedata.name(letter, "").lower()
    script, _, word = name.partition(" letter ")
    word = {"lamda": "lambda"}.get(word, word)  # so Unicode spells it
    if script == "greek small":
        return "o" if word == "omicron" else f"\\{word}" if word in {*_SMALL, "lambda"} else None
    if script == "greek capital":
        return f"\\{word.capitalize()}" if word in _CAPITAL else _upright(_LIKE_LATIN.get(word))
    return None


def _upright(letter: str | None) -> str | None:
    return None if letter is None else rf"\mathrm{{{letter}}}"
