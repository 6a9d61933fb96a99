"""From a source to a folder: order, accounting, splits, options, and damage found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from isoglot.core.errors import InputError
from isoglot.corpora.corpus import COLUMNS, Corpus, open_corpus
from isoglot.corpora.passage import Passage
from isoglot.corpora.prepare import prepare
from isoglot.corpora.source import Source
from isoglot.corpora.split import HoldOut

WORDS = {
    "eng": "one river runs under an old stone bridge while many people walk slowly home".split(),
    "fra": "une rivière passe sous un vieux pont pendant que les gens rentrent chez eux".split(),
    "rus": "река течёт под старым каменным мостом пока люди медленно идут домой вечером".split(),
}


class Parallel:
    """Documents of a few sentences, aligned across languages, with some passages that must go."""

    def __init__(self, documents: int = 40, units: bool = True, bad: bool = True) -> None:
        self.documents, self.units, self.bad = documents, units, bad
        self.cleaning = "verses" if units else "prose"

    def languages(self) -> tuple[str, ...]:
        return tuple(WORDS)

    def passages(self, language: str) -> Iterator[Passage]:
        words = WORDS[language]
        for d in range(self.documents):
            for v in range(3):
                spin = words[(d + v) % 12 :] + words[: (d + v) % 12]
                key = f"{d}.{v}" if self.units else None
                yield Passage(language, f"ch {d}", key, f"{' '.join(spin)}  {d} {v}.")
            if self.bad:
                yield Passage(language, f"ch {d}", f"{d}.9" if self.units else None, "***")

    def provenance(self) -> dict[str, object]:
        return {"name": "test", "version": "1", "licence": "none", "sha256": "0", "cleaning": self.cleaning}


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return prepare(Parallel(), tmp_path / "made")


def changed(path: Path, **changes: object) -> None:
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, **changes}))


def test_the_order_is_one_for_all_languages(corpus: Corpus) -> None:
    assert isinstance(Parallel(), Source)
    tables = [corpus.table(language) for language in corpus.languages]
    for table in tables:
        assert dict(table.schema) == COLUMNS
        assert table["document"].to_list() == tables[0]["document"].to_list()
        assert table["unit"].to_list() == tables[0]["unit"].to_list()
        assert table["split"].to_list() == tables[0]["split"].to_list()
        assert table["position"].to_list() == [0, 1, 2] * 40
    assert tables[0]["document"].unique(maintain_order=True).to_list()[:4] != ["ch 0", "ch 1", "ch 2", "ch 3"]
    halves = [corpus.table("eng", split) for split in ("train", "held_out")]
    assert halves[0].height + halves[1].height == 120 and halves[1].height > 0


def test_the_manifest_accounts_for_every_passage_and_byte(corpus: Corpus) -> None:
    for language in corpus.languages:
        entry, table = corpus.manifest["languages"][language], corpus.table(language)
        dropped = sum(out["passages"] for out in entry["left_out"].values())
        assert entry["passages_read"] == 160 == dropped + table.height
        assert entry["left_out"]["stub"] == {"passages": 40, "bytes": 120, "examples": ["***"] * 3}
        joined = table.group_by("document", "split", maintain_order=True).agg(pl.col("text").str.join("\n"))
        for split in ("train", "held_out"):
            texts = joined.filter(pl.col("split") == split)["text"].to_list()
            assert entry[split]["documents"] == len(texts)
            assert entry[split]["bytes"] == sum(len(text.encode()) for text in texts)
    assert corpus.manifest["source"]["name"] == "test"
    assert corpus.manifest["options"]["cleaning"]["duplicates"] is False
    assert any("were kept: the text is parallel" in note for note in corpus.manifest["notes"])


def test_equal_input_gives_an_equal_fingerprint_and_any_change_another(tmp_path: Path) -> None:
    prints = {
        name: prepare(source, tmp_path / name, **options).fingerprint
        for name, source, options in (
            ("one", Parallel(), {}),
            ("same", Parallel(), {}),
            ("longer", Parallel(41), {}),
            ("split", Parallel(), {"hold_out": HoldOut(seed=1)}),
            ("fewer", Parallel(), {"languages": ["fr", "English"]}),
        )
    }
    assert prints["one"] == prints["same"] and len(set(prints.values())) == 4
    assert open_corpus(tmp_path / "fewer").languages == ("fra", "eng")


def test_disjoint_languages_train_on_different_documents_and_share_the_held_out(tmp_path: Path) -> None:
    corpus = prepare(Parallel(), tmp_path / "made", disjoint=True)
    train = [set(corpus.table(language, "train")["document"]) for language in corpus.languages]
    held = [set(corpus.table(language, "held_out")["document"]) for language in corpus.languages]
    assert not train[0] & train[1] and not train[1] & train[2] and not train[0] & train[2]
    assert held[0] == held[1] == held[2] and len(set().union(*train)) == 40 - len(held[0])
    dealt = [
        entry["dealt_to_other_languages"]["documents"] for entry in corpus.manifest["languages"].values()
    ]
    assert [40 - len(held[0]) - len(one) for one in train] == dealt


def test_a_limit_cuts_training_text_alone_and_budgets_are_nested(tmp_path: Path) -> None:
    whole = prepare(Parallel(), tmp_path / "whole").table("eng")
    small, large = (
        prepare(Parallel(), tmp_path / str(limit), ["eng"], limit_bytes=limit) for limit in (2000, 4000)
    )
    documents = [
        c.table("eng", "train")["document"].unique(maintain_order=True).to_list() for c in (small, large)
    ]
    assert documents[1][: len(documents[0])] == documents[0] and len(documents[0]) < len(documents[1])
    for corpus, limit in ((small, 2000), (large, 4000)):
        entry = corpus.manifest["languages"]["eng"]
        assert limit - 300 < entry["train"]["bytes"] <= limit
        held = whole.filter(pl.col("split") == "held_out")
        assert corpus.table("eng", "held_out").equals(held)
        assert (
            entry["beyond_the_limit"]["documents"] + entry["train"]["documents"]
            == 40 - entry["held_out"]["documents"]
        )
    with pytest.raises(InputError, match="limit of 10 bytes is less than the first document of eng"):
        prepare(Parallel(), tmp_path / "none", ["eng"], limit_bytes=10)
    assert not (tmp_path / "none").exists()


def test_near_duplicates_go_where_nothing_is_aligned(tmp_path: Path) -> None:
    class Copies(Parallel):
        def passages(self, language: str) -> Iterator[Passage]:
            whole = list(super().passages(language))
            yield from whole
            for one in whole[:15]:
                yield replace(one, document=f"copy of {one.document}", text=one.text.replace("home", "house"))

    corpus = prepare(Copies(units=False, bad=False), tmp_path / "made", ["eng"])
    entry = corpus.manifest["languages"]["eng"]
    assert (entry["near_duplicates"]["documents"], entry["near_duplicates"]["passages"]) == (5, 15)
    assert entry["train"]["documents"] + entry["held_out"]["documents"] == 40
    assert not corpus.table("eng")["document"].str.starts_with("copy").any()
    assert "copy of ch 0 repeats ch 0 (Jaccard 0." in entry["near_duplicates"]["examples"][0]
    kept = prepare(Copies(units=False, bad=False), tmp_path / "kept", ["eng"], near_duplicates=False)
    assert kept.table("eng")["document"].n_unique() == 45
    assert kept.manifest["languages"]["eng"]["near_duplicates"] is None
    verses = prepare(Copies(units=False), tmp_path / "verses", ["eng"], rules="verses")
    assert any("were kept: the rules of cleaning keep repeats" in note for note in verses.manifest["notes"])


def test_held_out_text_that_training_repeats_is_counted(tmp_path: Path) -> None:
    class Repeats(Parallel):
        def passages(self, language: str) -> Iterator[Passage]:
            for one in super().passages(language):
                yield one
                if one.unit and one.unit.endswith(".2"):
                    yield Passage(
                        language, one.document, one.unit + "r", "The refrain stands in every chapter."
                    )

    corpus = prepare(Repeats(), tmp_path / "made", ["eng"])
    entry = corpus.manifest["languages"]["eng"]
    held = entry["held_out"]["documents"]
    found = entry["held_out_text_in_training"]
    assert [found[name] for name in ("documents", "passages", "bytes")] == [held, held, held * 36]
    assert 0 < found["grams"] < 1
    clean = prepare(Parallel(), tmp_path / "clean", ["eng"]).manifest["languages"]["eng"]
    assert clean["held_out_text_in_training"]["passages"] == 0


def test_nothing_half_made_is_left(tmp_path: Path) -> None:
    class Broken(Parallel):
        def passages(self, language: str) -> Iterator[Passage]:
            yield from list(super().passages(language))[:20]
            raise InputError("the source broke")

    with pytest.raises(InputError, match="the source broke"):
        prepare(Broken(), tmp_path / "made")
    assert list(tmp_path.iterdir()) == []


def test_what_stands_there_is_not_lost(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exists already: give another folder, or ask to overwrite"):
        prepare(Parallel(), corpus.folder)
    (corpus.folder / "eng.parquet").write_bytes(b"damaged")
    again = prepare(Parallel(10), corpus.folder, overwrite=True)
    assert again.table("eng")["document"].n_unique() == 10
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(
        InputError, match=r"holds what is no corpus \(thesis\.txt\), so it is not overwritten"
    ):
        prepare(Parallel(), tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "mine"]


def test_unknown_languages_and_empty_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="source test has no deu: it has eng, fra, rus"):
        prepare(Parallel(), tmp_path / "made", ["de"])

    class Short(Parallel):
        def passages(self, language: str) -> Iterator[Passage]:
            yield Passage(language, "d", "u", "12")

    with pytest.raises(
        InputError, match="eng has no text left after cleaning: of 1 passages read, stub 1 were left"
    ):
        prepare(Short(), tmp_path / "made")


def test_damage_is_found_and_named(corpus: Corpus) -> None:
    path = corpus.folder / "fra.parquet"
    good = path.read_bytes()
    path.write_bytes(good[:-10])
    with pytest.raises(
        InputError, match=r"fra\.parquet is cut off: it has \d+ bytes instead of \d+; prepare"
    ):
        open_corpus(corpus.folder)
    path.write_bytes(good[:200] + bytes([good[200] ^ 1]) + good[201:])
    opened = open_corpus(corpus.folder)
    assert opened.table("eng").height == 120
    with pytest.raises(InputError, match=r"fra\.parquet was changed since it was written"):
        opened.table("fra")
    with pytest.raises(InputError, match="SHA-256 differs"):
        opened.verify()
    path.unlink()
    with pytest.raises(InputError, match=r"fra\.parquet is missing, and fra of the corpus is read from it"):
        open_corpus(corpus.folder)


def test_what_is_no_corpus_is_named(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="nowhere does not exist: give the folder that prepare or fetch wrote"
    ):
        open_corpus(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"is no prepared corpus, for it holds no manifest\.json"):
        open_corpus(tmp_path)
    manifest = corpus.folder / "manifest.json"
    good = manifest.read_text()
    for change, words in (
        ({"kind": "isoglot shards"}, "is not the manifest of a corpus"),
        ({"format": 2}, "has format 2, and this isoglot reads 1"),
        ({"fingerprint": "0" * 64}, "its fingerprint is not that of its languages"),
        ({"languages": {"eng": {}}}, "was changed"),
    ):
        changed(manifest, **change)
        with pytest.raises(InputError, match=words):
            open_corpus(corpus.folder)
        manifest.write_text(good)
    manifest.write_text(good[:100])
    with pytest.raises(InputError, match=r"is no JSON .* so it was cut off or changed"):
        open_corpus(corpus.folder)
    manifest.write_text(good)
    with pytest.raises(InputError, match="has no language 'fr'"):
        open_corpus(corpus.folder).table("fr")
    with pytest.raises(InputError, match="split 'test' is unknown: use train or held_out"):
        open_corpus(corpus.folder).table("fra", "test")
