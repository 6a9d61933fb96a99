"""The registry: every law by name, and law specifications as text, `name` or `name:option=value,option=value`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin, get_type_hints

from isoglot.core.errors import InputError, nearest
from isoglot.laws.atlas import Atlas
from isoglot.laws.capacity import Capacity
from isoglot.laws.chinchilla import Chinchilla
from isoglot.laws.data_constrained import DataConstrained
from isoglot.laws.dcpt import Dcpt
from isoglot.laws.finetune_multiplicative import FinetuneMultiplicative
from isoglot.laws.formula import Formula
from isoglot.laws.formula_declarations import parse_formula
from isoglot.laws.kaplan import Kaplan
from isoglot.laws.law import AbstractLaw
from isoglot.laws.lr_schedule import LrSchedule
from isoglot.laws.mixing_additive import MixingAdditive
from isoglot.laws.mixing_exp import MixingExp
from isoglot.laws.mixing_joint import MixingJoint
from isoglot.laws.msl import MSL
from isoglot.laws.overtrain_downstream import OvertrainDownstream
from isoglot.laws.own_check import check_declared
from isoglot.laws.own_file import FILE_LAW, OwnLaw, own_class, own_options
from isoglot.laws.precision import Precision
from isoglot.laws.quality import Quality
from isoglot.laws.quanta import Quanta
from isoglot.laws.rm_overopt import RmOveropt
from isoglot.laws.skaling import Skaling
from isoglot.laws.transfer_hernandez import TransferHernandez
from isoglot.laws.two_share import TwoShare
from isoglot.laws.vocabulary import Vocabulary

LAWS: dict[str, type[AbstractLaw]] = {
    "chinchilla": Chinchilla,
    "skaling": Skaling,
    "data_constrained": DataConstrained,
    "msl": MSL,
    "atlas": Atlas,
    "capacity": Capacity,
    "two_share": TwoShare,
    "mixing_exp": MixingExp,
    "mixing_additive": MixingAdditive,
    "mixing_joint": MixingJoint,
    "dcpt": Dcpt,
    "transfer_hernandez": TransferHernandez,
    "finetune_multiplicative": FinetuneMultiplicative,
    "quality": Quality,
    "rm_overopt": RmOveropt,
    "kaplan": Kaplan,
    "lr_schedule": LrSchedule,
    "overtrain_downstream": OvertrainDownstream,
    "precision": Precision,
    "quanta": Quanta,
    "vocabulary": Vocabulary,
    "formula": Formula,
}

# Options whose values depend on the runs (which languages, which groups) and are resolved by a fit.
RESOLVED = ("num_transfer", "num_sources", "repetition_index", "repetition_labels")


@dataclass(frozen=True)
class LawSpec:
    """A law with its options, before it is bound to the languages of a run table.

    `transfer` is how many helper languages each target gets: `all`, a number, or `best3` for the best-scoring.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    transfer: int | str | None = None

    @property
    def text(self) -> str:
        """The specification as text; `parse_law` reads it back."""
        if "text" in self.options:
            return f"formula: {self.options['text']}"
        if self.name == "file":
            return f"{self.options['path']}:{self.options['class_name']}"
        options = {key: value for key, value in self.options.items() if key not in RESOLVED}
        if self.transfer is not None:
            options["transfer"] = self.transfer
        inside = ",".join(
            f"{key}={str(value).lower() if isinstance(value, bool) else value}"
            for key, value in options.items()
        )
        return f"{self.name}:{inside}" if inside else self.name


def laws() -> tuple[str, ...]:
    """Names of all laws.

    >>> laws()[:2]
    ('chinchilla', 'skaling')
    """
    return tuple(LAWS)


