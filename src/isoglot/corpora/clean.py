"""Cleaning: what counts as text of a language, and why each passage that does not was left out.

Rules are tried in one order, and the first that a passage fails is its reason:

    empty             nothing is left after NFC and the collapse of white space
    mis-encoded       more than 1 % of the characters are U+FFFD or control characters, or UTF-8 read as Latin-1
    stub, too short   width under 8 (a passage with a unit key) or 15 (one without); East Asian wide characters count 2
    few letters       letters and their marks are under half of what is not space
    identical to eng  the same text stands in the reference language: it was never translated
    duplicate         the same text came earlier in this language
    other script      letters of the language's script are under half of all letters

The script rule comes last, so that untranslated lines do not make a language look like another one. A custom label
(a domain, a synthetic language) has no script: the rule is skipped, and `Cleaner.script_rule` says so.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from isoglot.core.errors import InputError, nearest
from isoglot.corpora.passage import Passage
from isoglot.corpora.scripts import expected_scripts, label_in_script, script_counts

EXAMPLES = 3
EXAMPLE_WIDTH = 80
BAD_SHARE = 0.01


@dataclass(frozen=True)
class Cleaning:
    """Thresholds of the rules; `untranslated` is the reference language of the rule on identical text, or None.

    `minimum` and `minimum_unit` are widths of passages without and with a unit key; `letters` and `script` are
    shares from 0 to 1; 0 turns a rule off.

    >>> Cleaning(minimum=0).untranslated
    'eng'
    """

    minimum: int = 15
    minimum_unit: int = 8
    letters: float = 0.5
    script: float = 0.5
    duplicates: bool = True
    untranslated: str | None = "eng"
    mis_encoded: bool = True

    def __post_init__(self) -> None:
        for name in ("minimum", "minimum_unit"):
            if getattr(self, name) < 0:
                raise InputError(f"cleaning has {name}={getattr(self, name)}: give 0 or more characters")
        for name in ("letters", "script"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"cleaning has {name}={getattr(self, name):g}: give a share from 0 to 1")


CLEANINGS = {
    "prose": Cleaning(),
    # A verse that repeats is still the verse of its place, and a name is the same in two languages.
    "verses": Cleaning(duplicates=False, untranslated=None),
    "none": Cleaning(0, 0, 0.0, 0.0, duplicates=False, untranslated=None, mis_encoded=False),
}


def cleaning(name: str | Cleaning, **changes: Any) -> Cleaning:
    """Return the rules of a kind of text (`prose`, `verses`, `none`), with some thresholds changed.

    Raises InputError for an unknown kind and for a threshold out of range.

    >>> cleaning("verses", letters=0.3).duplicates
    False
    """
    if isinstance(name, str):
        if name not in CLEANINGS:
            raise InputError(
                f"cleaning {name!r} is unknown{nearest(name, CLEANINGS)}: use {', '.join(CLEANINGS)}"
            )
        name = CLEANINGS[name]
    return replace(name, **changes)


def normalise(text: str) -> str:
    """Return the text in Unicode NFC with every run of white space as one space.

    >>> normalise("  Cafe\\u0301   noir ")
    'Café noir'
    """
    return " ".join(unicodedata.normalize("NFC", text).split())


def width(text: str) -> int:
    """Return the number of characters, East Asian wide ones counted twice: they carry about two letters each.

    >>> width("verse"), width("耶稣哭了。")
    (5, 10)
    """
    return len(text) + sum(unicodedata.east_asian_width(c) in "WF" for c in text)


def letter_share(text: str) -> float:
    """Return the share of letters and combining marks among the characters that are no space.

    >>> letter_share("a 1"), letter_share("हिन्दी")
    (0.5, 1.0)
    """
    counts = Counter(text)
    counts.pop(" ", None)
    letters = sum(n for c, n in counts.items() if unicodedata.category(c)[0] in "LM")
    return letters / max(1, sum(counts.values()))


def is_mis_encoded(text: str) -> bool:
    """Tell whether bytes were decoded in a wrong encoding: U+FFFD, control characters, or UTF-8 as Latin-1.

    >>> is_mis_encoded("cafÃ© noir"), is_mis_encoded("café noir"), is_mis_encoded("caf\\ufffd")
    (True, False, True)
    """
    if text.isascii():
        bad = len(_CONTROL.findall(text))
    else:
        bad = text.count("\ufffd") + len(_CONTROL.findall(text))
        for encoding in ("cp1252", "latin-1"):
            try:
                # Real text is practically never valid UTF-8 a second time.
                text.encode(encoding).decode("utf-8")
            except UnicodeError:
                continue
            return True
    return bad > BAD_SHARE * len(text)


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def digest(text: str) -> bytes:
    """Return 16 bytes that stand for a text in sets of texts seen: equal texts have equal digests.

    >>> len(digest("one"))
    16
    """
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@dataclass
class LeftOut:
    """Passages left out for one reason: their number, UTF-8 bytes, and up to three of them, shortened."""

    passages: int = 0
    bytes: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Count one passage."""
        self.passages += 1
        self.bytes += len(text.encode("utf-8", "surrogatepass"))
        if len(self.examples) < EXAMPLES and text:
            # What cannot be encoded, or would act on a terminal, is shown by its code.
            shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
            self.examples.append(shown[:EXAMPLE_WIDTH] + ("…" if len(shown) > EXAMPLE_WIDTH else ""))

    def to_dict(self) -> dict[str, object]:
        """Return plain data for the manifest."""
        return {"passages": self.passages, "bytes": self.bytes, "examples": self.examples}


