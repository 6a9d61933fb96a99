"""Synthetic languages as a source of text: known entropies, known correspondence, a set share of common words.

Four kinds: `zipf` (independent words), `markov` (each word depends on the one before), `grammar` (recursive sentences,
word order by language) and `parity` (small tasks). All languages say the same documents where `parallel` is on, each
in its own words; where it is off, each language has documents of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, get_type_hints

from isoglot.core.canonical import fingerprint
from isoglot.core.errors import InputError, nearest
from isoglot.core.languages import parse_label
from isoglot.core.splitmix import seed_from
from isoglot.corpora.grammar import Grammar
from isoglot.corpora.lexicon import Lexicon, Words, lexicon
from isoglot.corpora.markov import Markov
from isoglot.corpora.parity import Parity
from isoglot.corpora.passage import Passage
from isoglot.corpora.zipf import Zipf

GENERATOR = "1"
"""Version of the generators: a change of any text that they give is a new one."""
KINDS: dict[str, type[Any]] = {"zipf": Zipf, "markov": Markov, "grammar": Grammar, "parity": Parity}
SUMMARIES = {
    "zipf": "independent words with Zipf's frequencies: only frequencies to learn, an exact floor",
    "markov": "each word predicted by the one before, with the entropy that is asked for",
    "grammar": "recursive sentences, one content in the words and the word order of each language",
    "parity": "many sparse parities with power-law frequencies: the quantisation model's data",
}
LANGUAGES = ("synA", "synB")
_TYPES = {"zipf": 1000, "markov": 500, "grammar": 1000, "parity": 100}


class Process(Protocol):
    """What draws documents as concepts and renders them."""

    def render(self, seed: int, words: Words) -> list[str]:
        """Lines of the document that a seed gives, in the words of a language."""
        ...

    def figures(self) -> dict[str, float]:
        """Exact entropies, among them `floor_bits_per_byte`: the least loss that any model can have."""
        ...


@dataclass(frozen=True)
class Settings:
    """Options of every kind: documents a language, share of common words, seed, and whether languages are parallel."""

    documents: int = 200
    overlap: float = 0.0
    seed: int = 0
    parallel: bool = True


@dataclass(frozen=True)
class Synthetic:
    """Synthetic languages of one kind; `make` builds it from options as a user writes them."""

    kind: str
    lexicon: Lexicon
    processes: dict[str, Process]
    settings: Settings

    def languages(self) -> tuple[str, ...]:
        """Labels of the languages, in the order in which they were asked for."""
        return tuple(self.processes)

    def passages(self, language: str) -> Iterator[Passage]:
        """Yield the documents of a language; raises InputError for a language that it does not hold."""
        self.require(language)
        whose = self.kind if self.settings.parallel else f"{self.kind}.{language}"
        for number in range(self.settings.documents):
            document = f"{whose}.{number}"
            for place, text in enumerate(self.lines(language, f"document {document}")):
                unit = f"{document}.{place}" if self.settings.parallel else None
                yield Passage(language, document, unit, text)

    def lines(self, language: str, key: str) -> list[str]:
        """Lines of the document that a key names: one content in all languages."""
        seed = seed_from(f"{self.kind} {self.settings.seed} {key}")
        return self.processes[language].render(seed, self.lexicon.words[language])

    def figures(self, language: str) -> dict[str, float]:
        """Exact entropies of a language's text; `floor_bits_per_byte` is the least loss that any model can have."""
        self.require(language)
        return self.processes[language].figures()

    def provenance(self) -> dict[str, object]:
        """How the text was made: kind, version, options, exact figures; `revision` is a hash of these."""
        made: dict[str, object] = {
            "name": f"synthetic-{self.kind}",
            "version": GENERATOR,
            "options": dataclasses.asdict(self.settings),
            "languages": {name: dataclasses.asdict(p) for name, p in self.processes.items()},  # type: ignore[call-overload]
            "shared_types": self.lexicon.shared,
        }
        return {
            **made,
            "licence": "none needed: generated text",
            "revision": fingerprint(made),
            "cleaning": "none",
            "parallel": self.settings.parallel,
            "figures": {name: self.figures(name) for name in self.processes},
        }

    def require(self, language: str) -> None:
        """Raise InputError unless the source holds a language."""
        if language not in self.processes:
            held = ", ".join(self.processes)
            raise InputError(
                f"synthetic {self.kind} has no language {language}{nearest(language, self.processes)}: use {held}"
            )


