"""`isoglot checkpoint`: look at what a run left, and export it for Hugging Face's transformers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from isoglot.train.checkpoint import Checkpoint

app = typer.Typer(no_args_is_help=True, help="Show checkpoints of a run, and export them.")
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, or of one of its steps.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def checkpoint() -> None:
    """Show checkpoints of a run, and export them."""


@app.command()
def show(run: RunArgument, as_json: JsonOption = False) -> None:
    """List the checkpoints of a run: steps, tokens, and the fingerprint that a recipe's base names."""
    from isoglot.cli.display import print_json, print_table
    from isoglot.train.checkpoint import all_checkpoints

    found = [_facts(one) for one in all_checkpoints(run)]
    if as_json:
        print_json(found)
        return
    for facts in found[-1]["runs"]:
        typer.echo(f"run {facts['run']}: {facts['params']:,} parameters, {', '.join(facts['languages'])}")
    rows = [(f"{facts['step']:,}", f"{facts['tokens']:,}", facts["weights"]) for facts in found]
    print_table(f"{run}: checkpoints", ("step", "tokens", "weights"), rows, left=0)


@app.command()
def export(
    run: RunArgument,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="New folder for the export.")],
    member: Annotated[
        str | None, typer.Option("--run", metavar="NAME", help="The run wanted, where RUN is a pack.")
    ] = None,
    language: Annotated[
        str | None,
        typer.Option("--language", help="Whose ids the tokenizer gives (needed for pairs and clones)."),
    ] = None,
    shards: Annotated[
        Path | None, typer.Option("--shards", metavar="FOLDER", help="The run's shards (needed for a clone).")
    ] = None,
    tokenizer: Annotated[
        bool, typer.Option("--tokenizer/--no-tokenizer", help="Write a tokenizer, or the weights alone.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Write a checkpoint in the Llama layout of Hugging Face, with tokenizer and model card."""
    from isoglot.cli.display import print_json
    from isoglot.tokenizer import open_shards
    from isoglot.train.checkpoint import open_checkpoint
    from isoglot.train.export import export_llama

    text = None if shards is None else open_shards(shards)
    done = export_llama(open_checkpoint(run), to, member, language, text, tokenizer)
    if as_json:
        print_json({"folder": str(done.folder), **done.manifest})
        return
    at = done.manifest["checkpoint"]
    typer.echo(f"{done.folder}: weights {at['weights']} at step {at['step']:,}, in the Llama layout")


def _facts(found: Checkpoint) -> dict[str, Any]:
    from isoglot.core.shapes import count_parameters

    return {
        "folder": str(found.folder),
        "step": found.step,
        "tokens": found.tokens,
        "weights": found.weights_fingerprint,
        "vocabulary": found.vocabulary,
        "runs": [
            {
                "run": recipe.name,
                "params": count_parameters(recipe.shape, "total"),
                "languages": recipe.data.languages,
            }
            for recipe in found.recipes
        ],
    }
