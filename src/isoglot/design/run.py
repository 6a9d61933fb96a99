"""One run of a design, and runs of several lengths; what the text cannot give is refused before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from isoglot.core.errors import InputError
from isoglot.core.languages import parse_label
from isoglot.core.recipe import Recipe
from isoglot.core.stages import stage_ends
from isoglot.core.wish import WARMUP, Start, Text, Wish, recipe_of, settled, shorter, steps_of

# The most of the shortest run that a warm-up shared with longer ones may take.
SHARED_WARMUP = 0.1


def run_of(wish: Wish, text: Text, start: Start | None = None) -> Recipe:
    """The recipe of a wish, with what training would refuse refused here.

    Raises InputError for stages without a step, text shorter than a sequence, caps that the text does not fill.

    >>> text = Text("abc", 512, (("eng", 500),))
    >>> run_of(Wish(tokens=1e4, sequence=512, batch=16), text)
    Traceback (most recent call last):
    isoglot.core.errors.InputError: training text of eng has 500 tokens: one sequence of 512 needs 513
    """
    recipe = recipe_of(wish, text, start)
    stage_ends(recipe.data.stages, recipe.steps)
    epoch_tokens(recipe, text)
    return recipe


def epoch_tokens(recipe: Recipe, text: Text) -> dict[str, int]:
    """Predicted tokens of one epoch of each stream that a run reads: whole sequences of its text under its cap.

    A clone reads the stream of its base. Raises InputError as `run_of`.
    """
    sizes, sequence = dict(text.unique), recipe.data.sequence
    found: dict[str, int] = {}
    caps = dict(recipe.data.unique)
    for name in recipe.data.languages:
        there = max(0, sizes[name] - 1) // sequence
        if not there:
            raise InputError(
                f"training text of {name} has {sizes[name]} tokens: one sequence of {sequence} needs {sequence + 1}"
            )
        stream = stream_of(name)
        cap = caps.get(name, caps.get(stream, there * sequence)) // sequence
        if cap > there:
            raise InputError(
                f"unique text of {name} is capped at {caps[name]} tokens, but its text has {there * sequence}: "
                f"give at most {there * sequence}, or no cap"
            )
        if name in caps and caps.get(stream, caps[name]) != caps[name]:
            raise InputError(
                f"unique text is capped at {caps[stream]} tokens for {stream} and {caps[name]} for {name}, which read "
                "one text: give one cap"
            )
        found[stream] = min(found.get(stream, cap * sequence), cap * sequence)
    return found


def stream_of(language: str) -> str:
    """The language whose text one reads: the base of a clone, else itself.

    >>> stream_of("eng#2"), stream_of("eng")
    ('eng', 'eng')
    """
    return language.partition("#")[0]


def warmed(wish: Wish, tokens: Sequence[float]) -> Wish:
    """The wish with one batch and one warm-up for runs of several lengths.

    The batch is the default for the shortest run; the warm-up is 5 % of the longest, but at most 10 % of the shortest.
    Runs that are compared must not differ in them, so a design gives it all its token counts, controls included. A wish
    with a batch or a warm-up of its own keeps it. Runs without a trunk (other schedules, stages) need share nothing:
    each warms up for 5 % of its own steps, which is the same at the same tokens.

    Raises InputError where the shortest run has fewer than 10 steps and would leave a longer one without a warm-up.

    >>> found = warmed(Wish(sequence=128), (1e6, 4e6))
    >>> found.batch, found.warmup
    (4, 195)
    """
    wish = settled(wish, min(tokens))
    if wish.warmup is not None or not _has_trunk(wish):
        return wish
    most, least = (steps_of(replace(wish, tokens=count)) for count in (max(tokens), min(tokens)))
    wanted, shared = round(WARMUP * most), int(SHARED_WARMUP * least)
    if wanted and not shared:
        raise InputError(
            f"the shortest run has {least} steps, fewer than the 10 it needs to share a warm-up with that of {most:,}: "
            "give more tokens, a smaller batch, or warmup="
        )
    return replace(wish, warmup=min(wanted, shared))


def _has_trunk(wish: Wish) -> bool:
    return wish.schedule == "wsd" and not wish.stages


def lengths(wish: Wish, text: Text, tokens: Sequence[float], start: Start | None = None) -> list[Recipe]:
    """Runs of several lengths, in the order of `tokens`; WSD runs of one mixture cool down from one trunk.

    What all lengths share is that of the longest: a mixture by scheme; batch and warm-up are as `warmed` has them.
    Other runs share a batch alone. Raises InputError as `run_of`, `warmed` and `shorter`.

    >>> text = Text("abc", 512, (("eng", 500_000),))
    >>> short, long = lengths(Wish(batch=1), text, (5e5, 1e6))
    >>> short.trunk_fingerprint == long.trunk_fingerprint, short.steps, long.steps
    (True, 1954, 3907)
    """
    wish = warmed(wish, tokens)
    arms = [replace(wish, tokens=count) for count in tokens]
    if not _has_trunk(wish):
        return [run_of(arm, text, start) for arm in arms]
    longest = run_of(max(arms, key=lambda arm: arm.tokens), text, start)
    return [longest if steps_of(arm) == longest.steps else shorter(longest, arm.tokens) for arm in arms]


def only(wish: Wish, languages: Iterable[str]) -> Wish:
    """The wish for some of its languages: caps of the others are left out."""
    chosen = tuple(parse_label(name) for name in languages)
    caps = {name: cap for name, cap in wish.unique.items() if parse_label(name) in chosen}
    return replace(wish, languages=chosen, unique=caps)


def languages_of(wish: Wish, text: Text) -> tuple[str, ...]:
    """Labels of the languages that a design is about: the wish's, else all of the text.

    Raises InputError for a language that is not in the text, or is named twice.
    """
    found = tuple(parse_label(name) for name in wish.languages) or text.languages
    for name in found:
        if name not in text.languages:
            raise InputError(f"language {name} is not in the shards: they hold {', '.join(text.languages)}")
        if found.count(name) > 1:
            raise InputError(f"language {name} is named twice: name each language once")
    return found


def written(shares: Mapping[str, float]) -> str:
    """Shares as a mixture is written, without rounding.

    >>> written({"eng": 0.7, "fra": 0.3})
    'eng=0.7,fra=0.3'
    """
    return ",".join(f"{name}={float(share)!r}" for name, share in shares.items())


def named(knob: str, names: Sequence[str]) -> tuple[str, ...]:
    """The names of a knob; InputError unless there is at least one."""
    if not names:
        raise InputError(f"knob {knob} is '': give one or more names")
    return tuple(names)


def positive(knob: str, numbers: Sequence[float]) -> tuple[float, ...]:
    """The numbers of a knob; InputError unless there is at least one and all are above 0."""
    if not numbers or not all(number > 0 for number in numbers):
        shown = ",".join(f"{number:g}" for number in numbers)
        raise InputError(f"knob {knob} is {shown!r}: give one or more numbers above 0")
    return tuple(numbers)
