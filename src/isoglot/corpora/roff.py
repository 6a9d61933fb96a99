"""Running text out of roff, the markup of manual pages, without formatting it.

Only what occurs in manual pages is understood: font requests and escapes are unwrapped, named characters are mapped,
literal blocks and tables are left out, and every other request ends a paragraph. A named character that is not in the
table becomes U+FFFD, which the cleaning of corpora counts, so that no hole in a sentence passes for text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_FONTS = frozenset("B I R SM SB".split())
_ALTERNATING = frozenset("BI BR IB IR RB RI".split())
_LITERAL = {"nf": "fi", "EX": "EE", "TS": "TE", "de": ".", "de1": ".", "am": ".", "am1": ".", "ig": "."}
_HEADINGS = frozenset("SH SS".split())

_CHARACTERS = {
    "aq": "'",
    "dq": '"',
    "lq": "“",
    "rq": "”",
    "oq": "‘",
    "cq": "’",
    "Fo": "«",
    "Fc": "»",
    "fo": "‹",
    "fc": "›",
    "Bq": "„",
    "bq": "‚",
    "em": "—",
    "en": "–",
    "hy": "-",
    "mi": "−",
    "bu": "•",
    "co": "©",
    "rg": "®",
    "tm": "™",
    "ha": "^",
    "ti": "~",
    "ga": "`",
    "aa": "´",
    "rs": "\\",
    "sl": "/",
    "ul": "_",
    "ba": "|",
    "bv": "|",
    "br": "|",
    "lB": "[",
    "rB": "]",
    "lC": "{",
    "rC": "}",
    "la": "⟨",
    "ra": "⟩",
    "at": "@",
    "sh": "#",
    "Do": "$",
    "Eu": "€",
    "eu": "€",
    "Po": "£",
    "ct": "¢",
    "sc": "§",
    "dg": "†",
    "dd": "‡",
    "ps": "¶",
    "de": "°",
    "mu": "×",
    "di": "÷",
    "+-": "±",
    "<=": "≤",
    ">=": "≥",
    "!=": "≠",
    "==": "≡",
    "->": "→",
    "<-": "←",
    "<>": "↔",
    "uA": "↑",
    "dA": "↓",
    "12": "½",
    "14": "¼",
    "34": "¾",
    "if": "∞",
    "*p": "π",
    "*m": "μ",
    "mc": "µ",
    "ss": "ß",
    "ae": "æ",
    "AE": "Æ",
    "oe": "œ",
    "OE": "Œ",
    "o/": "ø",
    "O/": "Ø",
    "oa": "å",
    "OA": "Å",
    "r?": "¿",
    "r!": "¡",
    "pc": "·",
    "no": "¬",
}
_ACCENTS = {
    "'": "\u0301",
    "`": "\u0300",
    "^": "\u0302",
    ":": "\u0308",
    "~": "\u0303",
    ",": "\u0327",
    "o": "\u030a",
}

_COMMENT = re.compile(r"\\[\"#].*")
_DROPPED = re.compile(
    r"\\f(?:\[[^\]]*\]|\(..|.)"  # fonts
    r"|\\s(?:\[[^\]]*\]|[-+]?\([-+]?\d\d|[-+]?'[^']*'|[-+]?\d{1,2})"  # sizes
    r"|\\[hvwlLDoZxbNSR]'[^']*'"  # motions, lines, drawings
    r"|\\[mMFkgV](?:\[[^\]]*\]|\(..|.)"  # colours, families, marks
    r"|\\[&/,|^%:cdurpaz){}!?t]"  # spacing, breaks, parts of conditionals
)
_STRING = re.compile(r"\\\*(?:\[([^\]]*)\]|\((..)|(.))")
_NAMED = re.compile(r"\\(?:\[([^\]]+)\]|\((..)|C'([^']*)')")
# Quoted, or up to a space that no backslash protects.
_ARGUMENT = re.compile(r'"((?:""|[^"])*)"?|((?:\\.|[^\s\\]|\\$)+)')
_REGISTER = re.compile(r"\\n[-+]?(?:\[[^\]]*\]|\(..|.)")


def plain(text: str) -> str:
    r"""Return a line of roff without its escapes.

    >>> plain(r"\fBls\fP [\fI\,OPTION\/\fP] \(em Gr\[:o]\[ss]e\~x\-y")
    'ls [OPTION] — Größe x-y'
    """
    text = _COMMENT.sub("", text)
    text = text.replace("\\\\", "\\e")
    text = _DROPPED.sub("", text)
    text = _STRING.sub(lambda match: _character(match[1] or match[2] or match[3] or ""), text)
    text = _NAMED.sub(lambda match: _character(match[1] or match[2] or match[3] or ""), text)
    text = _REGISTER.sub("\ufffd", text)
    text = re.sub(r"\\[ ~0]", " ", text).replace("\\-", "-").replace("\\'", "´").replace("\\`", "`")
    return text.replace("\\e", "\\").replace("\\.", ".")


def _character(name: str) -> str:
    if name in _CHARACTERS:
        return _CHARACTERS[name]
    if match := re.fullmatch(r"u([0-9A-F]{4,6})", name):
        return chr(int(match[1], 16))
    if len(name) == 2 and name[0] in _ACCENTS and name[1].isalpha():
        return unicodedata.normalize("NFC", name[1] + _ACCENTS[name[0]])
    return {"R": "®", "Tm": "™", "S": "", '"': '"', "``": "“", "''": "”"}.get(name, "\ufffd")


def _arguments(rest: str) -> list[str]:
    """Split a request's arguments as roff does: at spaces, except within double quotes."""
    found = _ARGUMENT.finditer(rest)
    return [match[2] if match[1] is None else match[1].replace('""', '"') for match in found]


def paragraphs(source: str) -> Iterator[str]:
    r"""Yield the paragraphs of a page, in order, whitespace collapsed.

    >>> list(paragraphs(".TH LS 1\n.SH NAME\nls \\- list\n.PP\nUse\n.BR cat (1)\nfirst.\n.nf\nx = 1\n.fi\nThen"))
    ['NAME', 'ls - list', 'Use cat(1) first.', 'Then']
    """
    held: list[str] = []
    closing: str | None = None
    for line in _logical_lines(source):
        request = re.match(r"[.'][ \t]*(\S*)[ \t]*(.*)", line)
        name = request[1] if request else ""
        if closing is not None:
            closing = None if request and name == closing else closing
            continue
        if request is None and line.strip():
            held.append(plain(line))
            continue
        rest = request[2] if request else ""
        if name in _FONTS and rest:
            held.append(plain(" ".join(_arguments(rest))))
            continue
        if name in _ALTERNATING and rest:
            held.append(plain("".join(_arguments(rest))))
            continue
        if name.startswith('\\"') or name in _FONTS | _ALTERNATING:
            continue
        yield from _joined(held)
        held = [plain(" ".join(_arguments(rest)))] if name in _HEADINGS and rest else []
        if name in _HEADINGS and held:
            yield from _joined(held)
            held = []
        closing = _LITERAL.get(name)
    yield from _joined(held)


def _logical_lines(source: str) -> Iterator[str]:
    """Join lines that end in a backslash to the next."""
    return iter(re.sub(r"(?<!\\)\\\n", "", source).splitlines())


def _joined(lines: list[str]) -> Iterator[str]:
    if text := " ".join(" ".join(lines).split()):
        yield text
