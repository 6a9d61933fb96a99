"""Hub corpora offline: the streaming path itself, over local files and over a folder that is laid out as a repository."""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from pathlib import Path

import polars as pl
import pytest

from isoglot.core.errors import InputError, IsoglotError, MissingExtraError, NoAnswerError
from isoglot.corpora.catalogue import SOURCES
from isoglot.corpora.hub_addresses import HUB
from isoglot.corpora.hub_errors import explain
from isoglot.corpora.hugging_face import hub_source
from isoglot.corpora.source import Source

FRENCH = [
    {"text": "Bonjour.\n\nDeux lignes.", "id": "<a>"},
    {"text": "Un autre document.", "id": "<b>"},
    {"text": None, "id": "<c>"},
    {"text": "Dernier.", "id": "<d>"},
]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setattr("datasets.config.HF_MODULES_CACHE", str(tmp_path / "modules"))


def write_jsonl(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(body) if path.suffix == ".gz" else body)


def write_parquet(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows).write_parquet(path)


@pytest.mark.parametrize("name", ["part.parquet", "part.jsonl", "part.jsonl.gz"])
def test_local_files_of_the_same_form_are_streamed(name: str, tmp_path: Path) -> None:
    (write_parquet if name.endswith("parquet") else write_jsonl)(tmp_path / name, FRENCH)
    source = hub_source(HUB["fineweb-2"], ("fr",), options={"files": str(tmp_path / "part*")})
    assert isinstance(source, Source)
    found = list(source.passages("fra"))
    assert [(p.document, p.text) for p in found] == [
        ("fra:<a>", "Bonjour."),
        ("fra:<a>", "Deux lignes."),
        ("fra:<b>", "Un autre document."),
        ("fra:<c>", ""),
        ("fra:<d>", "Dernier."),
    ]
    assert {p.unit for p in found} == {None}
    assert list(source.passages("fra")) == found
    digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert source.provenance()["files"] == {"fra": {name: digest}}


def test_languages_have_files_and_documents_of_their_own(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "fra.jsonl", [{"text": "un", "id": "1"}])
    write_jsonl(tmp_path / "deu.jsonl", [{"text": "eins", "id": "1"}])
    options = {"files": str(tmp_path / "{language}.jsonl")}
    source = hub_source(HUB["wikipedia"], ("fr", "de"), options=options)
    # The article 1 of two Wikipedias is no parallel document.
    assert [p.document for language in source.languages() for p in source.passages(language)] == [
        "fra:1",
        "deu:1",
    ]


def test_the_budget_stops_after_the_document_that_reaches_it(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"text": "é" * 5, "id": str(i)} for i in range(100)])

    def documents(budget: str) -> int:
        options = {"files": str(tmp_path / "a.jsonl"), "bytes": budget}
        return len(list(hub_source(HUB["fineweb-2"], ("fr",), options=options).passages("fra")))

    # Ten bytes a document: 25 bytes are reached within the third.
    assert (documents("25"), documents("30"), documents("all"), documents("1MB")) == (3, 3, 100, 100)


