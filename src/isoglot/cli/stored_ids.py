"""Ids already on disk as `isoglot tokenize --ids` names them, and what it prints of text that did not come back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from isoglot.core.errors import InputError

if TYPE_CHECKING:
    from isoglot.tokenizer import Clones, Fertility, Shards, Vocabulary


@dataclass(frozen=True)
class StoredIds:
    """The options that go with `--ids`, as they were given."""

    ids: list[str]
    form: str | None
    dtype: str | None
    held_out: float | None
    held_out_documents: int | None

    def check(self, corpus: Path | None, languages: str | None) -> None:
        """Raise InputError unless there is either a corpus or ids, and only options of the one given."""
        if not self.ids:
            if corpus is None:
                raise InputError(
                    "nothing to tokenise: give the folder of a prepared CORPUS, or --ids LANGUAGE=PLACE"
                )
            for name, value in list(vars(self).items())[1:]:
                if value is not None:
                    word = "format" if name == "form" else name.replace("_", "-")
                    raise InputError(
                        f"--{word} {value} is for ids on disk, and none are named: give --ids as well"
                    )
            return
        if corpus is not None:
            raise InputError(f"{corpus} is a corpus, but --ids names ids on disk: give one of them")
        if languages is not None:
            raise InputError(f"--languages {languages} is for a corpus: --ids names the languages themselves")
        if self.form is None:
            raise InputError(
                "the format of --ids is not named: give --format megatron, nanotron, olmo, npy or raw"
            )

    def places(self) -> dict[str, str]:
        """The file or folder of each language; InputError for what is not LANGUAGE=PLACE, or a language twice."""
        found: dict[str, str] = {}
        for entry in self.ids:
            name, _, place = entry.partition("=")
            if not name or not place:
                raise InputError(f"--ids {entry!r} is not LANGUAGE=PLACE: write eng=FILE or eng=FOLDER")
            if name in found:
                raise InputError(f"--ids names {name} twice: put its files into one folder, and name that")
            found[name] = place
        return found

    def shards(self, vocabulary: Vocabulary, to: Path, clones: Clones | None, lost: float) -> Shards:
        """Write the shards."""
        from isoglot.corpora.split import HoldOut
        from isoglot.tokenizer import shards_of_ids

        assert self.form is not None
        hold_out = HoldOut(0.05 if self.held_out is None else self.held_out, self.held_out_documents)
        return shards_of_ids(self.places(), self.form, vocabulary, to, self.dtype, hold_out, clones, lost)


def print_kept(shards: Shards, cost: Fertility) -> None:
    """Say in one line a language what did not come back as it was, and what of stored ids was left out."""
    kept = shards.counts(cost.language).get("kept")
    if kept and (kept["normalised"] or kept["lost"]):
        typer.echo(
            f"{cost.language}: of {cost.documents:,} documents {kept['exact']:,} come back as they were, "
            f"{kept['normalised']:,} normalised, and {kept['lost']:,} lose text: {kept['unknown']:,} unknown tokens, "
            f"{kept['lost_bytes']:,} bytes"
        )
    for file in (shards.manifest.get("source") or {"languages": {}})["languages"].get(cost.language, []):
        typer.echo(
            f"{cost.language}: {file['name']}, {file['ids']:,} {file['dtype']} ids, {file['documents']:,} documents "
            f"({file['without_end']:,} without an end, {file['empty']:,} empty ones left out, "
            f"{file['special_left_out']:,} special ids left out, {file['special_inside']:,} inside)"
        )
