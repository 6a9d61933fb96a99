"""A file of token ids as another project left it on disk: ids without a copy, and where documents end.

    megatron   NAME.bin with NAME.idx                 Megatron-LM's indexed dataset, version 1
    nanotron   NAME.ds with NAME.ds.index, .metadata  datatrove's, which nanotron reads
    olmo       NAME.npy without a header              OLMo's numpy memory maps
    npy        NAME.npy with numpy's header
    raw        NAME.bin, ids and nothing else

The first two say where documents end; in the others the end id alone does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isoglot.core.errors import InputError, nearest
from isoglot.tokenizer.megatron_file import read_megatron
from isoglot.tokenizer.nanotron_file import read_nanotron
from isoglot.tokenizer.numpy_file import read_headless, read_npy
from isoglot.tokenizer.stored import BLOCK, Stored, whole_ids


@dataclass(frozen=True)
class _Format:
    suffix: str
    read: Callable[[Path, str | None, int], Stored]


FORMATS = {
    "megatron": _Format(".idx", read_megatron),
    "nanotron": _Format(".ds", read_nanotron),
    "olmo": _Format(".npy", read_headless),
    "npy": _Format(".npy", read_npy),
    "raw": _Format(".bin", read_headless),
}


def token_files(place: str | Path, form: str, dtype: str | None, size: int) -> list[Stored]:
    """Open the token files of a folder (those of the format, by name), or one file; `size` is the vocabulary's.

    A Megatron dataset may be named by its prefix, as Megatron does. Ids are checked against the vocabulary here, so
    that what follows need not.

    Raises InputError for an unknown format, a folder without files, a damaged or truncated file, a dtype that is not
    told and cannot be inferred, and an id that the vocabulary does not have.
    """
    if form not in FORMATS:
        raise InputError(f"format {form!r} is unknown{nearest(form, FORMATS)}: use {', '.join(FORMATS)}")
    path, suffix = Path(place), FORMATS[form].suffix
    if path.is_dir():
        paths = sorted(path.glob(f"*{suffix}"))
        if not paths:
            raise InputError(
                f"{path}: holds no {suffix} file of the format {form}; give a folder or file of tokens"
            )
    else:
        paths = [path]
    return [_checked(FORMATS[form].read(found, dtype, size), size) for found in paths]


def _checked(found: Stored, size: int) -> Stored:
    for start in range(0, len(found.ids), BLOCK):
        block = whole_ids(found.ids[start : start + BLOCK])
        bad = np.flatnonzero((block < 0) | (block >= size))
        if len(bad):
            at = int(bad[0])
            raise InputError(
                f"{found.path}: id {int(block[at])} at position {start + at} is not in the vocabulary of {size:,} ids: "
                f"give the tokenizer that the file was made with, or another --dtype than {found.ids.dtype}"
            )
    return found
