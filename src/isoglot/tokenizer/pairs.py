"""Several monolingual vocabularies in one set of ids: disjoint, or merged where pieces are spelt alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from isoglot.core.canonical import fingerprint
from isoglot.core.errors import InputError, nearest
from isoglot.core.languages import parse_label
from isoglot.tokenizer.bpe import BpeVocabulary
from isoglot.tokenizer.store import whole_folder, write_json
from isoglot.tokenizer.vocabulary import MANIFEST, load_vocabulary

PAIR_KINDS = ("disjoint", "merged")


@dataclass(frozen=True)
class PairVocabulary:
    """Two or more languages, each with its own BPE, under one set of ids.

    `disjoint`: the ids of each vocabulary follow those of the one before, so languages share nothing, not even the
    end of a document: size V1 + V2. `merged`: pieces with the same spelling share the id of the first vocabulary
    that has them (bytes and the end always do) and new pieces are appended: size V1 + V2 - common. Either way each
    language keeps its own merges.

    Source: Schafer et al. (2404.07982) and its code, languini/dataset_lib/multilingual.py, CombinedTokenizer (whose
    padding id, shared in both kinds, does not exist here).
    """

    kind: str
    members: tuple[tuple[str, BpeVocabulary], ...]

    @classmethod
    def of(cls, kind: str, members: Mapping[str, BpeVocabulary]) -> PairVocabulary:
        """Combine vocabularies by language; InputError for an unknown kind or fewer than two languages."""
        if kind not in PAIR_KINDS:
            raise InputError(
                f"kind {kind!r} combines no vocabularies{nearest(kind, PAIR_KINDS)}: use disjoint or merged"
            )
        labelled = tuple((parse_label(name), member) for name, member in members.items())
        if len({name for name, _ in labelled}) < max(2, len(labelled)):
            raise InputError(
                f"a {kind} vocabulary of {', '.join(name for name, _ in labelled) or 'no language'}: "
                "give two or more different languages"
            )
        return cls(kind, labelled)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that have a vocabulary."""
        return tuple(name for name, _ in self.members)

    @cached_property
    def maps(self) -> dict[str, np.ndarray]:
        """For each language the shared id of each id of its own vocabulary, int32."""
        if self.kind == "disjoint":
            starts = np.cumsum([0, *(member.size for _, member in self.members)]).tolist()
            return {
                name: np.arange(start, start + member.size, dtype=np.int32)
                for start, (name, member) in zip(starts, self.members, strict=False)
            }
        ids: dict[str, int] = {}
        return {
            name: np.array([ids.setdefault(piece, len(ids)) for piece in member.pieces], np.int32)
            for name, member in self.members
        }

    @cached_property
    def size(self) -> int:
        """Ids of all languages together."""
        return int(max(ids.max() for ids in self.maps.values())) + 1

    @property
    def end(self) -> int:
        """Id of the end of a document in the first language."""
        return self.end_of(self.languages[0])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the kind, the languages and their vocabularies."""
        members = [[name, member.fingerprint] for name, member in self.members]
        return fingerprint({"kind": self.kind, "members": members})

    @property
    def record(self) -> dict[str, Any]:
        """For each language how its vocabulary was trained."""
        return {name: member.record for name, member in self.members}

    def end_of(self, language: str) -> int:
        """Id of the end of a document in a language; one for all where merged."""
        return int(self.maps[language][self.member(language).end])

    def encode(self, language: str, texts: list[str]) -> list[np.ndarray]:
        """Encode by the language's own merges; InputError for a language that has no vocabulary here."""
        found = self.member(language).encode(language, texts)
        return [self.maps[language][ids] for ids in found]

    def decode(self, language: str, ids: np.ndarray) -> str:
        """The text of ids in a language; InputError for ids that are not the language's."""
        member = self.member(language)
        own = np.full(self.size, -1, np.int32)
        own[self.maps[language]] = np.arange(member.size, dtype=np.int32)
        found = own[np.asarray(ids, np.int64)]
        if (found < 0).any():
            foreign = int(np.asarray(ids)[int(np.argmax(found < 0))])
            raise InputError(
                f"id {foreign} is none of {language} in this {self.kind} vocabulary: give ids of {language}"
            )
        return member.decode(language, found)

    def save(self, folder: str | Path) -> None:
        """Write `vocabulary.json` and one folder a language to a new folder."""
        with whole_folder(folder) as partial:
            manifest = {"kind": self.kind, "size": self.size, "fingerprint": self.fingerprint}
            write_json(partial / MANIFEST, {**manifest, "languages": self.languages})
            # Folders are numbered: a custom label may be no safe name of a folder.
            for at, (_, member) in enumerate(self.members):
                member.save(partial / f"member{at}")

    @classmethod
    def load(cls, folder: Path, manifest: dict[str, Any]) -> PairVocabulary:
        """Read back what `save` wrote; the caller compares fingerprints."""
        members = []
        for at, name in enumerate(manifest["languages"]):
            place = folder / f"member{at}"
            member = load_vocabulary(place)
            if not isinstance(member, BpeVocabulary):
                raise InputError(f"{place}: a {member.kind} vocabulary stands where a bpe one was written")
            members.append((name, member))
        return cls(manifest["kind"], tuple(members))

    def member(self, language: str) -> BpeVocabulary:
        """The language's own vocabulary; InputError for a language that has none here."""
        for name, member in self.members:
            if name == language:
                return member
        raise InputError(
            f"language {language} has no vocabulary here{nearest(language, self.languages)}: "
            f"this {self.kind} vocabulary has {', '.join(self.languages)}"
        )


def common_pieces(first: BpeVocabulary, second: BpeVocabulary) -> int:
    """Pieces with the same spelling in two vocabularies, bytes and the end included."""
    return len(set(first.pieces) & set(second.pieces))
