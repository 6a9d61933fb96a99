"""Words of synthetic languages: one word a concept and language, with an exact share of words in common.

Concept i is what word i of every language means. `round(overlap * types)` concepts, chosen without regard to their
frequency, have one word in all languages; every other concept has a word of its own in each. The chosen concepts
of a smaller overlap are among those of a larger one, and no other word changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isoglot.core.errors import InputError
from isoglot.core.splitmix import permutation, seed_from

_CONSONANTS = "bdfghjklmnprstvz"
_VOWELS = "aeiou"
_SYLLABLES = len(_CONSONANTS) * len(_VOWELS)
_FORMS = _SYLLABLES**3
WORD_BYTES = 6
"""UTF-8 bytes of a word: three syllables of a consonant and a vowel."""

Words = tuple[str, ...]


@dataclass(frozen=True)
class Lexicon:
    """Words of each language by concept, and how many concepts have one word in all languages."""

    words: dict[str, Words]
    shared: int

    @property
    def types(self) -> int:
        """Number of concepts, which is the number of word types of each language."""
        return len(next(iter(self.words.values())))


def lexicon(languages: Sequence[str], types: int, overlap: float = 0.0, seed: int = 0) -> Lexicon:
    """Invent the words of `types` concepts in each language, with a share `overlap` of them in common.

    Raises InputError for an overlap outside 0 to 1, for fewer than one concept, and for more words than there are
    (512,000 over all languages).

    >>> made = lexicon(("synA", "synB"), types=4, overlap=0.25)
    >>> len(set(made.words["synA"]) & set(made.words["synB"]))
    1
    """
    if not 0 <= overlap <= 1:
        raise InputError(f"overlap is {overlap:g}: give a share from 0 to 1")
    most = _FORMS // (len(languages) + 1)
    if not 1 <= types <= most:
        raise InputError(f"lexicon has types={types}: give 1 to {most} for {len(languages)} languages")
    shared = round(overlap * types)
    order = permutation(seed_from(f"shared words {seed}"), types)
    common = set(order[:shared].tolist())
    words = {
        language: tuple(
            _form(concept if concept in common else (number + 1) * types + concept, seed)
            for concept in range(types)
        )
        for number, language in enumerate(languages)
    }
    return Lexicon(words, shared)


def _form(number: int, seed: int) -> str:
    """The word with a number below 512,000; two numbers have two words."""
    # A factor that shares no divisor with 80^3 = 2^12 5^3 makes the multiplication a permutation.
    scattered = (number * (10 * (seed_from(f"forms {seed}") % _FORMS) + 7) + 12_345) % _FORMS
    syllables = []
    for _ in range(3):
        scattered, syllable = divmod(scattered, _SYLLABLES)
        consonant, vowel = divmod(syllable, len(_VOWELS))
        syllables.append(_CONSONANTS[consonant] + _VOWELS[vowel])
    return "".join(syllables)
