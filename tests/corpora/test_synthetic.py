"""Synthetic sources: deterministic, parallel where asked, with options as a user writes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isoglot.core.errors import InputError
from isoglot.corpora.catalogue import SOURCES
from isoglot.corpora.corpus import open_corpus
from isoglot.corpora.prepare import prepare
from isoglot.corpora.source import Source
from isoglot.corpora.synthetic import KINDS, make

SMALL = {"documents": "4", "lines": "3", "types": "40"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_repeats_itself_and_a_seed_changes_it(kind: str) -> None:
    source = make(kind, options=SMALL)
    assert isinstance(source, Source) and source.languages() == ("synA", "synB")
    once = list(source.passages("synB"))
    assert once == list(make(kind, options=SMALL).passages("synB")) and len(once) == 12
    assert once != list(make(kind, options={**SMALL, "seed": 1}).passages("synB"))
    assert len({p.text for p in once}) > 6


@pytest.mark.parametrize("kind", KINDS)
def test_parallel_languages_say_the_same_in_their_own_words(kind: str) -> None:
    source = make(kind, options={**SMALL, "overlap": "0.25"})
    to_b = dict(zip(source.lexicon.words["synA"], source.lexicon.words["synB"], strict=True))
    pairs = list(zip(source.passages("synA"), source.passages("synB"), strict=True))
    for one, other in pairs:
        assert (one.document, one.unit) == (other.document, other.unit) and one.unit is not None
        assert " ".join(to_b.get(word, word) for word in one.text.split()) == other.text
    assert sum(a == b for a, b in to_b.items()) == 10 == source.lexicon.shared
    assert len({one.unit for one, _ in pairs}) == 12


def test_word_order_differs_by_language() -> None:
    source = make("grammar", ("synA", "synB", "synC"), {**SMALL, "order": "svo,sov,svo", "overlap": "1"})
    texts = [[p.text for p in source.passages(language)] for language in source.languages()]
    assert texts[0] == texts[2] != texts[1]
    assert [sorted(text.split()) for text in texts[0]] == [sorted(text.split()) for text in texts[1]]
    everywhere = make("grammar", options={**SMALL, "order": "sov", "overlap": "1"})
    assert [p.text for p in everywhere.passages("synA")] == texts[1]


@pytest.mark.parametrize("kind", KINDS)
def test_languages_that_are_not_parallel_share_no_document(kind: str) -> None:
    source = make(kind, options={**SMALL, "parallel": "no", "overlap": "1"})
    one, other = (list(source.passages(language)) for language in ("synA", "synB"))
    assert not {p.document for p in one} & {p.document for p in other}
    assert {p.unit for p in one + other} == {None}
    assert [p.text for p in one] != [p.text for p in other]


def test_provenance_is_plain_and_names_what_was_made() -> None:
    for kind in KINDS:
        found = make(kind, options=SMALL).provenance()
        assert json.loads(json.dumps(found))["revision"] == found["revision"]
        assert found["cleaning"] == "none" and found["parallel"] is True
        assert {"name", "version", "licence", "figures"} <= set(found)
    revisions = {make("zipf", options={**SMALL, "exponent": e}).provenance()["revision"] for e in (1, 1.1)}
    assert len(revisions) == 2


def test_a_prepared_corpus_keeps_every_line(tmp_path: Path) -> None:
    source = make("grammar", options={"documents": "12", "lines": "5", "types": "60", "order": "svo,sov"})
    prepare(source, tmp_path / "corpus")
    corpus = open_corpus(tmp_path / "corpus")
    for language in source.languages():
        table = corpus.table(language)
        assert sorted(table["text"]) == sorted(p.text for p in source.passages(language)) and len(table) == 60


@pytest.mark.parametrize(
    ("kind", "languages", "options", "message"),
    [
        ("zipff", None, {}, r"synthetic kind 'zipff' is unknown \(did you mean zipf\?\): use zipf, markov"),
        ("zipf", None, {"lenght": 3}, r"zipf has no option lenght \(did you mean length\?\)"),
        ("zipf", None, {"entropy": 3}, r"synthetic zipf has no option entropy"),
        ("zipf", None, {"types": "many"}, r"option types of synthetic zipf is 'many': write a whole number"),
        ("markov", None, {"entropy": "low"}, r"option entropy of synthetic markov is 'low': write a number"),
        ("zipf", None, {"parallel": "maybe"}, r"is 'maybe': write yes or no"),
        ("zipf", None, {"documents": 0}, r"documents=0: give a positive integer"),
        ("grammar", None, {"order": "svo,sov,svo"}, r"names 3 word orders for 2 languages"),
        ("zipf", ("synA", "synA"), {}, r"synthetic languages synA, synA repeat one"),
        ("zipf", ("synA", "synA#2"), {}, r"synA#2 is a clone: make its base"),
    ],
)
def test_unreadable_options(
    kind: str, languages: tuple[str, ...] | None, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make(kind, languages, options)


@pytest.mark.parametrize("kind", KINDS)
def test_the_catalogue_makes_it(kind: str) -> None:
    entry = SOURCES[f"synthetic-{kind}"]
    source = entry.make(("synX", "synY"), False, SMALL)
    assert source.languages() == ("synX", "synY") and len(list(source.passages("synY"))) == 12
    # Every option that is listed can be given.
    defaults = {name: text.split(", ")[1].split()[0] for name, text in entry.options.items()}
    assert entry.make(None, False, defaults).provenance() == entry.make(None, False, {}).provenance()


def test_a_language_that_is_not_there() -> None:
    with pytest.raises(
        InputError, match=r"synthetic zipf has no language synX \(did you mean .*: use synA, synB"
    ):
        list(make("zipf").passages("synX"))
