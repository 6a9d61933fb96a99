"""A budget given as GPUs: peak, count, hours and the fraction of peak that training reaches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isoglot.core.errors import InputError, nearest
from isoglot.plan.number import is_amount

# Dense bf16 peak in FLOP/s, from the vendors' data sheets.
GPU_PEAK = {
    "V100": 125e12,  # fp16: the V100 has no bf16
    "A100": 312e12,
    "L40S": 362e12,
    "H100": 989e12,
    "H200": 989e12,
    "MI300X": 1307e12,
}


def gpu_flops(gpus: Mapping[str, Any]) -> float:
    """Training FLOPs of a table of GPUs: peak x count x seconds x mfu.

    >>> gpu_flops({"kind": "H100", "count": 8, "hours": 10, "mfu": 0.5})
    1.42416e+20
    """
    peak = GPU_PEAK[gpus["kind"]] if "kind" in gpus else float(gpus["peak"])
    return peak * float(gpus["count"]) * float(gpus["hours"]) * 3600 * float(gpus.get("mfu", 0.4))


def check_gpus(gpus: Any) -> None:
    """Raise InputError for a table of GPUs that is not complete or not sensible."""
    if not isinstance(gpus, Mapping):
        raise InputError(
            f"brief: gpus={gpus!r} is no table; give one such as {{kind='H100', count=64, hours=240, mfu=0.4}}"
        )
    known = ("kind", "peak", "count", "hours", "mfu")
    for key in gpus:
        if key not in known:
            raise InputError(
                f"brief: gpus has the field {key!r}{nearest(key, known)}; fields are {', '.join(known)}"
            )
    if "kind" in gpus and (not isinstance(gpus["kind"], str) or gpus["kind"] not in GPU_PEAK):
        options = ", ".join(GPU_PEAK)
        raise InputError(
            f"brief: gpu kind {gpus['kind']!r} is unknown{nearest(str(gpus['kind']), GPU_PEAK)}; use {options}, or give peak in FLOP/s"
        )
    if ("kind" in gpus) == ("peak" in gpus) or "count" not in gpus or "hours" not in gpus:
        raise InputError(
            "brief: gpus needs count, hours and either kind or peak, such as {kind='H100', count=64, hours=240, mfu=0.4}"
        )
    for key in ("peak", "count", "hours", "mfu"):
        if key in gpus and not is_amount(gpus[key]):
            raise InputError(f"brief: gpus has {key}={gpus[key]!r}; give a positive number")
    if float(gpus.get("mfu", 0.4)) > 1:
        raise InputError(f"brief: gpus has mfu={gpus['mfu']!r}; give the fraction of peak, such as 0.4")
