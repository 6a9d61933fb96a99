"""Which piece of a tokenizer of another project ends a document.

In this order: the one that was named; the `eos_token` of `tokenizer_config.json`, then of `special_tokens_map.json`,
beside the file; the one special token that is spelt as ends commonly are. None is made up: an id that the
vocabulary lacks would be one that no model of that project has.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoglot.core.errors import InputError, nearest

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BESIDE = ("tokenizer_config.json", "special_tokens_map.json")
COMMON = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "[EOS]", "<EOT>", "<｜end▁of▁sentence｜>")


def end_piece(path: Path, tree: dict[str, Any], tokenizer: Tokenizer, named: str | None) -> str:
    """The piece that ends a document; InputError if it is not in the vocabulary, or cannot be told."""
    special = [token["content"] for token in tree.get("added_tokens", []) if token["special"]]
    if named is not None:
        return _known(path, tokenizer, named, special, "was named as the end of a document")
    for name in BESIDE:
        told = _told(path.with_name(name))
        if told is not None:
            return _known(path, tokenizer, told, special, f"is the eos_token of {name}")
    found = [piece for piece in COMMON if piece in special]
    if len(found) == 1:
        return found[0]
    raise InputError(
        f"{path}: which piece ends a document is not told (no eos_token in {' or '.join(BESIDE)} beside it, and "
        f"{', '.join(found) if found else 'no common spelling'} among its special tokens): name it with --end, of "
        f"{', '.join(special[:8]) or 'its pieces'}"
    )


def _known(path: Path, tokenizer: Tokenizer, piece: str, special: list[str], why: str) -> str:
    if tokenizer.token_to_id(piece) is None:
        raise InputError(
            f"{path}: has no piece {piece!r}, which {why}{nearest(piece, special)}: name one that it has with --end"
        )
    return piece


def _told(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        told = json.loads(path.read_bytes()).get("eos_token")
    except (ValueError, AttributeError):
        raise InputError(
            f"{path}: damaged, not a JSON object; name the end of a document with --end"
        ) from None
    # A token is written as its spelling, or with its flags.
    content = told.get("content") if isinstance(told, dict) else told
    return content if isinstance(content, str) else None
