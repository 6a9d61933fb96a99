"""The bars that the project set itself beside the figures of this run: met, missed or not measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MEMORY_MB = 2000.0


@dataclass(frozen=True)
class Bar:
    """One bar: what, the limit, the figure, and whether a larger figure is better."""

    what: str
    limit: float
    unit: str
    figure: float | None
    at_least: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """`met`, `missed` or `not measured`."""
        if self.figure is None:
            return "not measured"
        met = self.figure >= self.limit if self.at_least else self.figure <= self.limit
        return "met" if met else "missed"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "what": self.what,
            "limit": f"{'>=' if self.at_least else '<='} {self.limit:g} {self.unit}",
            "figure": self.figure,
            "unit": self.unit,
            "verdict": self.verdict,
            "note": self.note,
        }


def bars(results: dict[str, Any]) -> list[Bar]:
    """All bars, in the order of the report."""
    ours, settings = results["ours"], results["settings"]
    million = ours["million"].get("process", {})
    draws = f"{settings['draws']:,} draws"
    mixture = f"two_share, 7 domains, 1,748 checkpoints, {settings['mixture_draws']:,} draws, checks"
    cold = f"{settings['full_draws']:,} draws, checks"
    rows = ours["mixture"].get("rows")
    evaluations = f"{rows:,} evaluations, 7 separate fits, first use in its process" if rows else ""
    imported = f"import of {settings['million']:,} rows"
    return [
        _bar("robust fit of 240 points, warm", 0.1, ours["point"]),
        _bar(f"{draws}, each also from a second basin, warm", 3.0, ours["draws"], _restarted(ours["draws"])),
        _ratio(results, f"{draws} against simple-scaling-laws' least-squares draws"),
        _fresh(f"cold fit of 240 points, {cold}, empty cache", 6.0, ours, "cold", "isoglot fit"),
        _bar("the same with the programs of an earlier command kept", 6.0, ours["cold_kept"]),
        _bar(mixture, 60.0, ours["mixture"], evaluations),
        _bar(
            "partial pooling of every language by family, posterior draws",
            20.0,
            ours["pooled"],
            _state(ours["pooled"]),
        ),
        _bar("NUTS, 240 points, 4 chains", 60.0, ours["nuts"], _state(ours["nuts"])),
        _bar(
            "NUTS, 20 languages in 4 families", 60.0, ours["nuts_population"], _state(ours["nuts_population"])
        ),
        Bar(f"{imported} (whole process)", 10.0, "s", million.get("wall_s")),
        Bar(f"{imported}, peak memory", MEMORY_MB, "MB", million.get("peak_mb")),
        _memory(ours),
        _bar("isoglot --help", 0.3, ours["help"]),
        _fresh("plan from published laws, empty cache", 2.0, ours, "plan", "isoglot plan"),
        _bar("the same with the programs of an earlier command kept", 2.0, ours["plan_kept"]),
    ]


def _bar(what: str, limit: float, found: dict[str, Any], note: str = "") -> Bar:
    return Bar(what, limit, "s", found.get("wall_s"), note=found.get("skipped", note))


def _fresh(what: str, limit: float, ours: dict[str, Any], name: str, command: str) -> Bar:
    """A fresh process: by the command where it exists, else by a script that does the same."""
    if "skipped" not in ours[name]:
        return _bar(what, limit, ours[name], f"`{command}`")
    return _bar(what, limit, ours[f"{name}_script"], f"by a script; `{command}`: {ours[name]['skipped']}")


def _state(found: dict[str, Any]) -> str:
    """What the sampler or the population says of itself."""
    keys = ("status", "languages", "divergences", "r_hat", "effective_samples")
    return ", ".join(
        f"{key.replace('_', ' ')} {found[key]:.4g}"
        if isinstance(found[key], float)
        else f"{key} {found[key]}"
        for key in keys
        if key in found
    )


def _restarted(found: dict[str, Any]) -> str:
    starts = found.get("starts", {})
    key = "draws restarted from a second basin"
    return f"{starts[key]:,} of {starts['draws']:,} restarted" if key in starts else ""


def _ratio(results: dict[str, Any], what: str) -> Bar:
    """Their draws alone over our fit and draws together.

    Their draws are their fit less their fit with one draw, in CPU seconds: they run on one core, so that is
    their wall time on an idle machine, and other programs cannot make it longer.
    """
    limit = 5.0
    peer, ours = results["peers"]["simple_scaling_laws"], results["ours"]["draws"]
    warm = peer.get("warm", peer)
    for found in (warm, ours):
        if "skipped" in found:
            return Bar(what, limit, "times faster", None, True, found["skipped"])
    wall, cpu = (warm["draws"][key] - warm["point"][key] for key in ("wall_s", "cpu_s"))
    pairs = f"wall over wall {wall / ours['wall_s']:.1f}, CPU over CPU {cpu / ours['cpu_s']:.1f}"
    note = f"their CPU seconds over isoglot's wall seconds; {pairs}"
    return Bar(what, limit, "times faster", cpu / ours["wall_s"], True, note)


def _memory(ours: dict[str, Any]) -> Bar:
    peaks = {name: found.get("process", found).get("peak_mb") for name, found in ours.items()}
    known = {name: peak for name, peak in peaks.items() if peak}
    if not known:
        return Bar("peak memory, the largest of all tasks", MEMORY_MB, "MB", None)
    worst = max(known, key=lambda name: known[name])
    return Bar("peak memory, the largest of all tasks", MEMORY_MB, "MB", known[worst], note=f"task: {worst}")
