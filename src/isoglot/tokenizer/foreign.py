"""A vocabulary of another project: a Hugging Face `tokenizer.json`, with the very ids that it gives.

Nothing of it is retrained or renumbered. What it would add of its own accord is left out: no special token is put
into a text (templates), and no text is cut or padded. And what it would read out of text is text here: a document
that spells `</s>` never holds the end of a document.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isoglot.core.canonical import fingerprint
from isoglot.core.errors import InputError, MissingExtraError
from isoglot.tokenizer.foreign_end import end_piece
from isoglot.tokenizer.store import whole_folder, write_json
from isoglot.tokenizer.vocabulary import END, MANIFEST, unencodable

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

PREFIX = "hf:"
FILE = "tokenizer.json"
MODELS = ("BPE", "Unigram")
SPACE = "▁"
"""How SentencePiece's tokenizers spell a space."""
# These decide nothing of what a text's ids are here.
UNUSED = ("truncation", "padding", "post_processor")


@dataclass(frozen=True)
class ForeignVocabulary:
    """The tokenizer of a `tokenizer.json` (BPE or Unigram), and the piece that ends a document.

    `text` is the file as it was read. Ids are the file's own, so `size` is its largest id and one. Text that the
    tokenizer normalises comes back normalised, and text that it does not know is lost: `Kept` counts both.
    """

    text: str
    ending: str
    name: str = FILE

    @property
    def kind(self) -> str:
        """Always hf."""
        return "hf"

    @cached_property
    def size(self) -> int:
        """Largest id and one, added tokens included."""
        return max(self.tokenizer.get_vocab(with_added_tokens=True).values()) + 1

    @cached_property
    def end(self) -> int:
        """Id of the piece that ends a document."""
        return self.tokenizer.get_vocab()[self.ending]

    @property
    def languages(self) -> tuple[str, ...] | None:
        """Any language; what it does not know of one is counted."""
        return None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the file's content, but for templates, truncation and padding, and of the end."""
        decides = {name: value for name, value in self.tree.items() if name not in UNUSED}
        return fingerprint({"kind": self.kind, "tokenizer": decides, "end": self.ending})

    @property
    def record(self) -> dict[str, Any]:
        """The file's name, its model and the end."""
        return {"name": self.name, "model": self.tree["model"]["type"], "end": self.ending}

    @cached_property
    def unknown(self) -> int | None:
        """Id of the unknown token, if there is one."""
        model = self.tree["model"]
        if model["type"] == "Unigram":
            return None if model.get("unk_id") is None else int(model["unk_id"])
        piece = model.get("unk_token")
        return None if piece is None else self.tokenizer.token_to_id(piece)

    @cached_property
    def special(self) -> frozenset[int]:
        """Ids that spell no text: the special tokens, the end among them."""
        return frozenset(
            {self.end, *(token["id"] for token in self.tree["added_tokens"] if token["special"])}
        )

    def end_of(self, language: str) -> int:
        """Id of the end of a document, one for all languages."""
        return self.end

    def encode(self, language: str, texts: list[str]) -> list[np.ndarray]:
        """One int32 array of ids a text, on all processors; InputError for text with lone surrogates."""
        try:
            found = self._reader.encode_batch_fast(texts, add_special_tokens=False)
        except (TypeError, UnicodeEncodeError):
            raise unencodable(texts) from None
        return [self._ids(encoding) for encoding in found]

    def encode_with_places(self, texts: list[str]) -> list[tuple[np.ndarray, np.ndarray]]:
        """As `encode`; and for each id the characters (start, stop) of the text that it spells, (T, 2)."""
        try:
            found = self._reader.encode_batch(texts, add_special_tokens=False)
        except (TypeError, UnicodeEncodeError):
            raise unencodable(texts) from None
        return [
            (self._ids(encoding), np.array(encoding.offsets, np.int64).reshape(-1, 2)) for encoding in found
        ]

    def decode(self, language: str, ids: np.ndarray) -> str:
        """The text of ids; bytes that form no UTF-8 become the replacement character."""
        # Between ends, since a decoder treats the start of a text in its own way.
        ids = np.asarray(ids)
        parts = np.split(ids, np.flatnonzero(ids == self.end) + 1)
        return END.join(self.decode_many([part[part != self.end] for part in parts]))

    def decode_many(self, texts: Sequence[np.ndarray]) -> list[str]:
        """The text of each array of ids, on all processors."""
        found: list[str] = self.tokenizer.decode_batch(
            [ids.tolist() for ids in texts], skip_special_tokens=False
        )
        return found

    def normalised(self, text: str) -> str:
        """The form that the tokenizer's own normaliser gives a text, with spaces spelt as spaces."""
        normaliser = self.tokenizer.normalizer
        form = text if normaliser is None else str(normaliser.normalize_str(text))
        return (
            form.replace(SPACE, " ")
            if SPACE in json.dumps(self.tree["decoder"], ensure_ascii=False)
            else form
        )

    def save(self, folder: str | Path) -> None:
        """Write `vocabulary.json` and the `tokenizer.json` as it was read to a new folder."""
        with whole_folder(folder) as partial:
            manifest = {"kind": self.kind, "size": self.size, "fingerprint": self.fingerprint}
            write_json(partial / MANIFEST, {**manifest, "end": self.ending, "record": self.record})
            (partial / FILE).write_bytes(self.text.encode("utf-8"))

    @classmethod
    def load(cls, folder: Path, manifest: dict[str, Any]) -> ForeignVocabulary:
        """Read back what `save` wrote; the caller compares fingerprints."""
        return cls(_text(folder / FILE), manifest["end"], manifest["record"]["name"])

    @cached_property
    def tree(self) -> dict[str, Any]:
        """The content of the file."""
        found: dict[str, Any] = json.loads(self.text)
        # Older files leave these out, and the library reads them so.
        found["model"].setdefault("type", "BPE")
        return {"added_tokens": [], "decoder": None, **found}

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Hugging Face's tokenizer as the file describes it; MissingExtraError without the extra `train`."""
        return _tokenizer(self.text)

    @cached_property
    def _reader(self) -> Tokenizer:
        """The tokenizer that encodes: its special pieces spelt so that no text can hold them."""
        # Unigram would choose a special piece like any other, even where special tokens are not looked for.
        tree = {**self.tree, **dict.fromkeys(UNUSED)}
        names = {
            piece: self._unspelt(at) for piece, at in self.tokenizer.get_vocab().items() if at in self.special
        }
        tree["added_tokens"] = [
            {**token, "content": names.get(token["content"], token["content"])}
            for token in tree["added_tokens"]
        ]
        tree["model"] = _renamed(tree["model"], names)
        reader = _tokenizer(json.dumps(tree))
        ids = {names.get(piece, piece): at for piece, at in self.tokenizer.get_vocab().items()}
        if reader.get_vocab() != ids:
            raise InputError(
                f"{self.name}: gives an id to more than one piece, or a piece more than one id, so its special tokens "
                "cannot be kept apart from text: give a tokenizer whose pieces are all different"
            )
        return reader

    def _unspelt(self, at: int) -> str:
        return f"<special {at} {hashlib.sha256(f'{at} {self.ending}'.encode()).hexdigest()}>"

    def _ids(self, encoding: Encoding) -> np.ndarray:
        ids = np.array(encoding.ids, np.int32)
        if (ids == self.end).any():
            raise InputError(
                f"{self.name}: text itself gives {self.ending!r} (id {self.end}), which is to end documents: "
                "name another piece as the end"
            )
        return ids


