"""Training on one GPU: model FLOP utilisation of a large model, and packs of small models against one after another.

    python -m benchmarks.training_gpu           # writes training_gpu.json and TRAINING_GPU.md; needs a GPU
    python -m benchmarks.training_gpu --toy     # the same logic at toy sizes on any machine; prints, writes nothing

Utilisation is 6 N + 6 s a L FLOPs a token (N with the head, without the input table) x tokens a second over the GPU's
dense bfloat16 peak; recomputed activations do not count as work. The peak is its maker's figure where the kind is
known, else `--peak`; the product of two large matrices is measured beside it.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax

from benchmarks import machine
from benchmarks.report import number, table
from benchmarks.training_step import Stepper, Work, product_flops
from isoglot.core.shapes import Shape, count_parameters

HERE = Path(__file__).resolve().parent
# Dense bfloat16 FLOP/s without sparsity, from the makers' data sheets; the first name that a device's kind holds.
PEAKS = {
    "H200 NVL": 835.5e12,
    "H200": 989.4e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835.5e12,
    "H100": 989.4e12,
    "A100": 312e12,
    "L40S": 362e12,
    "A10G": 70e12,
    "L4": 121e12,
}
UTILISATION_BAR, PACK_BAR = 0.50, 3.0
ROUNDS = 5
LARGE = {
    "0.5B": Work(Shape(24, 1280, 3456, 20, 64, 32_768), 16, 2048, "bfloat16"),
    "1.1B": Work(Shape(24, 1920, 5120, 30, 64, 32_768), 16, 2048, "bfloat16", remat=True),
}
SMALL = {
    "2M": Work(Shape(4, 128, 384, 4, 32, 8192), 16, 256, "bfloat16"),
    "7M": Work(Shape(6, 256, 768, 8, 32, 8192), 16, 256, "bfloat16"),
}
PACKS = (1, 2, 4, 8, 16, 32)
TOY_LARGE = {"toy": Work(Shape(2, 64, 192, 2, 32, 512), 2, 64, "bfloat16")}
TOY_SMALL = {"toy": Work(Shape(1, 32, 96, 1, 32, 256), 2, 32)}
TOY_PACKS = (1, 3)


def measured(work: Work, steps: int) -> dict[str, Any]:
    """Tokens and FLOPs a second, medians over rounds, or why the work could not be done."""
    try:
        stepper = Stepper(work)
        stepper.run(2)
        rounds = [stepper.run(steps) for _ in range(ROUNDS)]
    except jax.errors.JaxRuntimeError as error:
        # A pack that does not fit is a finding; any other failure is not.
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return {"skipped": "out of the device's memory"}
    seconds = statistics.median(one for one, _ in rounds) / steps
    return {
        "seconds_a_step": seconds,
        "tokens_per_s": work.tokens / seconds,
        "flops_per_s": work.flops / seconds,
        "loss": rounds[-1][1],
        "rounds": [one for one, _ in rounds],
    }


def large(works: dict[str, Work], steps: int, peak: float | None) -> dict[str, Any]:
    """Utilisation by model."""
    found = {}
    for name, work in works.items():
        one = {"params": count_parameters(work.shape, "total"), "work": asdict(work), **measured(work, steps)}
        if peak is not None and "flops_per_s" in one:
            one["utilisation"] = one["flops_per_s"] / peak
        found[name] = one
    return found


def packs(works: dict[str, Work], sizes: tuple[int, ...], steps: int) -> dict[str, Any]:
    """Throughput of packs by model and runs a pack; `gain` is over one run after another."""
    found: dict[str, Any] = {}
    for name, work in works.items():
        rows = {runs: measured(replace(work, runs=runs), steps) for runs in sizes}
        alone = rows[1]["tokens_per_s"]
        for row in rows.values():
            if "tokens_per_s" in row:
                row["gain"] = row["tokens_per_s"] / alone
        found[name] = {"params": count_parameters(work.shape, "total"), "work": asdict(work), "packs": rows}
    return found


def peak_of(kind: str, given: float | None) -> float | None:
    """Peak FLOP/s of a kind of device, if it is known."""
    if given is not None:
        return given * 1e12
    return next((peak for name, peak in PEAKS.items() if name in kind), None)


def markdown(results: dict[str, Any]) -> str:
    """The report."""
    about, peak = results["machine"], results["peak_flops_per_s"]
    rows, bars = [], []
    for name, one in results["large"].items():
        if "skipped" in one:
            rows.append([name, f"{one['params']:,}", one["skipped"], "-", "-"])
            continue
        share = f"{one['utilisation']:.1%}" if "utilisation" in one else "-"
        cells = [number(one["tokens_per_s"]), number(one["flops_per_s"] / 1e12), share]
        rows.append([name, f"{one['params']:,}", *cells])
        if "utilisation" in one:
            verdict = "met" if one["utilisation"] >= UTILISATION_BAR else "missed"
            bars.append(
                [f"model FLOP utilisation, {name}", f">= {UTILISATION_BAR:.0%}", share, f"**{verdict}**"]
            )
    pack_rows = []
    for name, one in results["packs"].items():
        for runs, row in one["packs"].items():
            figures = (
                ["-", row["skipped"]]
                if "skipped" in row
                else [number(row["tokens_per_s"]), f"{row['gain']:.2f}"]
            )
            pack_rows.append([name, f"{one['params']:,}", str(runs), *figures])
        best = max(row.get("gain", 0.0) for row in one["packs"].values())
        verdict = "met" if best >= PACK_BAR else "missed"
        bars.append(
            [f"best pack over one by one, {name}", f">= {PACK_BAR:g} times", f"{best:.2f}", f"**{verdict}**"]
        )
    libraries = ", ".join(f"{name} {version}" for name, version in about["libraries"].items())
    told = "unknown; no utilisation" if peak is None else f"{peak / 1e12:g} TFLOP/s"
    lines = [
        "# Training on a GPU",
        "",
        "Generated by `python -m benchmarks.training_gpu`; do not edit.",
        "",
        f"- {about['date']}; one {results['device']}; Python {about['python']}; {libraries}",
        f"- Dense bfloat16 peak: {told}; product of two large matrices: "
        f"{number(results['product_flops_per_s'] / 1e12)} TFLOP/s",
        "",
        table(["what", "bar", "this run", "verdict"], bars),
        "",
        table(["model", "parameters", "tokens/s", "TFLOP/s", "utilisation"], rows),
        "",
        table(["model", "parameters", "runs a pack", "tokens/s of all", "over one by one"], pack_rows),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_gpu", description="Time a GPU.")
    parser.add_argument("--toy", action="store_true", help="toy sizes on any machine; print, write nothing")
    parser.add_argument("--peak", type=float, help="the device's dense bfloat16 peak in TFLOP/s")
    parser.add_argument("--to", type=Path, default=HERE, metavar="FOLDER", help="where the report goes")
    options = parser.parse_args()
    if not options.toy and jax.default_backend() != "gpu":
        raise SystemExit("no GPU is visible to JAX: install jax[cuda13] or jax[cuda12], or try --toy")
    kind = jax.devices()[0].device_kind
    peak = peak_of(kind, options.peak)
    steps, product = (2, (256, 4)) if options.toy else (10, (8192, 20))
    results = {
        "machine": machine.described(),
        "device": kind,
        "peak_flops_per_s": peak,
        "product_flops_per_s": product_flops(*product, "bfloat16"),
        "large": large(TOY_LARGE if options.toy else LARGE, steps, peak),
        "packs": packs(
            TOY_SMALL if options.toy else SMALL, TOY_PACKS if options.toy else PACKS, 2 if options.toy else 50
        ),
    }
    print(markdown(results))
    if not options.toy:
        (options.to / "training_gpu.json").write_text(json.dumps(results, indent=1) + "\n")
        (options.to / "TRAINING_GPU.md").write_text(markdown(results))


if __name__ == "__main__":
    main()
