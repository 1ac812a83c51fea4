"""Records the device of a run and torch's precision switches, and carries the switches to worker processes."""

from typing import Any

import torch

from stormbench.benchmarks.results.settings import DeviceRecord

Switches = dict[str, str]

# Under which name a pickled task carries them.
SWITCHES = "precision switches"


def device_record(device: str) -> DeviceRecord:
    """The kind of a device and how precisely torch multiplies and convolves float32 numbers on it.

    Example:
        >>> device_record("cpu").matmul
        'ieee'
    """
    kind = torch.device(device).type
    backend = "cuda" if kind == "cuda" else "cpu"
    switches = precision_switches()
    return DeviceRecord(kind=kind, matmul=switches[f"{backend}.matmul"], conv=switches[f"{backend}.conv"])


def precision_switches() -> Switches:
    """The switches of this process: ``ieee`` (full precision), ``tf32`` or ``bf16`` for each operation."""
    found = {name: str(switch.fp32_precision) for name, switch in _switches().items()}
    return {name: "ieee" if value == "none" else value for name, value in found.items()}


def set_precision_switches(wanted: Switches) -> None:
    """Sets the switches of this process to those of another."""
    now = precision_switches()
    for name, switch in _switches().items():
        if now[name] != wanted[name]:
            switch.fp32_precision = wanted[name]


def _switches() -> dict[str, Any]:
    backends: Any = torch.backends  # torch's stubs lack the switches
    return {
        "cpu.matmul": backends.mkldnn.matmul,
        "cpu.conv": backends.mkldnn.conv,
        "cuda.matmul": backends.cuda.matmul,
        "cuda.conv": backends.cudnn.conv,
    }
