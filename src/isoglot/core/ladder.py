"""Shapes by name: a ladder of small models for laptops, and ATLAS's published shapes.

A rung `6x256` has 6 layers of width 256: gated feed-forwards of 3 widths, heads of width 32 (64 from width 512), one
table for input and output. `6x256-ffn700-head16` says the width of the feed-forward and of a head. Without embeddings
a rung has about 13 L d^2 parameters. The ladder's rungs grow about 1.7
times in that count, with layers and width growing together, so that sizes of a sweep differ by size alone.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

from isoglot.core.errors import InputError
from isoglot.core.shapes import Shape, atlas_scale, count_parameters

LADDER = (
    (2, 32),
    (2, 64),
    (3, 64),
    (3, 96),
    (4, 96),
    (4, 128),
    (5, 160),
    (6, 192),
    (6, 256),
    (8, 288),
    (8, 384),
    (10, 448),
    (12, 512),
    (12, 640),
    (14, 768),
)
"""Rungs as (layers, width), from 27 thousand to 107 million parameters without embeddings."""


def rung(
    layers: int,
    width: int,
    vocabulary: int,
    tied: bool = True,
    ffn: int | None = None,
    head: int | None = None,
) -> Shape:
    """The shape of a rung; see the module. InputError for a width that heads do not divide.

    >>> shape = rung(6, 256, 8192)
    >>> shape.ffn, shape.heads, shape.head_width
    (768, 8, 32)
    """
    head = head or _head(width)
    if width % head:
        raise InputError(
            f"shape {layers}x{width} has a width that heads of {head} do not divide: use a multiple"
        )
    return Shape(layers, width, ffn or _ffn(width), width // head, head, vocabulary, tied=tied)


def _head(width: int) -> int:
    return 64 if width >= 512 else 32


def _ffn(width: int) -> int:
    return 3 * width


def shape_named(name: str, vocabulary: int, tied: bool = True) -> Shape:
    """A shape from `LAYERSxWIDTH` (6x256, 6x256-ffn700-head16) or `atlas-NUMBER`, with the vocabulary that is asked for.

    Raises InputError for another name.

    >>> shape_named("atlas-0", 64_512).layers, shape_named("2x64", 257).heads, shape_named("2x64-ffn200", 257).ffn
    (3, 2, 200)
    """
    found = re.fullmatch(r"(\d+)x(\d+)(?:-ffn([1-9]\d*))?(?:-head([1-9]\d*))?", name)
    if found:
        layers, width, *own = found.groups()
        ffn, head = (int(part) if part else None for part in own)
        return rung(int(layers), int(width), vocabulary, tied, ffn, head)
    found = re.fullmatch(r"atlas-(\d+)", name)
    if found:
        return replace(atlas_scale(int(found[1])).shape, vocabulary=vocabulary, tied=tied)
    raise InputError(
        f"shape {name!r} is unknown: write layers x width as 6x256 or 6x256-ffn700-head16, or atlas-0 to atlas-52"
    )


def name_of(shape: Shape) -> str:
    """How a shape is written: layers x width, and what is not a rung's own.

    >>> name_of(rung(6, 256, 512)), name_of(shape_named("2x64-ffn200-head16", 512))
    ('6x256', '2x64-ffn200-head16')
    """
    ffn = "" if shape.ffn == _ffn(shape.width) else f"-ffn{shape.ffn}"
    head = "" if shape.head_width == _head(shape.width) else f"-head{shape.head_width}"
    return f"{shape.layers}x{shape.width}{ffn}{head}"


def rung_near(params: float, vocabulary: int) -> Shape:
    """The rung whose parameters without embeddings are nearest, in ratio, to a number.

    >>> rung_near(2e6, 8192).width
    160
    """
    if not params > 0:
        raise InputError(f"parameters are {params:g}: give a positive number")
    shapes = [rung(layers, width, vocabulary) for layers, width in LADDER]
    return min(shapes, key=lambda shape: abs(math.log(count_parameters(shape, "non_embedding") / params)))