class Cleaner:
    """The rules at work on one language: gives back clean text, or None and a counted reason.

    `reference` holds the digests of the reference language's text, for the rule on untranslated passages. `seen`
    are the digests of what was kept, which the cleaner of another language may take as its reference.
    """

    def __init__(self, language: str, rules: Cleaning, reference: set[bytes] | None = None) -> None:
        self.language = language
        self.rules = rules
        self.reference = reference or set()
        self.seen: set[bytes] = set()
        self.left_out: dict[str, LeftOut] = {}
        self.passages = 0
        self.scripts = expected_scripts(language) if rules.script > 0 else frozenset()
        self._judged = 0
        self._found: Counter[str] = Counter()

    @property
    def script_rule(self) -> str:
        """What the script rule asked for, in words for the manifest."""
        if self.rules.script <= 0:
            return "off"
        if not self.scripts:
            return f"skipped: {self.language} is a custom label, which has no script"
        return f"at least {self.rules.script:g} of the letters are {' or '.join(sorted(self.scripts))}"

    def clean(self, passage: Passage) -> str | None:
        """Return the passage's clean text, or None where a rule leaves it out."""
        self.passages += 1
        text = normalise(passage.text)
        mark = digest(text)
        reason = self._reason(text, mark, passage.unit is not None)
        if reason is None:
            self.seen.add(mark)
            return text
        self.left_out.setdefault(reason, LeftOut()).add(text)
        return None

    def _reason(self, text: str, mark: bytes, has_unit: bool) -> str | None:
        rules = self.rules
        if not text:
            return "empty"
        if (rules.mis_encoded and is_mis_encoded(text)) or _has_surrogate(text):
            return "mis-encoded"
        least = rules.minimum_unit if has_unit else rules.minimum
        if len(text) < least and width(text) < least:
            return "stub" if has_unit else "too short"
        if rules.letters > 0 and letter_share(text) < rules.letters:
            return "few letters"
        if mark in self.reference:
            return f"identical to {rules.untranslated}"
        if rules.duplicates and mark in self.seen:
            return "duplicate"
        return "other script" if self.scripts and not self._in_script(text) else None

    def _in_script(self, text: str) -> bool:
        counts = script_counts(text)
        total = sum(counts.values())
        self._judged += 1
        if total == 0 or sum(counts[s] for s in self.scripts) >= self.rules.script * total:
            return True
        self._found[counts.most_common(1)[0][0]] += 1
        return False

    def check_language(self) -> None:
        """Raise InputError where more than half of the passages are in another script: a wrong label or file."""
        wrong = sum(self._found.values())
        if wrong <= self._judged / 2:
            return
        script, count = self._found.most_common(1)[0]
        other = label_in_script(self.language, script)
        remedy = f"label it {other}" if other else "check the language of the text"
        raise InputError(
            f"text given as {self.language} reads as {script}, but {self.language} is written in "
            f"{' or '.join(sorted(self.scripts))}: {count} of {self._judged} passages are in {script}; {remedy}, "
            "or leave the language out"
        )


def _has_surrogate(text: str) -> bool:
    # A lone surrogate is no Unicode text and cannot be written as UTF-8, whatever the rules.
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
