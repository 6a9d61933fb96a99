"""A law from its user's Python file: `my_law.py`, or `my_law.py:MyLaw` where the file holds several.

The file runs with all rights of the program, so that only the library and the command line load one. What goes wrong
inside it becomes one sentence with file and line.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from jax import Array

from isoglot.core.errors import InputError, IsoglotError, nearest
from isoglot.laws.law import AbstractLaw, Column, Parameter, Params
from isoglot.laws.query import Query
from isoglot.laws.unit_check import invariant

FILE_LAW = re.compile(r"(?P<path>.*\.py)(?::(?P<class>[^:/\\]*))?", re.DOTALL)
# Modules by resolved path and hash: a file that has not changed stays the same class, so that fits compare equal.
_LOADED: dict[tuple[str, str], ModuleType] = {}


class OwnLaw(AbstractLaw):
    """L = whatever the law in the file predicts.

    Passes every question on to the law in the file, of which `sha256` is the content. `centred` is found by trial:
    the fit is centred where predictions stay the same in other units of N and D.
    """

    positive: ClassVar[bool] = False
    path: str
    class_name: str
    sha256: str
    num_transfer: int = 0
    num_sources: int = 1

    @property
    def inner(self) -> AbstractLaw:
        """The law of the file."""
        return _instance(self)

    @property
    def name(self) -> str:
        """What a specification calls any law from a file."""
        return "file"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Those of the file's law."""
        with errors_of(self.path):
            return tuple(self.inner.parameters)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Those of the file's law."""
        with errors_of(self.path):
            return tuple(self.inner.columns)

    @property
    def centred(self) -> bool:
        """Whether the file's law says so and predicts the same in two units."""
        return _centred(self)

    def basis(self, params: Params, query: Query) -> Array:
        """Columns of the linear parameters."""
        with errors_of(self.path):
            return self.inner.basis(params, query)

    def predict(self, params: Params, query: Query) -> Array:
        """Loss at each point."""
        with errors_of(self.path):
            return self.inner.predict(params, query)

    def offset(self, params: Params, query: Query) -> Any:
        """The part that no linear parameter multiplies."""
        with errors_of(self.path):
            return self.inner.offset(params, query)

    def unsupported(self, query: Query) -> tuple[np.ndarray, str]:
        """Where the file's law is not defined."""
        with errors_of(self.path):
            return self.inner.unsupported(query)


def own_options(path: str, class_name: str | None = None) -> dict[str, str]:
    """Path, class and hash of a law in a file, which is loaded.

    Raises InputError where the file cannot be read, fails, or does not hold such a law.
    """
    content = _read(path)
    sha256 = hashlib.sha256(content).hexdigest()
    found = _law_class(_module(path, content, sha256), path, class_name)
    return {"path": path, "class_name": found.__name__, "sha256": sha256}


def own_class(options: dict[str, Any]) -> type[AbstractLaw]:
    """The class that `own_options` found."""
    path, sha256 = str(options["path"]), str(options["sha256"])
    module = _LOADED.get((str(Path(path).resolve()), sha256))
    if module is None:
        require_same(options)
        module = _module(path, _read(path), sha256)
    return _law_class(module, path, str(options["class_name"]))


def require_same(options: dict[str, Any]) -> None:
    """Refuse a file that is missing or is no longer what it was.

    Raises InputError that asks for the file, or names the change.
    """
    path = str(options["path"])
    if not Path(path).is_file():
        raise InputError(
            f"law {path}: the fit rests on {options['class_name']} in this file, which is not here; bring it back"
        )
    now = hashlib.sha256(_read(path)).hexdigest()
    if now != options["sha256"]:
        raise InputError(
            f"law {path}: the file has changed since the fit (its SHA-256 was {options['sha256'][:12]}, now {now[:12]}); "
            "bring that version back or fit again"
        )


@contextmanager
def errors_of(path: str) -> Iterator[None]:
    """Turn what is raised inside a user's file into one sentence that names the line."""
    try:
        yield
    except IsoglotError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"law {_where(error, path)}: {_raised(error)}; mend it there") from error


def _where(error: BaseException, path: str) -> str:
    resolved = str(Path(path).resolve())
    if isinstance(error, SyntaxError) and error.filename == resolved and error.lineno:
        return f"{path}, line {error.lineno}"
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == resolved
    ]
    return f"{path}, line {lines[-1]}" if lines else path


def _raised(error: BaseException) -> str:
    first = str(error.msg if isinstance(error, SyntaxError) else error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first[:200].rstrip(' .;')}" if first else type(error).__name__


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"law {path}: the file cannot be read ({reason}); give a Python file with a law"
        ) from None


class _AsRead(SourceFileLoader):
    """Runs the bytes that were hashed, without a cache of compiled code that might be of another version."""

    def __init__(self, name: str, path: str, content: bytes) -> None:
        super().__init__(name, path)
        self.content = content

    def get_data(self, path: str) -> bytes:
        return self.content

    def path_stats(self, path: str) -> Any:
        raise OSError


def _module(path: str, content: bytes, sha256: str) -> ModuleType:
    resolved = str(Path(path).resolve())
    if (resolved, sha256) in _LOADED:
        return _LOADED[resolved, sha256]
    name = f"isoglot_own_law_{hashlib.sha256(resolved.encode()).hexdigest()[:8]}_{sha256[:12]}"
    spec = importlib.util.spec_from_file_location(name, resolved, loader=_AsRead(name, resolved, content))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with errors_of(path):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    _LOADED[resolved, sha256] = module
    return module


def _law_class(module: ModuleType, path: str, class_name: str | None) -> type[AbstractLaw]:
    found = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, AbstractLaw) and value.__module__ == module.__name__
    }
    if class_name is None and len(found) != 1:
        many = f"holds {len(found)} laws ({', '.join(found)}); name one as {path}:CLASS"
        raise InputError(
            f"law {path}: the file {many if found else 'holds no law; define a subclass of AbstractLaw'}"
        )
    chosen = class_name if class_name is not None else next(iter(found))
    if chosen not in found:
        listing = f"it holds {', '.join(found)}" if found else "it holds no subclass of AbstractLaw"
        raise InputError(f"law {path}: the file has no law {chosen!r}{nearest(chosen, found)}; {listing}")
    law = found[chosen]
    if inspect.isabstract(law):
        line = inspect.getsourcelines(law)[1]
        missing = ", ".join(sorted(law.__abstractmethods__))
        raise InputError(f"law {path}, line {line}: {chosen} lacks {missing}; define what is missing")
    return law


@lru_cache(maxsize=64)
def _instance(law: OwnLaw) -> AbstractLaw:
    kind = own_class({"path": law.path, "class_name": law.class_name, "sha256": law.sha256})
    wanted = {entry.name for entry in fields(kind)}
    given = {"num_transfer": law.num_transfer, "num_sources": law.num_sources}
    with errors_of(law.path):
        return kind(**{name: count for name, count in given.items() if name in wanted})


@lru_cache(maxsize=64)
def _centred(law: OwnLaw) -> bool:
    with errors_of(law.path):
        return bool(law.inner.centred) and invariant(law, law.parameters)
