"""What a run is scored on: which languages, how much of their held-out text, and from how much context.

It is a part of the recipe, since it decides the rows that a run leaves; it changes nothing that is trained.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from isoglot.core.errors import InputError, nearest

WindowKind = Literal["cut", "sliding"]
SAMPLE = 150_000
"""Bytes of held-out text a language that are scored unless a recipe says otherwise; docs/training.md has what it costs."""
OWN, ALL = "data", "all"
"""Words for languages: those that the run is about, and those of the text."""


@dataclass(frozen=True)
class Scoring:
    """Languages, sample and windows of a run's evaluations.

    `languages` are labels, `data` (the run's own: those of its stages, share 0 included, and those of its base that the
    text holds) or `all` (those of the text); none means `data`. `sample` is in UTF-8 bytes a language, 0 for all held-out
    text; bytes, so that one corpus gives the same documents under every vocabulary. `cut` scores text in windows of the
    training length that follow each other; with `sliding` they overlap by half, and a token has at least half a window
    before it.

    >>> Scoring(("fra", "data", "fra")).languages
    ('data', 'fra')
    """

    languages: tuple[str, ...] = ()
    sample: int = SAMPLE
    window: WindowKind = "cut"

    def __post_init__(self) -> None:
        chosen = tuple(sorted(set(self.languages)))
        object.__setattr__(self, "languages", (ALL,) if ALL in chosen else () if chosen == (OWN,) else chosen)
        if self.sample < 0:
            raise InputError(f"scoring has sample={self.sample}: give bytes a language, or 0 for all text")
        if self.window not in get_args(WindowKind):
            raise InputError(f"window {self.window!r} is unknown: use cut or sliding")

    def spelt(self, own: Iterable[str], fresh: bool) -> Scoring:
        """The same scoring of a run whose stages name `own`, in one spelling; `fresh` runs have no base.

        >>> Scoring(("eng", "fra")).spelt(("eng", "fra"), fresh=True).languages
        ()
        """
        own, names = set(own), set(self.languages)
        if OWN in names:
            names -= own
        elif fresh and names == own:
            names = set()
        return replace(self, languages=tuple(names))

    def chosen(self, own: Iterable[str], there: Iterable[str]) -> tuple[str, ...]:
        """The languages that are scored, in the order of the text's own, of a run that is about `own`.

        Raises InputError for a label that the text does not hold.

        >>> Scoring(("data", "hin")).chosen(("fra",), ("eng", "fra", "hin"))
        ('fra', 'hin')
        """
        there, names = tuple(there), set(self.languages or (OWN,))
        if ALL in names:
            return there
        wanted = {*(own if OWN in names else ()), *(names - {OWN})}
        for name in sorted(wanted):
            if name not in there:
                raise InputError(
                    f"scoring names language {name}{nearest(name, there)}, but the text holds {', '.join(there)}"
                )
        return tuple(name for name in there if name in wanted)
