"""Your own text: what is read from each kind of file, and the place named where it cannot be."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from isoglot.core.errors import InputError
from isoglot.corpora.joined import JoinedSource
from isoglot.corpora.local import TextSource
from isoglot.corpora.local_tables import TableSource
from isoglot.corpora.passage import Passage
from isoglot.corpora.source import Source

ENGLISH = "The first line.\nThe second line.\n\n\nAnother document.\r\n"


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(source: Source, language: str) -> list[tuple[str, str | None, str]]:
    return [(one.document, one.unit, one.text) for one in source.passages(language)]


def test_blocks_of_a_file_and_files_of_a_folder_are_documents(tmp_path: Path) -> None:
    write(tmp_path / "fr" / "b.txt", "Deux.")
    write(tmp_path / "fr" / "sub" / "a.txt.gz", gzip.compress("Un.\n\nÉté.".encode()))
    write(tmp_path / "fr" / "notes.md", "Not text of the corpus.")
    source = TextSource({"en": write(tmp_path / "en.txt", "\ufeff" + ENGLISH), "French": tmp_path / "fr"})
    assert isinstance(source, Source) and source.languages() == ("eng", "fra")
    assert rows(source, "eng") == [
        ("eng:block 1", None, "The first line."),
        ("eng:block 1", None, "The second line."),
        ("eng:block 2", None, "Another document."),
    ]
    # A blank line in a file of a folder separates nothing: the file is the document.
    assert rows(source, "fra") == [
        ("fra:b.txt", None, "Deux."),
        ("fra:sub/a.txt.gz", None, "Un."),
        ("fra:sub/a.txt.gz", None, "Été."),
    ]
    assert list(source.provenance()["sha256"]) == ["eng", "fra"]
    assert str(tmp_path) not in json.dumps(source.provenance())


def test_parallel_lines_are_units_and_must_match(tmp_path: Path) -> None:
    english = write(tmp_path / "en.txt", ENGLISH)
    german = write(tmp_path / "de.txt", "Die erste.\nDie zweite.\n\nNoch eins.")
    source = TextSource({"eng": english, "deu": german}, parallel=True)
    keys = [(document, unit) for document, unit, _ in rows(source, "eng")]
    assert keys == [(document, unit) for document, unit, _ in rows(source, "deu")]
    assert keys[2] == ("block 2", "block 2:1")
    write(german, "Die erste.\n\nNoch eins.")
    with pytest.raises(InputError, match="parallel document 'block 1' has 2 in eng, 1 in deu lines"):
        TextSource({"eng": english, "deu": german}, parallel=True)


def test_the_byte_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "fr.txt", b"Bonjour.\nD\xe9j\xe0 vu.\n")
    with pytest.raises(
        InputError, match=r"fr\.txt, line 2: byte 0xe9 at offset 10 begins no character of UTF-8"
    ):
        rows(TextSource({"fra": path}), "fra")
    write(path, "Bonjour.\n".encode("utf-16"))
    with pytest.raises(
        InputError, match=r"line 1: byte 3 is no text in UTF-8 \(UTF-16\?\): save it as UTF-8"
    ):
        rows(TextSource({"fra": path}), "fra")
    cut = write(tmp_path / "cut.txt.gz", gzip.compress(ENGLISH.encode())[:-12])
    with pytest.raises(InputError, match=r"cut\.txt\.gz is no whole gzip file"):
        rows(TextSource({"eng": cut}), "eng")


def test_paths_that_hold_nothing_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist: give a text file or a folder"):
        TextSource({"eng": tmp_path / "nowhere"})
    with pytest.raises(InputError, match=r"holds no \.txt or \.txt\.gz file"):
        TextSource({"eng": tmp_path})
    path = write(tmp_path / "a.txt", "x")
    with pytest.raises(InputError, match="name one language twice"):
        TextSource({"en": path, "English": path})


def test_tables_of_each_kind_give_the_same_passages(tmp_path: Path) -> None:
    data = [
        {"text": "One.\nTwo.\n\nThree.", "lang": "en", "id": "a"},
        {"text": "Eins.", "lang": "German", "id": "a"},
        {"text": "Four.", "lang": "eng_Latn", "id": None},
    ]
    lines = "".join(json.dumps(row) + "\n" for row in data)
    files = [
        write(tmp_path / "t.jsonl", lines + "\n"),
        write(tmp_path / "t.jsonl.gz", gzip.compress(lines.encode())),
        tmp_path / "t.parquet",
    ]
    pl.DataFrame(data).write_parquet(files[2])
    for path in files:
        source = TableSource([(None, path)], columns={"language": "lang"})
        assert isinstance(source, Source) and source.languages() == ("eng", "deu")
        assert rows(source, "eng") == [
            ("eng:a", None, "One."),
            ("eng:a", None, "Two."),
            ("eng:a", None, "Three."),
            (f"eng:{path.name} row 3", None, "Four."),
        ]
        assert rows(source, "deu") == [("deu:a", None, "Eins.")]


def test_units_and_parallel_documents_of_a_table(tmp_path: Path) -> None:
    line = json.dumps({"content": "One.\nStill one.", "document": 7, "unit": 3})
    path = write(tmp_path / "t.jsonl", line)
    source = TableSource([("en", path)], columns={"text": "content"}, parallel=True)
    assert rows(source, "eng") == [("7", "3", "One.\nStill one.")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"text": "a"}\n{"text": \n', r"t\.jsonl, line 2 is no JSON"),
        ('"text"\n', "line 1 is no JSON object"),
        (
            '{"text": "a"}\n{"content": "b", "n": 1}\n',
            r"t\.jsonl, row 2, has no column 'text': it has content, n; name",
        ),
        ('{"text": 5}\n', r"row 1, column 'text': 5 is no text: give a string"),
    ],
)
def test_the_row_that_cannot_be_read_is_named(tmp_path: Path, content: str, words: str) -> None:
    source = TableSource([("eng", write(tmp_path / "t.jsonl", content))])
    with pytest.raises(InputError, match=words):
        rows(source, "eng")


def test_columns_and_languages_that_are_missing_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", '{"text": "a", "lang": "Norwegian"}\n')
    with pytest.raises(
        InputError, match=r"has no column 'language': name the language of the file \(eng=t\.jsonl\)"
    ):
        TableSource([(None, path)]).languages()
    with pytest.raises(InputError, match=r"row 1, column 'lang': language 'Norwegian' is ambiguous"):
        TableSource([(None, path)], columns={"language": "lang"}).languages()
    with pytest.raises(InputError, match=r"has no column 'txt' \(did you mean text\?\): it has text, lang"):
        rows(TableSource([("eng", path)], columns={"text": "txt"}), "eng")
    with pytest.raises(InputError, match=r"role 'txet' is unknown \(did you mean text\?\)"):
        TableSource([("eng", path)], columns={"txet": "a"})
    broken = write(tmp_path / "t.parquet", "PAR1 but not quite")
    with pytest.raises(InputError, match=r"t\.parquet is no readable Parquet file"):
        rows(TableSource([("eng", broken)]), "eng")
    with pytest.raises(InputError, match=r"nowhere\.jsonl cannot be read"):
        rows(TableSource([("eng", tmp_path / "nowhere.jsonl")]), "eng")


def test_joined_sources_keep_their_documents_apart(tmp_path: Path) -> None:
    one = TextSource({"eng": write(tmp_path / "a.txt", "One.")}, parallel=True)
    two = TableSource(
        [("eng", write(tmp_path / "b.jsonl", '{"text": "Two.", "id": "block 1"}'))], parallel=True
    )
    assert list(JoinedSource([one]).passages("eng")) == [Passage("eng", "block 1", "block 1:1", "One.")]
    joined = JoinedSource([one, two])
    assert [one.document for one in joined.passages("eng")] == [
        "1 local text/block 1",
        "2 local tables/block 1",
    ]
    assert joined.provenance()["name"] == "local text + local tables"
    with pytest.raises(InputError, match="no text is given"):
        JoinedSource([])
