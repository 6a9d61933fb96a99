"""Compiled programs kept between commands, so that only the first fit of a law pays for compilation."""

from __future__ import annotations


def keep_compiled() -> None:
    """Keep compiled programs for this command and its children, unless the user has set where."""
    from isoglot.sweep.compiled import keep_compiled as keep

    keep()