def make_repository(folder: Path) -> Path:
    """A repository in a folder: two configs, each with its Parquet files."""
    write_parquet(folder / "data" / "fra_Latn" / "train" / "000.parquet", FRENCH)
    write_parquet(folder / "data" / "deu_Latn" / "train" / "000.parquet", [{"text": "Hallo.", "id": "x"}])
    configs = "".join(
        f"- config_name: {code}\n  data_files:\n  - split: train\n    path: data/{code}/train/*.parquet\n"
        for code in ("fra_Latn", "deu_Latn")
    )
    (folder / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    return folder


def test_a_copy_of_a_repository_is_read_by_its_configs(tmp_path: Path) -> None:
    options = {"repository": str(make_repository(tmp_path / "fineweb-2"))}
    source = hub_source(HUB["fineweb-2"], ("de", "fr"), options=options)
    assert [p.text for p in source.passages("deu")] == ["Hallo."]
    assert [p.document for p in source.passages("fra")][-1] == "fra:<d>"
    told = source.provenance()
    assert told["repository"] == "fineweb-2"
    assert told["addresses"] == {"deu": "deu_Latn", "fra": "fra_Latn"}
    assert told["licence"] == "ODC-By 1.0"


def test_an_unknown_config_names_the_nearest_that_there_is(tmp_path: Path) -> None:
    options = {"repository": str(make_repository(tmp_path / "copy"))}
    with pytest.raises(
        InputError, match=r"no config 'fro_Latn' .did you mean fra_Latn.*there are fra_Latn, deu_Latn"
    ):
        list(hub_source(HUB["fineweb-2"], ("fr",), options=options | {"config": "fro_Latn"}).passages("fra"))
    own = hub_source(HUB["fineweb-2"], ("oldfrench",), options=options | {"config": "fra_Latn"})
    assert next(own.passages("oldfrench")).document == "oldfrench:<a>"


def test_a_copy_addressed_by_files_undoes_escaped_newlines(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "data" / "no" / "no_clean_0000.jsonl.gz", [{"text": "en linje\\nto linjer"}])
    write_jsonl(tmp_path / "data" / "no" / "no_noisy_0000.jsonl.gz", [{"text": "noise"}])
    source = hub_source(HUB["madlad-400"], ("nb",), options={"repository": str(tmp_path)})
    assert [(p.document, p.text) for p in source.passages("nob")] == [
        ("nob:000000000", "en linje"),
        ("nob:000000000", "to linjer"),
    ]
    with pytest.raises(InputError, match=r"no file fits 'data/fr/fr_clean_\*"):
        list(hub_source(HUB["madlad-400"], ("fr",), options={"repository": str(tmp_path)}).passages("fra"))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"content": "x", "id": "1"}], "row 0: there is no field 'text', only 'content', 'id'"),
        ([{"text": 3, "id": "1"}], "the field 'text' is int, not text"),
    ],
)
def test_a_missing_text_field_names_the_fields_there_are(rows, message, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", rows)
    with pytest.raises(InputError, match=message):
        list(hub_source(HUB["fineweb-2"], ("fr",), options={"files": f"{tmp_path}/a.jsonl"}).passages("fra"))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(InputError, match=r"fineweb-2, fra: the text at .* could not be read"):
        list(
            hub_source(HUB["fineweb-2"], ("fr",), options={"files": f"{tmp_path}/*.parquet"}).passages("fra")
        )


@pytest.mark.parametrize(
    ("languages", "options", "message"),
    [
        (None, {}, "name those you want, such as fr,de"),
        (("fr",), {"byte": "1"}, "no option 'byte': its options are bytes, revision"),
        (("fr",), {"bytes": "many"}, "size 'many' is no number of bytes"),
        (("fr", "de"), {"config": "fra_Latn"}, "config names one config, but 2 languages"),
        (("fr", "de"), {"files": "a.jsonl"}, "2 languages cannot come from the same files"),
        (("fr",), {"files": "a.jsonl", "revision": "v1"}, "option revision has no meaning"),
    ],
)
def test_choices_that_are_refused(languages, options, message) -> None:
    with pytest.raises(InputError, match=message):
        hub_source(HUB["fineweb-2"], languages, options=options)


@pytest.mark.parametrize(
    ("name", "message"), [("none*", "no file fits"), ("a.txt", "neither Parquet nor JSON")]
)
def test_files_that_are_not_there_or_of_another_kind(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(InputError, match=message):
        list(hub_source(HUB["fineweb-2"], ("fr",), options={"files": str(tmp_path / name)}).passages("fra"))


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'isoglot\[hf\]'"):
        next(hub_source(HUB["fineweb-2"], ("fr",)).passages("fra"))


def test_without_a_network_nothing_is_tried_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def unreachable(self, repository: str, revision: str):
        asked.append((repository, revision))
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", unreachable)
    source = hub_source(HUB["fineweb-2"], ("fr",), options={"revision": "v2.0.1"})
    with pytest.raises(NoAnswerError, match=r"fineweb-2, fra: the hub could not be reached .*option files"):
        next(source.passages("fra"))
    assert asked == [("HuggingFaceFW/fineweb-2", "v2.0.1")]


def test_the_commit_is_resolved_once_pinned_and_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    loaded: list[dict[str, object]] = []

    class Info:
        sha = "0123abcd"

    def info(self, repository: str, revision: str) -> Info:
        asked.append(revision)
        return Info()

    def load(**request):
        loaded.append(request)
        return iter([{"text": "x", "id": "1"}])

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", info)
    monkeypatch.setattr("datasets.load_dataset", load)
    source = hub_source(HUB["fineweb-2"], ("fr", "zh"))
    for language in source.languages():
        assert [p.text for p in source.passages(language)] == ["x"]
    assert asked == ["main"]
    expected = {
        "path": "HuggingFaceFW/fineweb-2",
        "split": "train",
        "revision": "0123abcd",
        "streaming": True,
    }
    assert loaded == [expected | {"name": "fra_Latn"}, expected | {"name": "cmn_Hani"}]
    assert source.provenance()["revision"] == "0123abcd"
    list(hub_source(HUB["madlad-400"], ("fr",)).passages("fra"))
    assert loaded[-1] == {
        "path": "json",
        "data_files": "hf://datasets/allenai/MADLAD-400@0123abcd/data/fr/fr_clean_*.jsonl.gz",
        "split": "train",
        "streaming": True,
    }


def test_a_gated_corpus_without_a_token_says_what_to_accept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(InputError, match=r"culturax is gated: accept the terms of uonlp/CulturaX.*HF_TOKEN"):
        next(hub_source(HUB["culturax"], ("fr",)).passages("fra"))


@pytest.mark.parametrize(
    ("kind", "expected", "message"),
    [
        ("GatedRepoError", InputError, "is gated and this account has no access"),
        ("RepositoryNotFoundError", InputError, "no repository uonlp/CulturaX at this revision"),
        ("OfflineModeIsEnabled", NoAnswerError, "could not be reached"),
        ("SomethingElse", InputError, r"could not be read \(SomethingElse: first\)"),
    ],
)
def test_errors_of_the_hub(kind: str, expected: type[IsoglotError], message: str) -> None:
    error = type(kind, (Exception,), {})("first\nsecond")
    told = explain(error, HUB["culturax"], "fra", "fr")
    assert type(told) is expected
    with pytest.raises(expected, match=message):
        raise told


def test_the_catalogue_names_each_source_and_makes_it(tmp_path: Path) -> None:
    assert list(SOURCES)[:3] == ["bible", "libreoffice-help", "manual-pages"]
    assert set(HUB) < set(SOURCES)
    for name, entry in SOURCES.items():
        assert entry.name == name
        assert all((entry.summary, entry.languages, entry.size, entry.licence, entry.needs, entry.options))
        first = entry.languages[0]
        source = entry.make((first,), False, {})
        assert source.languages() == (first,)
        if entry.needs != "apt-get and dpkg-deb":
            told = source.provenance()
            assert told["name"] == name
            assert told["licence"] and told["version"]
    assert not SOURCES["madlad-400"].verified
    assert SOURCES["culturax"].gated
