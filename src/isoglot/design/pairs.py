"""Language pairs: bilingual runs, and the monolingual runs that they are compared with."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Annotated

from isoglot.core.errors import InputError
from isoglot.core.languages import parse_label
from isoglot.core.recipe import Recipe
from isoglot.core.wish import Text, Wish
from isoglot.design.knobs import Says
from isoglot.design.run import languages_of, lengths, only, positive, warmed, written


def pairs(
    text: Text,
    wish: Wish,
    *,
    pairs: Annotated[
        tuple[str, ...], Says("pairs, as eng:fra,eng:hin; else all pairs of the languages")
    ] = (),
    shares: Annotated[tuple[float, ...], Says("shares of a pair's second language")] = (0.5,),
    tokens: Annotated[tuple[float, ...], Says("tokens of the bilingual runs, both languages together")] = (
        1e6,
    ),
) -> list[Recipe]:
    """Which languages help which, and how much?

    A bilingual run of D tokens with share p of a language is compared with monolingual runs of that language: at p D
    tokens (the same text of the language to within a step; a lower bilingual loss is transfer) and at D (the same
    compute). They come first, one trunk a language; all runs have one warm-up. The bilingual transfer score needs
    p = 0.5 and several `tokens`.

    Raises InputError for a pair that is none or not of `languages`, or a share outside 0 to 1.

    Source: ATLAS (2510.22037), section 4.

    >>> text = Text("abc", 512, (("eng", 500_000), ("fra", 500_000)))
    >>> [(run.data.languages, run.steps) for run in pairs(text, Wish(batch=16), tokens=(1e5,))]
    [(('eng',), 13), (('eng',), 25), (('fra',), 13), (('fra',), 25), (('eng', 'fra'), 25)]
    """
    chosen = _pairs(pairs, languages_of(wish, text), text)
    for share in shares:
        if not 0 < share < 1:
            raise InputError(f"knob shares has {share:g}: give numbers between 0 and 1")
    if not shares:
        raise InputError("knob shares is '': give one or more numbers between 0 and 1")
    counts = positive("tokens", tokens)
    mixtures = [{first: round(1 - share, 12), second: share} for first, second in chosen for share in shares]
    alone: dict[str, set[float]] = {}
    for mixture in mixtures:
        for name, part in mixture.items():
            alone.setdefault(name, set()).update(counts, (part * count for count in counts))
    wish = warmed(wish, [count for needed in alone.values() for count in needed])
    arms = [
        (replace(only(wish, (name,)), mixture="uniform"), sorted(needed)) for name, needed in alone.items()
    ]
    arms += [(replace(only(wish, parts), mixture=written(parts)), [*counts]) for parts in mixtures]
    return [run for arm, needed in arms for run in lengths(arm, text, needed)]


def _pairs(names: tuple[str, ...], pool: tuple[str, ...], text: Text) -> list[tuple[str, str]]:
    if not names:
        found = list(itertools.combinations(pool, 2))
        if not found:
            raise InputError(f"design pairs has the language {', '.join(pool)} alone: give two or more")
        return found
    made = []
    for name in names:
        first, colon, second = (piece.strip() for piece in name.partition(":"))
        if not colon or not first or not second or parse_label(first) == parse_label(second):
            raise InputError(f"pair {name!r} is none: write two languages as eng:fra")
        made.append((parse_label(first), parse_label(second)))
        for language in languages_of(Wish(languages=made[-1]), text):
            if language not in pool:
                raise InputError(
                    f"pair {name!r} names {language}, but languages are {', '.join(pool)}: name it there, or leave "
                    "languages out"
                )
    return made
