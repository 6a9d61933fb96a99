"""Debian packages: fetched and unpacked by the real dpkg-deb and a stand-in for apt-get, and read from fixtures."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import pytest

from isoglot.core.errors import InputError, NoAnswerError
from isoglot.corpora.debian import describe, fetch_package, unpacked
from isoglot.corpora.fetch import downloads_folder, sha256_of
from isoglot.corpora.libreoffice_help import PACKAGES as HELP
from isoglot.corpora.libreoffice_help import blocks, libreoffice_help
from isoglot.corpora.manual_pages import PACKAGES as PAGES
from isoglot.corpora.manual_pages import manual_pages
from isoglot.corpora.roff import paragraphs, plain
from isoglot.corpora.source import Source

PAGE = """<!DOCTYPE html><html><body>
<header><p id="logo">The logo</p></header>
<div id="DisplayArea">
<h1 id="hd_1">{title}</h1>
<script>var x = "no text";</script>
<div><p id="par_2">{first}<br>line &amp; <b>bold</b> <img alt="no"> end.</p></div>
<pre><p id="par_code">Print x</p></pre>
<p id="par_3">LibreOffice Writer</p>
<p id="par_3">{repeated}</p>
<p>{bare}</p>
<p id="par_4">outer <p id="par_5">{inner}</p></p>
<p id="par_6">   </p>
</div>
<footer><p id="foot">The end</p></footer></body></html>"""
ENGLISH = {"title": "Files", "first": "First", "repeated": "Again", "bare": "No id", "inner": "Inner"}
GERMAN = {"title": "Dateien", "first": "Erste", "repeated": "Nochmal", "bare": "Ohne", "inner": "Innen"}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


@pytest.fixture
def help_root(tmp_path: Path) -> Path:
    for language, words in (("eng", ENGLISH), ("deu", GERMAN)):
        for page in ("swriter/main", "scalc/main"):
            write(tmp_path / HELP[language].folder / f"{page}.html", PAGE.format(**words))
    return tmp_path


def test_help_pages_share_documents_and_units_and_untranslated_text_is_counted(help_root: Path) -> None:
    source = libreoffice_help(("en", "de"), options={"root": str(help_root)})
    assert isinstance(source, Source)
    german = [p for p in source.passages("deu") if p.document == "scalc/main"]
    assert [(p.unit, p.text) for p in german] == [
        ("scalc/main#hd_1", "Dateien"),
        ("scalc/main#par_2", "Erste line & bold end."),
        ("scalc/main#par_3", "Nochmal"),
        (None, "Ohne"),
        ("scalc/main#par_5", "Innen"),
    ]
    english = list(source.passages("eng"))
    assert [p.document for p in english] == ["scalc/main"] * 6 + ["swriter/main"] * 6
    assert [p.unit for p in english[2:4]] == ["scalc/main#par_3", None]
    assert source.provenance()["left_out"] == {
        "eng": {"held another block": 2},
        "deu": {"held another block": 2, "untranslated": 2},
    }
    assert list(source.passages("eng")) == english


def test_text_outside_the_area_shown_is_no_passage() -> None:
    found, nested = blocks(PAGE.format(**ENGLISH))
    assert nested == 1
    assert not {"logo", "foot", "par_code", "par_4", "par_6"} & {identifier for identifier, _ in found}


MAN = r""".\" a comment
.TH LS 1 "September 2022"
.SH NAME
ls \- list \fIdirectory\fP contents
.SH DESCRIPTION
.\" inside a paragraph
The first
.BR cat (1)
sentence \(lqquoted\(rq, Gr\[u00F6]\[:o]\(ss.
.PP
A path C:\e and a \[nosuchname] character.
.nf
literal block
.fi
.TS
l l.
a	b
.TE
.de XX
macro body
..
.B "two words" end
A joined \
line\c
"""


def test_manual_pages_yield_paragraphs_and_count_other_names(tmp_path: Path) -> None:
    folder = tmp_path / PAGES["deu"].folder
    write(folder / "man1" / "ls.1.gz", MAN)
    write(folder / "man1" / "dir.1.gz", ".so man1/ls.1\n")
    write(folder / "man7" / "a.7", "Plain text.")
    (folder / "man1" / "vdir.1.gz").symlink_to(folder / "man1" / "ls.1.gz")
    source = manual_pages(("de",), options={"root": str(tmp_path)})
    assert isinstance(source, Source)
    found = list(source.passages("deu"))
    assert [p.document for p in found] == ["a.7", *["ls.1"] * 6]
    assert {p.unit for p in found} == {None}
    assert [p.text for p in found[1:]] == [
        "NAME",
        "ls - list directory contents",
        "DESCRIPTION",
        "The first cat(1) sentence “quoted”, Gröö\u00df.",
        "A path C:\\ and a \ufffd character.",
        "two words end A joined line",
    ]
    assert source.provenance()["left_out"] == {"deu": {"another name of a page": 2}}


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (r"\fB\-\-block\-size\fP=\fI\,SIZE\/\fP", "--block-size=SIZE"),
        (r"\s-1SMALL\s0 \f(CWcode\fR \v'1'up\h'2m'", "SMALL code up"),
        (r"a\~b\ c\&d", "a b cd"),
        (r"10\(mu20 \(+- 3 \\n", r"10×20 ± 3 \n"),
        (r"kept \" dropped", "kept "),
        (r"\*(lqa\*(rq \n(xx", "“a” \ufffd"),
    ],
)
def test_roff_escapes(line: str, text: str) -> None:
    assert plain(line) == text


def test_a_quoted_argument_keeps_its_spaces() -> None:
    assert list(paragraphs('.BI "open file" name\n.B "unbalanced')) == ["open filename unbalanced"]
    assert list(paragraphs(r".RI ( *envz ,\  envz_len )")) == ["(*envz, envz_len)"]
    assert list(paragraphs('.BR say "a ""word"""')) == ['saya "word"']


def test_a_page_cut_off_is_named(tmp_path: Path) -> None:
    write(tmp_path / PAGES["deu"].folder / "man1" / "ls.1.gz", MAN)
    page = tmp_path / PAGES["deu"].folder / "man1" / "ls.1.gz"
    page.write_bytes(page.read_bytes()[:40])
    with pytest.raises(InputError, match=r"ls\.1\.gz is no whole gzip file"):
        list(manual_pages(("de",), options={"root": str(tmp_path)}).passages("deu"))


@pytest.mark.parametrize(
    ("languages", "options", "message"),
    [
        (("slk",), {}, "libreoffice-help has no 'slk'"),
        (("de",), {"rot": "x"}, "no option 'rot': its one option is root"),
        (("de",), {"root": "/nonexistent"}, "root /nonexistent is no folder"),
    ],
)
def test_choices_that_are_refused(languages, options, message) -> None:
    with pytest.raises(InputError, match=message):
        libreoffice_help(languages, options=options)


def test_a_root_without_the_language_and_a_language_not_chosen_are_refused(help_root: Path) -> None:
    source = libreoffice_help(("fr",), options={"root": str(help_root)})
    with pytest.raises(InputError, match="has no folder usr/share/libreoffice/help/fr/text"):
        next(source.passages("fra"))
    with pytest.raises(InputError, match="ask for fra"):
        next(source.passages("deu"))


def test_tables_of_languages() -> None:
    assert len(HELP) == 33
    assert len(PAGES) == 25
    assert (HELP["zho"].packages, HELP["zho_Hant"].packages) == (
        ("libreoffice-help-zh-cn",),
        ("libreoffice-help-zh-tw",),
    )
    assert PAGES["pt-BR"].packages == ("manpages-pt-br", "manpages-pt-br-dev")
    assert PAGES["pt-BR"].folder == "usr/share/man/pt_BR"
    assert PAGES["zho"].folder == "usr/share/man/zh_CN"


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and an apt-get that copies packages out of a folder instead of a mirror."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not on this machine")
    folder = tmp_path / "archive"
    programs = tmp_path / "programs"
    folder.mkdir()
    programs.mkdir()
    apt = programs / "apt-get"
    apt.write_text(
        f'#!/bin/sh\ncp "{folder}/$2"_*.deb . 2>/dev/null || '
        '{ echo "E: Unable to locate package $2" >&2; exit 100; }\n'
    )
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{Path(shutil.which('dpkg-deb') or '').parent}:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def build(archive: Path, language: str, words: dict[str, str]) -> None:
    (package,) = HELP[language].packages
    tree = archive.parent / f"tree-{language}"
    write(tree / HELP[language].folder / "swriter" / "main.html", PAGE.format(**words))
    write(
        tree / "DEBIAN" / "control",
        f"Package: {package}\nVersion: 4:7.0-1\nArchitecture: all\nMaintainer: test <t@example.org>\nDescription: test\n",
    )
    target = archive / f"{package}_4%3a7.0-1_all.deb"
    subprocess.run(["dpkg-deb", "--build", str(tree), str(target)], check=True, capture_output=True)


def test_packages_are_fetched_once_unpacked_and_told_with_their_versions(archive: Path) -> None:
    build(archive, "eng", ENGLISH)
    build(archive, "deu", GERMAN)
    source = libreoffice_help(("de",))
    assert next(p.text for p in source.passages("deu")) == "Dateien"
    for package in archive.iterdir():
        package.unlink()
    assert len(list(source.passages("deu"))) == 5
    told = source.provenance()
    assert told["version"] == "4:7.0-1"
    assert [p["package"] for p in told["packages"]] == ["libreoffice-help-de", "libreoffice-help-en-us"]
    deb = fetch_package("libreoffice-help-de")
    assert describe(deb)["sha256"] == sha256_of(deb)


def test_apt_that_does_not_know_the_package_is_quoted(archive: Path) -> None:
    with pytest.raises(
        NoAnswerError, match=r"Unable to locate package libreoffice-help-de'\): run apt-get update"
    ):
        next(libreoffice_help(("de",)).passages("deu"))


def test_a_package_cut_off_is_refused_and_leaves_nothing_unpacked(archive: Path) -> None:
    build(archive, "deu", GERMAN)
    (package,) = archive.iterdir()
    package.write_bytes(package.read_bytes()[:200])
    with pytest.raises(InputError, match="could not be unpacked"):
        unpacked(fetch_package("libreoffice-help-de"))
    assert [path.suffix for path in (downloads_folder() / "debian").iterdir()] == [".deb"]


def test_without_the_tools_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"needs apt-get, which is not on this machine: .*option root"):
        next(manual_pages(("de",)).passages("deu"))
