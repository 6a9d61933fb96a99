"""What a trained model has to beat: a unigram model of its own tokens, and a general compressor.

The compressor is LZMA. It is given training text first, and what it then needs for the held-out text counts:

    bits per byte = 8 (|lzma(train + held out)| - |lzma(train)|) / bytes(held out)

Unlike a model of a few passes it can only repeat what it has seen, so it marks what text gives by repetition alone.
"""

from __future__ import annotations

import lzma

from isoglot.core.errors import InputError
from isoglot.train.evaluate import LN2, Score

PRESET = 6
# Training text that the compressor is given, from its end: more helps little and takes long.
WINDOW = 1 << 20


def compressor_bits_per_byte(train: str, held_out: str) -> float:
    """Bits a byte that LZMA needs for held-out text after the training text; see the module.

    Only the last MiB of training text counts. InputError if there is no held-out text.

    >>> text = "In principio creavit Deus caelum et terram. "
    >>> compressor_bits_per_byte(text * 20, text * 20) < 1
    True
    """
    before = train.encode()[-WINDOW:]
    new = held_out.encode()
    if not new:
        raise InputError("held-out text is empty: give at least one byte")
    return (
        8
        * (len(lzma.compress(before + new, preset=PRESET)) - len(lzma.compress(before, preset=PRESET)))
        / len(new)
    )


def unigram_bits_per_byte(score: Score) -> float:
    """Bits a byte of the unigram model that a score was taken against."""
    return (score.nats_per_token - score.unigram_normalised) * score.tokens / (LN2 * score.bytes)