def make(
    kind: str, languages: Sequence[str] | None = None, options: Mapping[str, object] | None = None
) -> Synthetic:
    """Build a source of synthetic languages from options as a user writes them.

    Options of all kinds: documents, overlap, seed, parallel, types, lines (a document). Beside them `exponent` (zipf,
    grammar), `length` (words a line: zipf, markov), `entropy` (bits a word: markov), `order` (svo or sov, one for all
    or one a language: `svo,sov`) and `recursion` (grammar), `bits`, `subset` and `alpha` (parity).
    Raises InputError for an unknown kind or option, and for a value out of range.

    >>> source = make("grammar", ("synA", "synB"), {"overlap": "0.1", "order": "svo,sov", "documents": "3"})
    >>> source.languages(), source.lexicon.shared
    (('synA', 'synB'), 100)
    """
    if kind not in KINDS:
        raise InputError(f"synthetic kind {kind!r} is unknown{nearest(kind, KINDS)}: use {', '.join(KINDS)}")
    labels = tuple(parse_label(name) for name in languages or LANGUAGES)
    if len(set(labels)) < len(labels):
        raise InputError(f"synthetic languages {', '.join(labels)} repeat one: name each once")
    for label in labels:
        if "#" in label:
            raise InputError(
                f"synthetic language {label} is a clone: make its base, and clone that when tokenising"
            )
    values = _read(kind, options or {})
    settings = Settings(
        **{f.name: values.pop(f.name) for f in dataclasses.fields(Settings) if f.name in values}
    )
    if settings.documents < 1:
        raise InputError(f"synthetic text has documents={settings.documents}: give a positive integer")
    values.setdefault("types", _TYPES[kind])
    if "seed" in {f.name for f in dataclasses.fields(KINDS[kind])}:
        values["seed"] = settings.seed
    orders = _orders(values.pop("order", ""), labels) if kind == "grammar" else {}
    processes = {label: KINDS[kind](**values, **orders.get(label, {})) for label in labels}
    return Synthetic(
        kind, lexicon(labels, values["types"], settings.overlap, settings.seed), processes, settings
    )


def option_names(kind: str) -> dict[str, str]:
    """Options of a kind, each with its default in words.

    >>> option_names("zipf")["exponent"]
    'a number, 1.0 by default'
    """
    words = {int: "a whole number", float: "a number", bool: "yes or no"}
    found = {}
    for owner in (Settings, KINDS[kind]):
        hints = get_type_hints(owner)
        for member in dataclasses.fields(owner):
            shown = _TYPES[kind] if member.name == "types" else member.default
            if hints[member.name] is bool:
                shown = "yes" if member.default else "no"
            found[member.name] = f"{words.get(hints[member.name], 'a word')}, {shown} by default"
    return found


def _read(kind: str, options: Mapping[str, object]) -> dict[str, Any]:
    """Options as values of their kinds."""
    hints = {**get_type_hints(KINDS[kind]), **get_type_hints(Settings)}
    found: dict[str, Any] = {}
    for name, value in options.items():
        if name not in hints:
            raise InputError(
                f"synthetic {kind} has no option {name}{nearest(name, hints)}: use {', '.join(sorted(hints))}"
            )
        found[name] = _value(hints[name], str(value).strip(), f"option {name} of synthetic {kind}")
    return found


def _value(hint: Any, text: str, where: str) -> Any:
    if hint is bool:
        if text.lower() not in ("yes", "no", "true", "false"):
            raise InputError(f"{where} is {text!r}: write yes or no")
        return text.lower() in ("yes", "true")
    if hint not in (int, float):
        return text
    try:
        return hint(text)
    except ValueError:
        raise InputError(f"{where} is {text!r}: write a {'whole ' if hint is int else ''}number") from None


def _orders(text: str, labels: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Word order of each language."""
    if not text:
        return {}
    orders = [part.strip() for part in text.split(",")]
    if len(orders) not in (1, len(labels)):
        raise InputError(
            f"option order names {len(orders)} word orders for {len(labels)} languages: give one for all or one each"
        )
    each = orders * len(labels) if len(orders) == 1 else orders
    return {label: {"order": order} for label, order in zip(labels, each, strict=True)}
