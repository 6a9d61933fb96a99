"""The command line: one file a command group, no arithmetic, heavy imports inside the commands.

`main` is the only place where errors become exit codes: one sentence on stderr, 2 for a caller's mistake, 1
where no usable answer exists.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from isoglot.cli import (
    checkpoint,
    compare,
    corpus,
    demo,
    ensemble,
    fit,
    frontier,
    laws,
    plan,
    predict,
    probe,
    runs,
    share_exponent,
    sweep,
    tokenize,
    train,
)
from isoglot.cli.compiled import keep_compiled
from isoglot.core.errors import IsoglotError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Multilingual scaling laws: fit them with honest uncertainty and plan a pretraining budget.",
)
app.add_typer(runs.app, name="runs")
app.add_typer(laws.app, name="laws")
app.add_typer(corpus.app, name="corpus")
app.add_typer(checkpoint.app, name="checkpoint")
app.add_typer(sweep.app, name="sweep")
app.command("tokenize")(tokenize.tokenize_command)
app.command("train")(train.train_command)
app.command("probe")(probe.probe_command)
app.command("fit")(fit.fit_command)
app.command("ensemble")(ensemble.ensemble_command)
app.command("compare")(compare.compare_command)
app.command("frontier")(frontier.frontier_command)
app.command("share-exponent")(share_exponent.share_exponent_command)
app.command("predict")(predict.predict_command)
app.command("plan")(plan.plan_command)
app.command("demo")(demo.demo_command)


def _version(wanted: bool) -> None:
    if wanted:
        from isoglot import __version__

        typer.echo(f"isoglot {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Multilingual scaling laws: fit them with honest uncertainty and plan a pretraining budget."""


def main() -> None:
    """Run the command line."""
    keep_compiled()
    try:
        app()
    except IsoglotError as error:
        typer.echo(f"isoglot: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None:
            raise
        typer.echo(f"isoglot: {error.filename}: {error.strerror}", err=True)
        sys.exit(2)
