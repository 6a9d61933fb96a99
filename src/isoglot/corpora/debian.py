"""Debian packages as sources of text: fetched by `apt-get download`, unpacked by `dpkg-deb`, never installed.

A package is downloaded once and kept beside its unpacked files; the version is whatever the user's release offers
and is recorded with the SHA-256 of the file. Where the tools are absent, the option `root` names a folder that holds
the unpacked files (`/` reads the packages that are installed).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from isoglot.core.errors import InputError, NoAnswerError, nearest
from isoglot.core.languages import parse_label
from isoglot.corpora.fetch import downloads_folder, run, scratch, sha256_of


@dataclass(frozen=True)
class LanguagePackages:
    """The packages that hold one language's text, and the folder that their text lies in, below the root."""

    packages: tuple[str, ...]
    folder: str


def fetch_package(package: str) -> Path:
    """Return the path of a package file in the cache, downloading it where none of its versions is there.

    Raises InputError where `apt-get` or `dpkg-deb` is absent, NoAnswerError where apt cannot get the package.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise InputError(
                f"package {package} needs {tool}, which is not on this machine: use a Debian or Ubuntu system, or "
                "unpack the package elsewhere and give its folder as the option root"
            )
    folder = downloads_folder() / "debian"
    folder.mkdir(exist_ok=True)
    if kept := sorted(folder.glob(f"{package}_*.deb")):
        return kept[-1]
    with scratch(folder) as partial:
        status, complaint = run(["apt-get", "download", package], partial)
        got = sorted(partial.glob(f"{package}_*.deb"))
        if status or not got:
            raise NoAnswerError(
                f"package {package} could not be downloaded (apt-get: {complaint!r}): run apt-get update, or check "
                "that this release has the package and that the network can be reached"
            )
        os.replace(got[0], folder / got[0].name)
        return folder / got[0].name


def unpacked(deb: Path) -> Path:
    """Return the folder of a package's unpacked files, unpacking it on first use.

    Raises InputError for a file that is no package or is cut off.
    """
    target = deb.with_suffix(".unpacked")
    if not target.is_dir():
        with scratch(deb.parent) as partial:
            status, complaint = run(["dpkg-deb", "-x", str(deb), str(partial / "root")], partial)
            if status:
                raise InputError(
                    f"{deb} could not be unpacked (dpkg-deb: {complaint!r}): delete it and fetch again"
                )
            os.replace(partial / "root", target)
    return target


def describe(deb: Path) -> dict[str, str]:
    """Return name, version and SHA-256 of a package file, from `name_version_architecture.deb`."""
    name, version, _ = deb.stem.split("_")
    return {"package": name, "version": unquote(version), "sha256": sha256_of(deb)}


@dataclass
class DebianText:
    """The chosen languages of one family of packages; `left_out` counts by language what was read and not yielded."""

    name: str
    licence: str
    table: Mapping[str, LanguagePackages]
    chosen: tuple[str, ...]
    root: Path | None = None
    left_out: dict[str, dict[str, int]] = field(default_factory=dict)

    def languages(self) -> tuple[str, ...]:
        """Return the labels of the languages, in the order asked for."""
        return self.chosen

    def folders(self, language: str) -> list[Path]:
        """Return the folders that hold a language's text, one a package.

        Raises InputError for a language not chosen, or a root without the folder.
        """
        if language not in self.chosen:
            raise InputError(f"{self.name} holds no {language!r} here: ask for {', '.join(self.chosen)}")
        return self._folders(language)

    def _folders(self, language: str) -> list[Path]:
        held = self.table[language]
        roots = [self.root] if self.root else [unpacked(fetch_package(name)) for name in held.packages]
        found = [folder for root in roots if (folder := root / held.folder).is_dir()]
        if not found:
            raise InputError(
                f"{roots[0]} has no folder {held.folder}, where {' and '.join(held.packages)} keep their text: "
                "give the folder into which these packages were unpacked"
            )
        return found

    def used_packages(self) -> Iterable[str]:
        """Return the names of the packages that the chosen languages are read from."""
        return dict.fromkeys(name for language in self.chosen for name in self.table[language].packages)

    def provenance(self) -> dict[str, object]:
        """Return packages with versions and hashes, the licence, and what was left out so far, with its reason."""
        told: list[dict[str, str]]
        if self.root:
            told = [{"package": name, "version": "as unpacked in root"} for name in self.used_packages()]
        else:
            told = [describe(fetch_package(name)) for name in self.used_packages()]
        return {
            "name": self.name,
            "version": ", ".join(dict.fromkeys(package["version"] for package in told)),
            "licence": self.licence,
            "parallel": True,
            "packages": told,
            "left_out": {language: dict(counts) for language, counts in self.left_out.items()},
        }


def choose(
    name: str,
    table: Mapping[str, LanguagePackages],
    languages: tuple[str, ...] | None,
    options: Mapping[str, str],
) -> tuple[tuple[str, ...], Path | None]:
    """Return the labels asked for (by default all) and the root folder, if one is given.

    Raises InputError for a language that the packages do not hold, an unknown option, a root that is no folder.
    """
    if unknown := sorted(set(options) - {"root"}):
        raise InputError(f"{name} has no option {unknown[0]!r}: its one option is root")
    chosen = tuple(table) if languages is None else tuple(dict.fromkeys(map(parse_label, languages)))
    for language in chosen:
        if language not in table:
            raise InputError(
                f"{name} has no {language!r}{nearest(language, table)}: its languages are {', '.join(table)}"
            )
    root = Path(options["root"]) if "root" in options else None
    if root is not None and not root.is_dir():
        raise InputError(f"{name}: root {root} is no folder: give the folder of the unpacked packages")
    return chosen, root
