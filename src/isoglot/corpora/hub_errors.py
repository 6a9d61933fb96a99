"""One sentence for whatever the libraries beneath a hub corpus raise."""

from __future__ import annotations

import re

from isoglot.core.errors import InputError, IsoglotError, NoAnswerError, nearest
from isoglot.corpora.hub_addresses import HubCorpus

# By name, because the HTTP library that the hub's client is built on changes between its versions.
_NETWORK = frozenset(
    {
        "ConnectError",
        "ConnectionError",
        "ConnectTimeout",
        "NetworkError",
        "OfflineModeIsEnabled",
        "TimeoutException",
        "TimeoutError",
        "TransportError",
        "ClientConnectionError",
    }
)
_QUOTED = re.compile(r"'([^']+)'")
_SHOWN = 6


def explain(error: Exception, corpus: HubCorpus, language: str, where: str) -> IsoglotError:
    """Return the error that says what failed, for which corpus and language, and what to do.

    A network that cannot be reached is a NoAnswerError, everything else an InputError.

    >>> from isoglot.corpora.hub_addresses import HUB
    >>> str(explain(TimeoutError("no route"), HUB["fineweb-2"], "fra", "fra_Latn"))[:57]
    "fineweb-2, fra: the hub could not be reached ('no route')"
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    told = f"{corpus.name}, {language}"
    if isinstance(error, IsoglotError):
        return error
    if "GatedRepoError" in names or "gated dataset" in str(error):
        return InputError(
            f"{told}: {corpus.repository} is gated and this account has no access: accept its terms on the hub and "
            "log in with 'hf auth login', or set HF_TOKEN"
        )
    if names & {"RepositoryNotFoundError", "RevisionNotFoundError", "DatasetNotFoundError"}:
        return InputError(
            f"{told}: the hub has no repository {corpus.repository} at this revision, or none that this account may "
            "read: check the options repository and revision"
        )
    if names & _NETWORK:
        return NoAnswerError(
            f"{told}: the hub could not be reached ({_first_line(error)!r}): connect to the network, or give local "
            "files with the option files"
        )
    if isinstance(error, ValueError) and "BuilderConfig" in str(error):
        available = _QUOTED.findall(str(error).partition("Available")[2])
        return InputError(
            f"{told}: there is no config {where!r}{nearest(where, available)}: {_listed(available)}, and the option "
            "config chooses one"
        )
    # The builders signal a pattern that nothing fits by either.
    if isinstance(error, FileNotFoundError | StopIteration):
        return InputError(
            f"{told}: no file fits {where!r}: check the language, or the options repository and files"
        )
    return InputError(
        f"{told}: the text at {where!r} could not be read ({type(error).__name__}: {_first_line(error)}): check the "
        "files, or pin another revision"
    )


def _listed(available: list[str]) -> str:
    shown = ", ".join(available[:_SHOWN])
    return f"there are {shown}" + (f" and {len(available) - _SHOWN} more" if len(available) > _SHOWN else "")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
