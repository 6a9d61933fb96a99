"""Everything that is measured, in order, as one plain dictionary; each step says on stderr what it does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import commands, environments
from benchmarks.environments import CHINCHILLA, SIMPLE_SCALING_LAWS, Peer, prepare
from benchmarks.measure import ONE_THREAD, Measured, environment, run, run_often, worker
from benchmarks.settings import Settings

Results = dict[str, Any]
PEER_SCRIPTS = Path(__file__).resolve().parent / "peers"


def say(text: str) -> None:
    """Progress for a person who waits."""
    print(text, file=sys.stderr, flush=True)


def figures(done: Measured) -> Results:
    """A worker's answer with the cost of its whole process, or why there is none."""
    return {"skipped": done.reason} if done.code else {**done.answer, "process": done.cost()}


def tables(folder: Path, settings: Settings) -> Results:
    """Write the tables; without them nothing can be measured."""
    say("tables")
    done = worker("tables", str(folder), str(settings.million))
    if done.code:
        raise SystemExit(f"benchmarks: the tables could not be written: {done.reason}")
    return done.answer


def ours(folder: Path, settings: Settings) -> Results:
    """Every task of isoglot, each in a process of its own."""
    points, mixtures, million = (str(folder / f"{name}.csv") for name in ("points", "mixtures", "million"))
    plan = {
        "point": ("point", points, 0, settings.point_repeats),
        "full": ("full", points, settings.full_draws, settings.repeats),
        "draws": ("draws", points, settings.draws, settings.repeats),
        "least_squares_point": ("least_squares", points, 0, settings.point_repeats),
        "least_squares_draws": ("least_squares", points, settings.draws, settings.repeats),
        "pooled": ("pooled", str(folder / "languages.csv"), settings.full_draws, 1),
        "nuts": ("nuts", points, settings.nuts_draws, 1),
        "nuts_population": ("nuts", str(folder / "hierarchy.csv"), settings.nuts_draws, 1),
        "million": ("million", million, 0, 1),
        "mixture": ("mixture", mixtures, settings.mixture_draws, 1),
    }
    steps: dict[str, Callable[[], Results]] = {
        "help": lambda: commands.help_page(settings, folder),
        "plan": lambda: commands.plan(settings, folder),
        "plan_kept": lambda: commands.plan(settings, folder, keep=True),
        "plan_script": lambda: commands.script("plan", settings, folder),
        "cold": lambda: commands.cold_fit(settings, folder),
        "cold_kept": lambda: commands.cold_fit(settings, folder, keep=True),
        "cold_script": lambda: commands.script("cold", settings, folder),
    }
    out: Results = {}
    for name, step in steps.items():
        say(f"isoglot: {name}")
        out[name] = step()
    for name, task in plan.items():
        say(f"isoglot: {name}")
        out[name] = figures(worker("ours", *map(str, task)))
    return out


def scipy_reference(folder: Path, settings: Settings) -> Results:
    """The published procedure with SciPy alone."""
    say("SciPy: grid and refits")
    counts = (settings.grid_starts, settings.refits, settings.seed)
    return figures(worker("scipy_grid", str(folder / "points.csv"), *map(str, counts), variables=ONE_THREAD))


def peers(folder: Path, settings: Settings) -> Results:
    """The two packages, each in its own environment, or the reason why not."""
    return {
        "simple_scaling_laws": _peer(SIMPLE_SCALING_LAWS, _simple_scaling_laws, folder, settings),
        "chinchilla": _peer(CHINCHILLA, _chinchilla, folder, settings),
    }


def _peer(
    peer: Peer, measure: Callable[[Path, Settings], Results], folder: Path, settings: Settings
) -> Results:
    say(f"{peer.name}: environment")
    failure = prepare(peer)
    if failure:
        return {"skipped": failure}
    say(f"{peer.name}: fits")
    versions = environments.versions(peer, (peer.name, "numpy", "scipy"))
    return {"note": peer.note, "versions": versions, **measure(folder, settings)}


def _script(peer: Peer, *arguments: object) -> list[str]:
    name = f"run_{peer.name.replace('-', '_')}.py"
    return [str(peer.python), str(PEER_SCRIPTS / name), *map(str, arguments)]


def _variables() -> dict[str, str]:
    return environment({**ONE_THREAD, "MPLBACKEND": "Agg"}, ours=False)


def _simple_scaling_laws(folder: Path, settings: Settings) -> Results:
    warm = _script(SIMPLE_SCALING_LAWS, "points.csv", settings.draws, settings.repeats)
    cold = _script(SIMPLE_SCALING_LAWS, "points.csv", settings.full_draws, 0)
    out: Results = {"warm": figures(run(warm, variables=_variables(), folder=folder))}
    done, walls = run_often(cold, settings.cold_repeats, _variables, folder)
    out["cold"] = {"skipped": done.reason} if done.code else {**done.cost(), "walls_s": walls}
    return out


def _chinchilla(folder: Path, settings: Settings) -> Results:
    out: Results = {}
    for loss in ("log_huber", "default"):
        command = _script(CHINCHILLA, "points.csv", settings.chinchilla_grid, loss)
        out[loss] = figures(run(command, variables=_variables(), folder=folder))
    return out
