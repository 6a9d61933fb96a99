"""Published constants of the classic laws beyond the plain surface, each with its grade, source and range."""

from __future__ import annotations

from isoglot.laws.preset import Preset

CLASSICS: list[Preset] = []
