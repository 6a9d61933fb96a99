"""The error tree, and the one sentence form that every message follows.

    IsoglotError
    ├── InputError          the caller's mistake: a bad file, name, option or brief    (exit code 2)
    │   ├── RunTableError   a run table that breaks a rule of the schema
    │   ├── LanguageError   a language that is unknown or ambiguous
    │   └── MissingExtraError  a feature whose optional dependencies are not installed
    ├── NoAnswerError       the question is well formed but has no usable answer       (exit code 1)
    └── StoppedError        work was stopped on purpose, and can go on                 (exit code 130)

A message is one sentence that says what is wrong, where (file, row, column, value), and what would be
right. Soft numerical trouble is never an exception: it is a status on the result (see `isoglot.fit`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class IsoglotError(Exception):
    """Base of every error that isoglot raises on purpose."""

    exit_code = 1


class InputError(IsoglotError, ValueError):
    """The caller's mistake: what was given is not allowed, and the message says what is."""

    exit_code = 2


class RunTableError(InputError):
    """A run table breaks a rule of the schema."""


class LanguageError(InputError):
    """A language is unknown or ambiguous."""


class MissingExtraError(InputError):
    """A feature needs an optional dependency group that is not installed."""


class NoAnswerError(IsoglotError):
    """The question is well formed, but no usable answer exists (a refused plan, an empty hold-out)."""


class StoppedError(IsoglotError):
    """Work was stopped on purpose (Ctrl-C); what is done is kept, and the same call goes on from there."""

    exit_code = 130


def nearest(word: str, options: Iterable[str], limit: int = 3) -> str:
    """Return a clause naming the nearest options to a misspelt word, or an empty string.

    >>> nearest("tokns", ["tokens", "params", "loss"])
    ' (did you mean tokens?)'
    >>> nearest("xyzzy", ["tokens"])
    ''
    """
    options = list(options)
    folded = {option.casefold(): option for option in options}
    close = difflib.get_close_matches(word.casefold(), list(folded), n=limit, cutoff=0.6)
    if not close:
        return ""
    return f" (did you mean {' or '.join(folded[match] for match in close)}?)"
