"""The brief: what a plan is asked for. Budget, languages with their text, weights and limits."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from isoglot.core.errors import InputError, nearest
from isoglot.core.languages import parse_label
from isoglot.plan.base import Base, read_base
from isoglot.plan.gpus import GPU_PEAK, check_gpus, gpu_flops
from isoglot.plan.number import is_amount, is_number, or_none

__all__ = ["GPU_PEAK", "Brief", "LanguageBrief", "read_brief"]


@dataclass(frozen=True)
class LanguageBrief:
    """One language: unique tokens at hand (infinite if unlimited), weight in the objective, share limits.

    `epochs` overrides the brief's allowed number of passes over its text.
    """

    unique: float = math.inf
    weight: float = 1.0
    floor: float = 0.0
    cap: float = 1.0
    epochs: float | None = None


@dataclass(frozen=True)
class Brief:
    """A question to the planner.

    `budget` in training FLOPs (C = 6 N D), or `gpus` = {"kind": "H100", "count": 64, "hours": 240, "mfu": 0.4}.
    `params` or `tokens` pin the size or the tokens. `max_epochs` is how often a text may be seen (up to four
    epochs cost little in the runs of Muennighoff et al. 2023). `objective` weighs raw losses or losses
    relative to the uniform mixture. `grow_to` asks what that many languages cost at equal loss; `base` asks
    whether to continue from a checkpoint or to start from scratch (fields of `Base`). `force=True` plans even
    from parameters that are not identified.

    Raises InputError naming the field, what was given and what is allowed.

    >>> Brief(budget=1e21, languages={"en": {"unique": 4e11}, "sw": {"unique": 1e9, "weight": 2}}).labels
    ('eng', 'swh')
    """

    budget: float | None = None
    languages: Mapping[str, Any] = field(default_factory=lambda: {"und": {}})
    gpus: Mapping[str, Any] | None = None
    params: float | None = None
    tokens: float | None = None
    max_epochs: float = 4.0
    objective: Literal["raw", "normalised"] = "raw"
    level: float = 0.9
    force: bool = False
    grow_to: int | None = None
    base: Mapping[str, Any] | Base | None = None

    def __post_init__(self) -> None:
        _check_numbers(self)
        if not isinstance(self.languages, Mapping):
            raise InputError(
                f"brief: languages={self.languages!r} is no table; give one such as {{'eng': {{'unique': 4e11}}}}"
            )
        given: dict[str, LanguageBrief] = {}
        for text, value in self.languages.items():
            if not isinstance(text, str):
                raise InputError(
                    f"brief: language {text!r} is no name; give a code or an English name, such as eng"
                )
            label = "und" if text == "und" else parse_label(text)
            if label in given:
                raise InputError(f"brief: language {text!r} is named twice (as {label}); give it once")
            given[label] = _language(text, value)
        object.__setattr__(self, "languages", given)
        if self.base is not None:
            object.__setattr__(self, "base", read_base(self.base))
        _check(self)
        _check_growth(self)
        _check_base(self)

    @property
    def labels(self) -> tuple[str, ...]:
        """Canonical labels of the languages, in order."""
        return tuple(self.languages)

    @property
    def flops(self) -> float:
        """The budget in training FLOPs."""
        if self.budget is not None:
            return float(self.budget)
        if self.gpus is not None:
            return gpu_flops(self.gpus)
        assert self.params is not None and self.tokens is not None
        return 6.0 * self.params * self.tokens

    @property
    def checkpoint(self) -> Base | None:
        """The base checkpoint, checked; None if the brief has none."""
        return self.base if isinstance(self.base, Base) else None

    @property
    def weights(self) -> list[float]:
        """Weights of the languages, scaled to sum to 1."""
        total = sum(entry.weight for entry in self.languages.values())
        return [entry.weight / total for entry in self.languages.values()]

    @property
    def token_limit(self) -> float:
        """The most tokens D for which shares exist: sum of min(cap, epochs x unique / D) reaches 1, floors fit.

        The sum falls with D, so the limit is where it crosses 1, found by bisection on ln D.
        """
        text = [(entry, self.epochs(label) * entry.unique) for label, entry in self.languages.items()]

        def fits(tokens: float) -> bool:
            room = sum(min(entry.cap, amount / tokens) for entry, amount in text)
            return room >= 1 - 1e-12 and all(entry.floor * tokens <= amount for entry, amount in text)

        low, high = 0.0, 100.0  # ln D between 1 and 1e43
        if fits(math.exp(high)):
            return math.inf
        for _ in range(80):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if fits(math.exp(middle)) else (low, middle)
        return math.exp(low)

    def epochs(self, label: str) -> float:
        """Allowed passes over the text of a language."""
        own = self.languages[label].epochs
        return float(self.max_epochs if own is None else own)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, with infinite unique tokens as None."""
        languages = {
            label: {key: or_none(value) for key, value in dataclasses.asdict(entry).items()}
            for label, entry in self.languages.items()
        }
        out = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        return {
            **out,
            "languages": languages,
            "gpus": dict(self.gpus) if self.gpus else None,
            "base": None if self.checkpoint is None else dataclasses.asdict(self.checkpoint),
            "flops": self.flops,
        }