def parse_law(text: str, own: bool = True) -> LawSpec:
    """Read a law specification: a name with options, `formula: ...`, or a Python file with a law of one's own.

    A file runs with all rights of the program; `own=False` refuses it, for callers whose texts come from strangers.

    Raises InputError for an unknown law or option, naming the nearest, and for what is wrong in a formula or file.

    >>> parse_law("atlas:other=language,transfer=3")
    LawSpec(name='atlas', options={'other': 'language'}, transfer=3)
    """
    name, colon, rest = text.partition(":")
    if colon and name.strip().lower() == "formula":
        parse_formula(rest.strip())
        return LawSpec("formula", {"text": " ".join(rest.split())})
    if found := FILE_LAW.fullmatch(text.strip()):
        return _own(found["path"], found["class"], own)
    name = name.strip().lower().replace("-", "_")
    if name not in LAWS:
        raise InputError(f"law {name!r} is unknown{nearest(name, LAWS)}; choose one of {', '.join(LAWS)}")
    allowed = law_options(LAWS[name])
    options: dict[str, Any] = {}
    transfer: int | str | None = None
    for item in filter(None, (part.strip() for part in rest.split(","))):
        key, separator, value = (part.strip() for part in item.partition("="))
        if not separator or key not in allowed:
            listing = ", ".join(allowed) or "none"
            raise InputError(
                f"law {name}: option {item!r} is unknown{nearest(key, allowed)}; its options are {listing}"
            )
        if key == "transfer":
            transfer = _transfer(name, value)
        else:
            options[key] = _value(name, key, value, allowed[key])
    if options.get("other") == "pooled" and options.get("repetition") in ("group", "language"):
        raise InputError(
            "law atlas: other=pooled has no single lambda under repetition=group or language; use other=language"
        )
    return LawSpec(name, options, transfer)


def _own(path: str, class_name: str | None, allowed: bool) -> LawSpec:
    if not allowed:
        raise InputError(
            f"law {path}: a Python file is not allowed here; write formula: ... or use the library or the command line"
        )
    options = own_options(path, class_name.strip() if class_name is not None else None)
    return LawSpec("file", options, own_class(options).default_transfer)


def law_options(law: type[AbstractLaw]) -> dict[str, tuple[str, ...]]:
    """Option name -> allowed words, from the types of the law's fields; `transfer` takes a number or all.

    >>> law_options(Chinchilla)
    {'tokens': ('total', 'target'), 'tied': ('true', 'false')}
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, kind in get_type_hints(law).items():
        if get_origin(kind) is Literal:
            found[name] = get_args(kind)
        elif kind is bool:
            found[name] = ("true", "false")
        elif name == "num_transfer":
            found["transfer"] = ()
    return found


def _value(law: str, key: str, value: str, allowed: tuple[str, ...]) -> Any:
    if value not in allowed:
        raise InputError(f"law {law}: {key}={value!r} is not allowed; choose one of {', '.join(allowed)}")
    return value == "true" if allowed == ("true", "false") else value


def _transfer(law: str, value: str) -> int | str:
    if value == "all" or value.isdigit():
        return value if value == "all" else int(value)
    if value.removeprefix("best").isdigit() and value.startswith("best"):
        return f"best{int(value.removeprefix('best'))}"
    raise InputError(
        f"law {law}: transfer={value!r} is not allowed; give a number of languages, all, or best3 for the best-scoring"
    )


def bind(
    spec: LawSpec,
    num_transfer: int = 0,
    index: tuple[int, ...] = (),
    labels: tuple[str, ...] = (),
    num_sources: int = 1,
) -> AbstractLaw:
    """The law of a specification, with the sizes that depend on the runs filled in."""
    options = dict(spec.options)
    kind = law_type(spec.name)
    names = {entry.name for entry in dataclasses.fields(kind)}
    if "num_transfer" in names:
        options["num_transfer"] = num_transfer
    if "num_sources" in names:
        options["num_sources"] = num_sources
    if options.get("repetition") in ("group", "language"):
        options["repetition_index"], options["repetition_labels"] = index, labels
    law = kind(**options)
    if isinstance(law, OwnLaw):
        check_declared(law)
    return law


def law_type(name: str) -> type[AbstractLaw]:
    """The class of a specification's name; `file` is a law from its user's Python file.

    >>> law_type("chinchilla").__name__, law_type("file").__name__
    ('Chinchilla', 'OwnLaw')
    """
    return OwnLaw if name == "file" else LAWS[name]
