"""Scripts of characters and of languages, as Unicode and ISO 15924 name them.

The language table names writing systems (`Jpan`, `Hans`), Unicode names the script of a character (`Hira`, `Hani`):
a writing system is the set of scripts that it mixes.
"""

from __future__ import annotations

import functools
import unicodedata
from collections import Counter

from isoglot.core.errors import MissingExtraError
from isoglot.core.languages import base_label, is_language, label, language_and_script

NEEDED = (
    "the script rule needs the extra train, which is not installed: run pip install 'isoglot[train]', or turn the "
    "rule off with script=0"
)
_MIXED = {
    "Hans": {"Hani"},
    "Hant": {"Hani"},
    "Jpan": {"Hani", "Hira", "Kana"},
    "Hang": {"Hang", "Hani"},
}
_UNSPACED = {"Hans", "Hant", "Jpan", "Khmr", "Laoo", "Mymr", "Thai", "Tibt"}
# Shared by all scripts: what is neither evidence for a language nor against it.
_NEUTRAL = {"Zyyy", "Zinh", "Zzzz"}


def expected_scripts(language: str) -> frozenset[str]:
    """Return the Unicode scripts of a label's text; none for a custom label.

    A label fixes its script: `srp` is Cyrillic, Serbian in Latin letters is `srp_Latn`.

    >>> sorted(expected_scripts("jpn")), sorted(expected_scripts("srp_Latn")), expected_scripts("github")
    (['Hani', 'Hira', 'Kana'], ['Latn'], frozenset())
    """
    base = base_label(language)
    if not is_language(base):
        return frozenset()
    script = language_and_script(base)[1]
    return frozenset(_MIXED.get(script, {script}))


def label_in_script(language: str, script: str) -> str | None:
    """Return the label of the same language in another script, or None where it is not written so.

    >>> label_in_script("srp", "Latn"), label_in_script("fra", "Cyrl")
    ('srp_Latn', None)
    """
    code = language_and_script(base_label(language))[0].code
    spelling = f"{code}_{script}"
    return label(spelling) if is_language(spelling) else None


def script_counts(text: str) -> Counter[str]:
    """Return how many letters and marks of each script a text holds; what is common to all scripts is no evidence.

    Raises MissingExtraError without the extra `train`.

    >>> sorted(script_counts("Où, где?").items())
    [('Cyrl', 3), ('Latn', 2)]
    """
    counts: Counter[str] = Counter()
    for character, number in Counter(text).items():
        script = _script_of_letter(character)
        if script:
            counts[script] += number
    return counts


@functools.lru_cache(maxsize=100_000)
def _script_of_letter(character: str) -> str:
    """The script of a letter or mark; nothing for other characters and for what all scripts share."""
    if unicodedata.category(character)[0] not in "LM":
        return ""
    try:
        from fontTools.unicodedata import script
    except ImportError:
        raise MissingExtraError(NEEDED) from None
    code: str = script(character)
    return "" if code in _NEUTRAL else code


def has_spaces(language: str) -> bool:
    """Tell whether white space ends a word in a label's script; a custom label is taken to use spaces.

    >>> has_spaces("fra"), has_spaces("zho"), has_spaces("tha"), has_spaces("github")
    (True, False, False, True)
    """
    base = base_label(language)
    return not is_language(base) or language_and_script(base)[1] not in _UNSPACED