def read_brief(path: str | Path) -> Brief:
    """Read a TOML brief: the fields of `Brief`, with one table a language under [languages].

    Raises InputError naming the file and the line or field.
    """
    try:
        text = Path(path).read_bytes().decode()
        content = tomllib.loads(text)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give a TOML brief") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text ({error}); give a TOML brief") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {error}; see the example in docs/planning.md") from None
    known = [entry.name for entry in dataclasses.fields(Brief)]
    for key in content:
        if key not in known:
            raise InputError(
                f"{path}: field {key!r} is unknown{nearest(key, known)}; fields are {', '.join(known)}"
            )
    try:
        return Brief(**content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _language(text: str, value: Any) -> LanguageBrief:
    if isinstance(value, LanguageBrief):
        value = {key: number for key, number in dataclasses.asdict(value).items() if number is not None}
    if is_number(value):
        return LanguageBrief(unique=float(value))
    known = [entry.name for entry in dataclasses.fields(LanguageBrief)]
    if not isinstance(value, Mapping):
        raise InputError(
            f"brief: language {text!r} has {value!r}; give unique tokens or a table with {', '.join(known)}"
        )
    for key in value:
        if key not in known:
            raise InputError(
                f"brief: language {text!r} has the field {key!r}{nearest(key, known)}; fields are {', '.join(known)}"
            )
    filled = {
        key: math.inf if number is None and key == "unique" else number for key, number in value.items()
    }
    for key, number in filled.items():
        if not is_number(number):
            raise InputError(f"brief: language {text!r} has {key}={number!r}; give a number")
    return LanguageBrief(**filled)


def _check(brief: Brief) -> None:
    if not brief.languages:
        raise InputError("brief: no language is named; give at least one, such as languages={'eng': {}}")
    if brief.gpus is not None:
        check_gpus(brief.gpus)
    ways = sum(x is not None for x in (brief.budget, brief.gpus))
    if ways == 2:
        raise InputError("brief: budget and gpus are both given; give one of them")
    if ways == 0 and (brief.params is None or brief.tokens is None):
        raise InputError("brief: no budget is given; give budget in FLOPs, gpus, or both params and tokens")
    if ways == 1 and brief.params is not None and brief.tokens is not None:
        raise InputError("brief: budget, params and tokens are all given; leave one of them out")
    for name in ("budget", "params", "tokens", "max_epochs"):
        value = getattr(brief, name)
        if value is not None and not is_amount(value):
            raise InputError(f"brief: {name}={value!r} is not allowed; give a positive number")
    if brief.objective not in ("raw", "normalised"):
        raise InputError(f"brief: objective={brief.objective!r} is unknown; use raw or normalised")
    floors = 0.0
    for label, entry in brief.languages.items():
        bad = [
            ("unique", entry.unique > 0, "positive"),
            ("weight", entry.weight >= 0 and math.isfinite(entry.weight), "zero or positive"),
            ("floor", 0 <= entry.floor <= 1, "a share between 0 and 1"),
            ("cap", 0 < entry.cap <= 1, "a share between 0 and 1"),
            ("epochs", entry.epochs is None or entry.epochs > 0, "positive"),
            ("floor", entry.floor <= entry.cap, f"at most its cap {entry.cap:g}"),
        ]
        for name, good, allowed in bad:
            if not good:
                raise InputError(
                    f"brief: language {label} has {name}={getattr(entry, name):g}; it must be {allowed}"
                )
        floors += entry.floor
    if floors > 1 + 1e-9:
        raise InputError(f"brief: the floors sum to {floors:.4g}; lower them to at most 1 in all")
    if sum(entry.cap for entry in brief.languages.values()) < 1 - 1e-9:
        raise InputError("brief: the caps sum to less than 1; raise them, or no mixture fits")
    if sum(entry.weight for entry in brief.languages.values()) <= 0:
        raise InputError("brief: every weight is zero; give at least one language a positive weight")


def _check_numbers(brief: Brief) -> None:
    if not (is_number(brief.level) and 0 < brief.level < 1):
        raise InputError(
            f"brief: level={brief.level!r} is not allowed; give a number between 0 and 1, such as 0.9"
        )
    if not isinstance(brief.force, bool):
        raise InputError(f"brief: force={brief.force!r} is not allowed; give true or false")


def _check_growth(brief: Brief) -> None:
    wanted, here = brief.grow_to, len(brief.languages)
    if wanted is None:
        return
    if isinstance(wanted, bool) or not isinstance(wanted, int):
        raise InputError(f"brief: grow_to={wanted!r} is not allowed; give a whole number of languages")
    if wanted <= here:
        raise InputError(f"brief: grow_to={wanted} is no more than the {here} languages named; give more")


def _check_base(brief: Brief) -> None:
    base = brief.checkpoint
    if base is None:
        return
    if brief.params is not None and abs(brief.params / base.params - 1) > 1e-6:
        raise InputError(
            f"brief: params={brief.params:g} differs from the base's {base.params:g}; a model is continued at its own size"
        )
