"""Training speed on a CPU beside the same model in plain eager PyTorch.

Both processes live at the same time and work in turns, A B A B ..., so that a machine that slows down slows both; what
other programs took of it meanwhile is reported. Figures are medians over rounds.

    python -m benchmarks.training           # writes training.json and TRAINING.md
    python -m benchmarks.training --quick   # one tiny model, prints, writes nothing

PyTorch has an environment of its own, made on the first run unless `--python` names one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import environments, machine
from benchmarks.measure import ROOT, busy_seconds, environment
from benchmarks.report import number, table
from isoglot.core.flops import flops_per_token
from isoglot.core.shapes import Shape, count_parameters

HERE = Path(__file__).resolve().parent
TORCH = environments.Peer("torch", "2.13.0")
THREADS = 2
ROUNDS, STEPS, PRODUCT = 9, 4, (2048, 8)
# isoglot's tokens a second over PyTorch's; below 1 it is slower.
FLOOR, AIM = 0.85, 1.0
BUSY = 0.1
SIZES: dict[str, dict[str, int]] = {
    "2M": dict(layers=4, width=128, ffn=384, heads=4, head_width=32, vocabulary=8192, batch=16, sequence=256),
    "7M": dict(layers=6, width=256, ffn=768, heads=8, head_width=32, vocabulary=8192, batch=8, sequence=256),
}
TINY = {
    "tiny": dict(layers=1, width=32, ffn=96, heads=1, head_width=32, vocabulary=512, batch=2, sequence=64)
}


class Worker:
    """A process that answers requests, one line each."""

    def __init__(self, command: list[str], variables: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables, cwd=ROOT
        )
        self.ready = self._answer()

    def ask(self, request: str) -> dict[str, Any]:
        """One request and its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(request + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End of requests ends the process."""
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a worker ended with exit code {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found


def compared(
    size: dict[str, int], python: str, rounds: int, steps: int, product: tuple[int, int]
) -> dict[str, Any]:
    """Both implementations of one size, in turns."""
    text, threads = json.dumps(size), str(THREADS)
    script = str(HERE / "peers" / "run_torch_training.py")
    workers = {
        "isoglot": Worker([sys.executable, "-m", "benchmarks.training_ours", text, threads], environment()),
        "torch": Worker([python, script, text, threads], environment(ours=False)),
    }
    for worker in workers.values():
        worker.ask("steps 2")
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in workers}
    ceilings: dict[str, list[float]] = {name: [] for name in workers}
    began, busy = time.perf_counter(), busy_seconds()
    cpu = 0.0
    for _ in range(rounds):
        for name, worker in workers.items():
            answers[name].append(worker.ask(f"steps {steps}"))
            reached = worker.ask(f"product {product[0]} {product[1]}")
            ceilings[name].append(reached["flops_per_s"])
            cpu += answers[name][-1]["cpu_s"] + reached["cpu_s"]
    wall, ended = time.perf_counter() - began, busy_seconds()
    for worker in workers.values():
        worker.close()
    found = {name: speed(size, steps, answers[name], ceilings[name]) for name in workers}
    pairs = zip(answers["torch"], answers["isoglot"], strict=True)
    return {
        "size": size,
        "params": count_parameters(shape_of(size), "total"),
        "others_cpus": None if busy is None or ended is None else max(ended - busy - cpu, 0.0) / wall,
        "torch_version": workers["torch"].ready["version"],
        "ratio": statistics.median(theirs["seconds"] / ours["seconds"] for theirs, ours in pairs),
        **found,
    }


def shape_of(size: dict[str, int]) -> Shape:
    """The shape without its batch."""
    return Shape(**{name: value for name, value in size.items() if name not in ("batch", "sequence")})


def speed(
    size: dict[str, int], steps: int, rounds: list[dict[str, Any]], ceilings: list[float]
) -> dict[str, Any]:
    """Tokens a second, and the share of the float32 product's speed that a step reaches."""
    tokens = size["batch"] * size["sequence"]
    per_second = [steps * tokens / one["seconds"] for one in rounds]
    middle, ceiling = statistics.median(per_second), statistics.median(ceilings)
    flops = middle * flops_per_token(shape_of(size), "with_attention", size["sequence"])
    return {
        "tokens_per_s": middle,
        "all_tokens_per_s": per_second,
        "flops_per_s": flops,
        "product_flops_per_s": ceiling,
        "share_of_product": flops / ceiling,
        "loss": rounds[-1]["loss"],
    }


def markdown(results: dict[str, Any]) -> str:
    """The report."""
    about = results["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in about["libraries"].items())
    worst = max((one["others_cpus"] or 0.0) for one in results["sizes"].values())
    quiet = (
        "The machine was quiet: other programs took less than a tenth of a CPU"
        if worst < BUSY
        else f"**The machine was not quiet**: other programs took up to {worst:.1f} CPUs; do not trust these figures"
    )
    versions = {one["torch_version"] for one in results["sizes"].values()}
    rows, bars = [], []
    for name, one in results["sizes"].items():
        for tool in ("isoglot", "torch"):
            found = one[tool]
            cells = [number(found["tokens_per_s"]), number(found["flops_per_s"] / 1e9)]
            ceiling = [number(found["product_flops_per_s"] / 1e9), f"{found['share_of_product']:.0%}"]
            rows.append([name, f"{one['params']:,}", tool, *cells, *ceiling, f"{found['loss']:.2f}"])
        verdict = "aim met" if one["ratio"] >= AIM else "floor met" if one["ratio"] >= FLOOR else "missed"
        what = f"tokens a second over PyTorch's, {name}"
        bars.append([what, f">= {FLOOR:g}, aim {AIM:g}", f"{one['ratio']:.2f}", f"**{verdict}**"])
    head = ["size", "parameters", "tool", "tokens/s", "GFLOP/s", "product GFLOP/s", "share", "last loss"]
    lines = [
        "# Training on a CPU",
        "",
        "Generated by `python -m benchmarks.training`; do not edit.",
        "",
        f"- {about['date']}; {about['cpus']} CPUs, {about['architecture']}; {THREADS} threads each, float32",
        f"- {quiet}",
        f"- Python {about['python']}; {libraries}; torch {', '.join(sorted(versions))}",
        "",
        table(["what", "bar", "this run", "verdict"], bars),
        "",
        "The peer is plain eager PyTorch with its fused attention, not `torch.compile`. Each runs whole updates",
        "(forward, backward, clipping, AdamW) on one batch of random ids; rounds alternate, figures are medians,",
        "and the ratio is the median over pairs of rounds. FLOPs: 6 N + 6 s a L a token, N with the head and",
        "without the input table. The product is the framework's own of two float32 matrices of 2048 x 2048.",
        "",
        table(head, rows),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Parse the options, measure, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description="Time training steps.")
    parser.add_argument("--python", help="interpreter of an environment with PyTorch")
    parser.add_argument("--quick", action="store_true", help="a tiny model; print, write nothing")
    options = parser.parse_args()
    python = options.python
    if python is None:
        reason = environments.prepare(TORCH)
        if reason:
            raise SystemExit(f"PyTorch {reason}")
        python = str(TORCH.python)
    results: dict[str, Any] = {"machine": machine.described(), "sizes": {}}
    rounds, steps, product = (3, 2, (256, 4)) if options.quick else (ROUNDS, STEPS, PRODUCT)
    for name, size in (TINY if options.quick else SIZES).items():
        results["sizes"][name] = compared(size, python, rounds, steps, product)
    print(markdown(results))
    if not options.quick:
        (HERE / "training.json").write_text(json.dumps(results, indent=1) + "\n")
        (HERE / "TRAINING.md").write_text(markdown(results))


if __name__ == "__main__":
    main()
