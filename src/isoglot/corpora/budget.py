"""A budget of training text in bytes: which documents fit, and how people write the number."""

from __future__ import annotations

import re
from collections.abc import Iterable

from isoglot.core.errors import InputError

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def byte_count(text: str) -> int:
    """Return the number of bytes that a person wrote: `10MB`, `1.5 GB`, `250000` (powers of 1000).

    Raises InputError for what is no positive number with one of these units.

    >>> byte_count("10MB"), byte_count("1.5kb"), byte_count("7")
    (10000000, 1500, 7)
    """
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]*)?(?:[eE][0-9]+)?)\s*([kKmMgGtT]?[bB]?)\s*", text)
    if match is None or match[2].upper() not in _UNITS or float(match[1]) * _UNITS[match[2].upper()] < 1:
        raise InputError(f"size {text!r} is no number of bytes: write 500kB, 10MB or 2GB")
    return round(float(match[1]) * _UNITS[match[2].upper()])


def within(sizes: Iterable[tuple[str, int]], limit: int, language: str) -> list[str]:
    """Return the keys of the longest prefix of documents whose bytes stay within the limit.

    A prefix, so that the text of a smaller budget is part of the text of a larger one. Raises InputError where not
    even the first document fits.

    >>> within([("a", 4), ("b", 5), ("c", 1)], 9, "eng")
    ['a', 'b']
    """
    kept: list[str] = []
    total = 0
    for key, size in sizes:
        if total + size > limit:
            if not kept:
                raise InputError(
                    f"limit of {limit} bytes is less than the first document of {language} ({key}, {size} bytes): "
                    "give a larger limit"
                )
            break
        total += size
        kept.append(key)
    return kept
