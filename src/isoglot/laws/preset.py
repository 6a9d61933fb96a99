"""A preset: constants of one law from one source, with all that is needed to judge and to use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """Constants of one law from one source.

    `law` is a law specification; `ranges` the runs behind the constants, empty where they are not known; `spread`,
    where known, the covariance of the fit's coordinates (E, ln A - alpha ln N0, ln B - beta ln D0, ln alpha, ln beta) with its centre.
    """

    name: str
    law: str
    params: Mapping[str, Any]
    grade: str
    source: str
    tokenizer: str
    params_convention: str
    loss_unit: str
    ranges: Mapping[str, tuple[float, float]]
    note: str
    use: str = "default"
    spread: Mapping[str, Any] = field(default_factory=dict)
