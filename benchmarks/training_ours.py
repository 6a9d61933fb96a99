"""Answers requests on stdin: `steps N` and `product SIZE REPEATS`, one JSON line each. Arguments: JSON of a size, threads."""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> None:
    """Bind to some CPUs, build the model, answer."""
    size, threads = json.loads(sys.argv[1]), int(sys.argv[2])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    from benchmarks.training_step import Stepper, Work, product_flops
    from isoglot.core.shapes import Shape

    batch, sequence = size.pop("batch"), size.pop("sequence")
    stepper = Stepper(Work(Shape(**size), batch, sequence))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        name, *numbers = line.split()
        cpu = time.process_time()
        if name == "product":
            found = {"flops_per_s": product_flops(*map(int, numbers))}
        else:
            seconds, loss = stepper.run(int(numbers[0]))
            found = {"seconds": seconds, "loss": loss}
        print(json.dumps({**found, "cpu_s": time.process_time() - cpu}), flush=True)


if __name__ == "__main__":
    main()
