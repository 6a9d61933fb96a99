"""The columns that the run table understands, and what each may hold.

The table is long: one row per (run, point, evaluated language). A family such as ``share.*`` has one column
a language; ``share.fra`` is a member of it. Everything else in the package asks this file what a name means,
so adding a column means adding one line here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from isoglot.core.flops import FLOP_CONVENTIONS

# The 1-based row of the source, carried through every step so that any message can name it.
ROW = "__row__"
# Scaffolding columns of single steps; a source must not have them.
POINT, FACTOR = "__point__", "__factor__"
RESERVED = (ROW, POINT, FACTOR)

REST = "rest"
UNKNOWN_LANGUAGE = "und"


@dataclass(frozen=True)
class NumberRule:
    """What a number column may hold: its lower bound, its upper bound, and whether it counts things.

    >>> NumberRule(positive=True).violated_by(0.0)
    'must be above 0'
    """

    positive: bool = False
    high: float | None = None
    whole: bool = False
    low: float = 0.0

    def violated_by(self, value: float) -> str:
        """Return the clause that says which bound ``value`` breaks, or an empty string."""
        if self.positive and value <= 0:
            return "must be above 0"
        if value < self.low:
            return f"must be {self.low:g} or more"
        if self.high is not None and value > self.high:
            return f"must be {self.high:g} or less"
        if self.whole and (value != int(value) or value > 2.0**53):
            return "must be a whole number below 2**53"
        return ""


_SIZE = NumberRule(positive=True)
_AMOUNT = NumberRule()
_SHARE = NumberRule(high=1.0)
_COUNT = NumberRule(whole=True)
_SIGNED = NumberRule(low=-math.inf)

REQUIRED = ("params", "tokens", "loss")

NUMBERS: dict[str, NumberRule] = {
    "params": _SIZE,
    "tokens": _SIZE,
    "loss": _SIZE,
    "flops": _SIZE,
    "num_languages": NumberRule(whole=True, low=1.0),
    "flops_exact": _SIZE,
    "step": _COUNT,
    "params_non_embedding": _SIZE,
    "params_embedding": _AMOUNT,
    "vocab_size": _SIZE,
    "epochs": _SIZE,
    "perplexity": NumberRule(positive=True, low=1.0),
    "loss_se": _AMOUNT,
    "bytes_per_token": _SIZE,
    "init_tokens": _AMOUNT,
    "init_flops": _AMOUNT,
    "lr_peak": _AMOUNT,
    "lr_min": _AMOUNT,
    "warmup_tokens": _AMOUNT,
    "decay_tokens": _AMOUNT,
    "batch_tokens": _SIZE,
    "share": _SHARE,
    "realised_share": _SHARE,
    "unique": _SIZE,
}

TEXTS = (
    "run",
    "cluster",
    "language",
    "loss_unit",
    "params_convention",
    "flops_convention",
    "eval_set",
    "split",
    "pair_key",
    "schedule",
    "init_from",
    "lr_phase",
    "precision",
    "vocabulary",
)

# Any type: a seed may be a number or a name.
FREE = ("seed", "data_seed")

FAMILIES: dict[str, NumberRule] = {
    "share": _SHARE,
    "realised_share": _SHARE,
    "init_share": _SHARE,
    "unique": _SIZE,
    "loss": _SIZE,
    "loss_se": _AMOUNT,
    "bytes_per_token": _SIZE,
}
SHARE_FAMILIES = ("share", "realised_share", "init_share")
# A wide table holds these once a language; melting turns them into one bare column each.
MELTED = ("loss", "loss_se", "bytes_per_token")
# Bare columns that speak of the row's own evaluated language and become a family.
OWN = ("share", "realised_share", "unique")

# Text columns of which only some words are allowed; an empty cell says nothing.
WORDS = {"lr_phase": ("warmup", "stable", "decayed"), "flops_convention": FLOP_CONVENTIONS}
CONVENTIONS = ("total", "non_embedding", "unknown")

CORE = ("run", "cluster", "language", "params", "tokens", "loss", "flops", "num_languages")
_OPTIONAL = tuple(
    name
    for name in (*NUMBERS, *TEXTS, *FREE)
    if name not in (*CORE, *OWN, "perplexity", "epochs", "loss_unit", "params_convention")
)


def family_of(column: str) -> tuple[str, str] | None:
    """Split a family member into (family, label), or return None.

    >>> family_of("share.fra"), family_of("tokens")
    (('share', 'fra'), None)
    """
    family, dot, label = column.partition(".")
    return (family, label) if dot and label and family in FAMILIES else None


def is_known(column: str) -> bool:
    """Say whether the schema gives a column name a meaning."""
    return column in NUMBERS or column in TEXTS or column in FREE or family_of(column) is not None


def number_rule(column: str, signed_loss: bool = False) -> NumberRule | None:
    """Return the rule of a number column, or None for text and for unknown columns.

    >>> number_rule("loss.fra").violated_by(-1.0), number_rule("loss.fra", signed_loss=True).violated_by(-1.0)
    ('must be above 0', '')
    """
    member = family_of(column)
    if signed_loss and (member[0] if member else column) == "loss":
        return _SIGNED
    return FAMILIES[member[0]] if member else NUMBERS.get(column)


def known_names() -> tuple[str, ...]:
    """Return every name that ``columns=`` accepts, families as ``share.*``."""
    return (*NUMBERS, *TEXTS, *FREE, *(f"{family}.*" for family in FAMILIES))


def canonical_order(columns: list[str]) -> list[str]:
    """Order columns: always-present, optional, families by label, extra columns, ``row`` last.

    >>> canonical_order(["row", "note", "share.eng", "split", "loss", "run"])
    ['run', 'loss', 'split', 'share.eng', 'note', 'row']
    """
    fixed = [name for name in (*CORE, *_OPTIONAL, "epochs", "perplexity") if name in columns]
    families = [c for family in FAMILIES for c in columns if (family_of(c) or ("", ""))[0] == family]
    placed = {*fixed, *families, "row"}
    extra = [name for name in columns if name not in placed]
    return [*fixed, *families, *extra, *(["row"] if "row" in columns else [])]
