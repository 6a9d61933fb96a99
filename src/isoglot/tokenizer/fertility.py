"""What a vocabulary costs each language: bytes a token, tokens a word, tokens for the same content."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from isoglot.core.errors import LanguageError
from isoglot.core.languages import language_and_script
from isoglot.tokenizer.shards import Shards

# Scripts in which white space does not end a word, so that words cannot be counted by it.
UNSPACED = {"Hans", "Hant", "Jpan", "Khmr", "Laoo", "Mymr", "Thai", "Tibt"}


@dataclass(frozen=True)
class Fertility:
    """What one language costs; train and held-out text together unless said otherwise.

    `bytes_per_token` counts end tokens, which are predicted too: nats a token divided by it are nats a byte.
    `tokens_per_word` leaves them out, and is None where the script puts no space between words.
    `tokens_per_unit` is over the held-out parallel units that all languages with units share, `common_units` of
    them (None if there is none): the cost of the same content, the only one of the three that can be compared
    across languages (Petrov et al. 2305.15425).
    """

    language: str
    documents: int
    tokens: int
    bytes: int
    bytes_per_token: float
    tokens_per_word: float | None
    tokens_per_unit: float | None
    common_units: int


def fertility(shards: Shards) -> list[Fertility]:
    """Measure every language that was tokenised; clones cost what their base costs and are left out."""
    names = [name for name in shards.languages if shards.stream(name) == name]
    units = {name: _unit_tokens(shards, name) for name in names}
    aligned = [set(found) for found in units.values() if found]
    common = reduce(set.intersection, aligned) if aligned else set()
    return [_measure(shards, name, units[name], common) for name in names]


def _measure(shards: Shards, name: str, units: dict[str, int], common: set[str]) -> Fertility:
    parts = [shards.counts(name)["train"], shards.counts(name)["held_out"]]
    documents, tokens, num_bytes, words = (
        sum(part[what] for part in parts) for what in ("documents", "tokens", "bytes", "words")
    )
    spoken = words if _spaced(name) else 0
    return Fertility(
        language=name,
        documents=documents,
        tokens=tokens,
        bytes=num_bytes,
        bytes_per_token=num_bytes / tokens,
        tokens_per_word=(tokens - documents) / spoken if spoken else None,
        tokens_per_unit=sum(units[key] for key in common) / len(common) if units and common else None,
        common_units=len(common) if units else 0,
    )


def _unit_tokens(shards: Shards, name: str) -> dict[str, int]:
    held_out = shards.held_out(name)
    counted = np.bincount(held_out.unit[held_out.unit >= 0], minlength=len(held_out.unit_keys))
    return dict(zip(held_out.unit_keys, counted.tolist(), strict=True))


def _spaced(name: str) -> bool:
    try:
        return language_and_script(name)[1] not in UNSPACED
    except LanguageError:
        return True