def read_tokenizer(place: str | Path, end: str | None = None) -> ForeignVocabulary:
    """Read a `tokenizer.json`, or the one in a folder, as a vocabulary.

    `end` is the piece that ends a document. Without it, it is the `eos_token` of `tokenizer_config.json` or
    `special_tokens_map.json` beside the file, else the one special token that is commonly spelt so (see
    `foreign_end`).

    Raises InputError for a missing or damaged file, a model that gives no text back (WordPiece, WordLevel), and an
    end that is not in the vocabulary or cannot be told; MissingExtraError without the extra `train`.
    """
    path = Path(str(place).removeprefix(PREFIX))
    if path.is_dir():
        path /= FILE
    text = _text(path)
    try:
        tree = json.loads(text)
        model = tree["model"].get("type", "BPE")
        tokenizer = _tokenizer(text)
    except MissingExtraError:
        raise
    # Of what it cannot read, the library says so by an exception of no type of its own.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: no tokenizer of Hugging Face can be read from it ({reason[:100]}); give a whole tokenizer.json"
        ) from None
    if model not in MODELS:
        raise InputError(
            f"{path}: its model is {model}, which loses text (white space, and every word with an unknown part), so "
            f"bytes a token would mean nothing; give a tokenizer of {' or '.join(MODELS)}"
        )
    name = path.absolute().parent.name if path.name == FILE else path.name
    return ForeignVocabulary(text, end_piece(path, tree, tokenizer, end), name)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        raise InputError(
            f"{path}: no such file; give a Hugging Face tokenizer.json or the folder that holds one (transformers' "
            "save_pretrained writes one of a SentencePiece model)"
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: damaged, not UTF-8; give a whole tokenizer.json") from None


def _renamed(model: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """The model with some pieces spelt otherwise, and with nothing left to chance."""
    vocab = model["vocab"]
    renamed: Any
    if isinstance(vocab, list):
        renamed = [[names.get(piece, piece), score] for piece, score in vocab]
    else:
        renamed = {names.get(piece, piece): at for piece, at in vocab.items()}
    made = {**model, "vocab": renamed}
    if made.get("unk_token") is not None:
        made["unk_token"] = names.get(made["unk_token"], made["unk_token"])
    if "dropout" in made:
        made["dropout"] = None
    return made


def _tokenizer(text: str) -> Tokenizer:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise MissingExtraError(
            "a tokenizer.json needs tokenizers, which is not installed; run pip install 'isoglot[train]'"
        ) from None
    return Tokenizer.from_str(text)
