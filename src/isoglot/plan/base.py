"""The checkpoint that a run could continue from: its size, its training, and who shares its cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isoglot.core.errors import InputError, nearest
from isoglot.core.languages import parse_label
from isoglot.plan.number import is_amount, is_number

EXAMPLE = "{params=2e9, tokens=1e12, models=4, count=true}"


@dataclass(frozen=True)
class Base:
    """A base checkpoint: parameters, training tokens and FLOPs, shares of its languages, models that share it.

    `count=True` charges `flops / models` to the continued run (`flops` is 6 N D of the base unless given): training
    from scratch then gets the tokens which that compute buys. `count=False`, as in ATLAS, takes the base as free.
    """

    params: float
    tokens: float | None = None
    flops: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    models: float = 1
    count: bool = False

    @property
    def cost(self) -> float | None:
        """FLOPs of training the base; None if neither FLOPs nor tokens are known."""
        if self.flops is not None:
            return float(self.flops)
        return None if self.tokens is None else 6.0 * self.params * self.tokens

    @property
    def counted_tokens(self) -> float:
        """Extra tokens for a run from scratch at the base's size: cost / models / (6 N); 0 if not counted.

        >>> Base(2e9, tokens=1e12, models=4, count=True).counted_tokens
        250000000000.0
        """
        if not self.count or self.cost is None:
            return 0.0
        return self.cost / self.models / (6.0 * self.params)

    def exposure(self, label: str) -> float | None:
        """Tokens of a language that the base saw; None if its shares or tokens are not given."""
        if self.tokens is None or not self.shares:
            return None
        return float(self.shares.get(label, 0.0)) * self.tokens


def read_base(value: Any) -> Base:
    """A `Base` from a table.

    Raises InputError naming the field, what was given and what is allowed.

    >>> read_base({"params": 2e9, "tokens": 1e12, "shares": {"en": 0.05}}).exposure("eng")
    50000000000.0
    """
    if isinstance(value, Base):
        value = dataclasses.asdict(value)
    if not isinstance(value, Mapping):
        raise InputError(f"brief: base={value!r} is no table; give one such as {EXAMPLE}")
    known = [entry.name for entry in dataclasses.fields(Base)]
    for key in value:
        if key not in known:
            raise InputError(
                f"brief: base has the field {key!r}{nearest(str(key), known)}; fields are {', '.join(known)}"
            )
    given = {key: entry for key, entry in value.items() if entry is not None}
    if "params" not in given:
        raise InputError(f"brief: base needs params, the size of the checkpoint, such as {EXAMPLE}")
    for key in ("params", "tokens", "flops", "models"):
        if key in given and not is_amount(given[key]):
            raise InputError(f"brief: base has {key}={given[key]!r}; give a positive number")
    if given.get("models", 1) < 1:
        raise InputError(
            f"brief: base has models={given['models']!r}; give how many models share it, at least 1"
        )
    if not isinstance(given.get("count", False), bool):
        raise InputError(f"brief: base has count={given['count']!r}; give true or false")
    base = Base(**{**given, "shares": read_shares(given.get("shares", {}), "brief: base")})
    if base.count and base.cost is None:
        raise InputError("brief: base is to be counted but its cost is unknown; give its tokens or its flops")
    return base


def read_shares(value: Any, where: str) -> dict[str, float]:
    """Shares by canonical label from a table; they may leave out languages, so they sum to at most 1.

    Raises InputError, its sentence starting with `where`.

    >>> read_shares({"en": 0.05}, "brief: base")
    {'eng': 0.05}
    """
    if not isinstance(value, Mapping):
        raise InputError(f"{where} has shares={value!r}; give a table such as {{eng=0.05, deu=0.0142}}")
    found: dict[str, float] = {}
    for text, share in value.items():
        if not isinstance(text, str):
            raise InputError(
                f"{where} has a share of {text!r}, which is no name; give a code or an English name, such as eng"
            )
        label = "und" if text == "und" else parse_label(text)
        if label in found:
            raise InputError(f"{where} has the share of {text!r} twice (as {label}); give it once")
        if not (is_number(share) and 0 <= share <= 1):
            raise InputError(f"{where} has the share {share!r} of {label}; give a number between 0 and 1")
        found[label] = float(share)
    if sum(found.values()) > 1 + 1e-6:
        raise InputError(
            f"{where} has shares that sum to {sum(found.values()):.4g}; they must sum to at most 1"
        )
    return found
