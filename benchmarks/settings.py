"""How much work a run of the benchmarks does: the full run, and a quick one to try the harness."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Counts of draws, repeats and starts; times are medians over repeats."""

    draws: int = 4000  # the comparison of bootstraps
    full_draws: int = 1000  # a fit as a user runs it
    mixture_draws: int = 500  # two_share, by language
    nuts_draws: int = 500  # a chain, of four
    point_repeats: int = 15
    repeats: int = 5
    cold_repeats: int = 3
    million: int = 1_000_000
    grid_starts: int = 90  # of the 4,500 of Hoffmann's grid
    refits: int = 40  # single-start BFGS refits
    chinchilla_grid: int = 3  # values on each of the five axes
    seed: int = 0


FULL = Settings()
QUICK = Settings(
    draws=200,
    full_draws=100,
    mixture_draws=4,
    nuts_draws=20,
    point_repeats=3,
    repeats=1,
    cold_repeats=1,
    million=20_000,
    grid_starts=6,
    refits=4,
    chinchilla_grid=1,
)
