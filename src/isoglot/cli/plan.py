"""`isoglot plan`: a brief on the command line or in a TOML file, answered from fits or published laws."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from isoglot.cli.display import print_json, progress
from isoglot.cli.table_options import JsonOption
from isoglot.core.errors import InputError

if TYPE_CHECKING:
    from isoglot.plan.brief import Brief


def plan_command(
    brief: Annotated[
        Path | None, typer.Option("--brief", metavar="FILE", help="A TOML brief; other options override it.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option("--budget", metavar="FLOPS", help="Training FLOPs, such as 1e21.")
    ] = None,
    gpu: Annotated[
        str | None,
        typer.Option(
            "--gpu", metavar="KIND:COUNT:HOURS[:MFU]", help="Instead of a budget, such as H100:64:240:0.4."
        ),
    ] = None,
    language: Annotated[
        list[str] | None,
        typer.Option(
            "--language",
            metavar="NAME[=TOKENS][:weight=W][:floor=F][:cap=C][:epochs=E]",
            help="A language with its unique tokens. Repeatable.",
        ),
    ] = None,
    params: Annotated[float | None, typer.Option("--params", help="Pin the model size.")] = None,
    tokens: Annotated[float | None, typer.Option("--tokens", help="Pin the training tokens.")] = None,
    max_epochs: Annotated[
        float | None, typer.Option("--max-epochs", help="Allowed passes over a text (4).")
    ] = None,
    objective: Annotated[
        str | None, typer.Option("--objective", metavar="NAME", help="raw or normalised losses.")
    ] = None,
    level: Annotated[float | None, typer.Option("--level", help="Level of intervals (0.9).")] = None,
    fit: Annotated[
        str | None, typer.Option("--fit", metavar="FIT", help="Saved fit or preset for every question.")
    ] = None,
    size_fit: Annotated[
        str | None, typer.Option("--size-fit", metavar="FIT", help="Fit for the size.")
    ] = None,
    mixture_fit: Annotated[
        str | None, typer.Option("--mixture-fit", metavar="FIT", help="Fit for the mixture.")
    ] = None,
    languages_fit: Annotated[
        str | None, typer.Option("--languages-fit", metavar="FIT", help="Fit of capacity for --grow-to.")
    ] = None,
    scratch_fit: Annotated[
        str | None, typer.Option("--scratch-fit", metavar="FIT", help="Fit of runs from scratch, for --base.")
    ] = None,
    continued_fit: Annotated[
        str | None, typer.Option("--continued-fit", metavar="FIT", help="Fit of continued runs, for --base.")
    ] = None,
    grow_to: Annotated[
        int | None, typer.Option("--grow-to", metavar="K", help="Also: what this many languages cost.")
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="params=N[,tokens=D,flops=C,models=M,count=true,share.NAME=P]",
            help="Also: continue this checkpoint, or start from scratch?",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Plan even from parameters that are not identified.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Plan size, tokens and language mixture for a budget; more languages, scratch or continue."""
    from isoglot.plan import plan as make_plan

    given = {
        "budget": budget,
        "gpus": None if gpu is None else _gpus(gpu),
        "languages": None if not language else dict(_language(text) for text in language),
        "params": params,
        "tokens": tokens,
        "max_epochs": max_epochs,
        "objective": objective,
        "level": level,
        "force": force or None,
        "grow_to": grow_to,
        "base": None if base is None else _base(base),
    }
    question = _brief(brief, {key: value for key, value in given.items() if value is not None})
    with progress() as say:
        say("planning")
        named = {
            "size": size_fit or fit,
            "mixture": mixture_fit or fit,
            "languages": languages_fit,
            "scratch": scratch_fit,
            "continued": continued_fit,
        }
        answer = make_plan(question, _fits(named))
    if as_json:
        print_json(answer.to_dict())
    else:
        typer.echo(str(answer))


def _brief(path: Path | None, given: dict[str, Any]) -> Brief:
    import dataclasses

    from isoglot.plan.brief import Brief, read_brief

    if path is None:
        return Brief(**given)
    return dataclasses.replace(read_brief(path), **given)


def _fits(named: dict[str, str | None]) -> Any:
    """Load every named fit once; None if no question names one."""
    from isoglot.cli.predict import load

    loaded = {name: load(name) for name in dict.fromkeys(named.values()) if name is not None}
    return {question: loaded[name] for question, name in named.items() if name is not None} or None


def _base(text: str) -> dict[str, Any]:
    """Parse key=value,...; `share.NAME=P` are the shares of the base.

    >>> _base("params=2e9,tokens=1e12,count=true,share.eng=0.05")
    {'params': 2000000000.0, 'tokens': 1000000000000.0, 'count': True, 'shares': {'eng': 0.05}}
    """
    found: dict[str, Any] = {}
    shares: dict[str, float] = {}
    for item in text.split(","):
        key, equals, value = item.strip().partition("=")
        if not equals:
            raise InputError(
                f"--base has '{item}', which is no key=value; give such as params=2e9,tokens=1e12,count=true"
            )
        if key in found or key.removeprefix("share.") in shares:
            raise InputError(f"--base has {key} twice; give it once")
        if key.startswith("share."):
            shares[key.removeprefix("share.")] = _number(value, f"--base: {key}")
        elif key == "count":
            if value not in ("true", "false"):
                raise InputError(f"--base: count takes true or false, not '{value}'")
            found[key] = value == "true"
        else:
            found[key] = _number(value, f"--base: {key}")
    return {**found, "shares": shares} if shares else found


def _gpus(text: str) -> dict[str, Any]:
    """Parse KIND:COUNT:HOURS[:MFU].

    >>> _gpus("H100:64:240:0.4")
    {'kind': 'H100', 'count': 64.0, 'hours': 240.0, 'mfu': 0.4}
    """
    kind, *rest = text.split(":")
    if len(rest) not in (2, 3):
        raise InputError(f"--gpu takes KIND:COUNT:HOURS[:MFU], such as H100:64:240:0.4, not '{text}'")
    values = [_number(part, "--gpu") for part in rest]
    return {"kind": kind, **dict(zip(("count", "hours", "mfu"), values, strict=False))}


def _language(text: str) -> tuple[str, dict[str, float]]:
    """Parse NAME[=TOKENS][:field=value...].

    >>> _language("swh=1e9:weight=2:floor=0.05")
    ('swh', {'unique': 1000000000.0, 'weight': 2.0, 'floor': 0.05})
    """
    head, *fields = text.split(":")
    name, equals, amount = head.partition("=")
    entry = {"unique": _number(amount, f"--language {name}")} if equals else {}
    for item in fields:
        key, equals, value = item.partition("=")
        if not equals:
            raise InputError(
                f"--language {name} has '{item}', which is no field=value; fields are weight, floor, cap, epochs"
            )
        entry[key] = _number(value, f"--language {name}: {key}")
    return name, entry


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{where} takes a number such as 4e9, not '{text}'") from None
