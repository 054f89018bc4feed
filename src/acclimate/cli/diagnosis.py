"""The facts and findings behind ``acclimate doctor``."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from acclimate.cli.environment import DEFAULTS
from acclimate.core.errors import DataError

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "lightning-fabric",
    "torchvision",
    "timm",
    "pillow",
)
OPTIONAL = ("pandas", "pyarrow", "onnxruntime", "optuna", "wandb", "mlflow")
GIB = 2**30
FREE_DISK_GIB = 2.0


def versions() -> dict[str, str | None]:
    """Versions of acclimate, Python and the libraries; ``None`` for an optional one not there."""
    from acclimate import __version__

    found: dict[str, str | None] = {"acclimate": __version__, "python": platform.python_version()}
    for package in (*PACKAGES, *OPTIONAL):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    found["cuda (torch)"] = _torch_cuda()
    return found


def machine() -> dict[str, Any]:
    """Platform, processor, cores that this process may use, memory and load."""
    import psutil

    memory = psutil.virtual_memory()
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": psutil.cpu_count(logical=False),
        "logical_cores": psutil.cpu_count(),
        "usable_cores": usable_cores(),
        "memory_gib": memory.total / GIB,
        "memory_free_gib": memory.available / GIB,
        "memory_limit_gib": _memory_limit_gib(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def devices() -> list[dict[str, Any]]:
    """The CPU and every accelerator that torch can use."""
    import torch

    found: list[dict[str, Any]] = [{"name": "cpu", "kind": _processor(), "memory_gib": None}]
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            memory = properties.total_memory / GIB
            found.append({"name": f"cuda:{index}", "kind": properties.name, "memory_gib": memory})
    if torch.backends.mps.is_available():
        found.append({"name": "mps", "kind": "Apple GPU", "memory_gib": None})
    return found


def threads() -> dict[str, Any]:
    """How many threads torch uses and whether they spin while they wait."""
    import torch

    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "GOMP_SPINCOUNT", *DEFAULTS)
    return {
        "torch_threads": torch.get_num_threads(),
        "torch_interop_threads": torch.get_num_interop_threads(),
        **{name: os.environ.get(name) for name in names},
    }


def data() -> dict[str, Any]:
    """Where data is looked for and which registered splits can be used without a download."""
    from acclimate.data import datasets
    from acclimate.data.files import cache_folder

    cache = cache_folder()
    free = shutil.disk_usage(_existing(cache)).free / GIB
    return {
        "ACCLIMATE_DATA": os.environ.get("ACCLIMATE_DATA"),
        "cache": str(cache),
        "cache_free_gib": free,
        "sets": {name: _availability(dataset) for name, dataset in datasets.items()},
    }


def findings(result: Mapping[str, Any]) -> list[dict[str, str]]:
    """What stands in the way, each with what to do about it."""
    parts = (_thread_findings(result), _data_findings(result), _device_findings(result))
    return [{"what": what, "advice": advice} for part in parts for what, advice in part]


def usable_cores() -> float:
    """Cores this process may use: its affinity, and a container's quota."""
    cores: float = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    quota, _, period = _first_line(Path("/sys/fs/cgroup/cpu.max")).partition(" ")
    return min(cores, int(quota) / int(period)) if quota.isdigit() else cores


def _thread_findings(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    settings, cores = result["threads"], result["machine"]["usable_cores"]
    policy = (settings["OMP_WAIT_POLICY"] or "").upper()
    if policy != "PASSIVE":
        yield (
            f"OMP_WAIT_POLICY is {policy or 'not set'}, so idle threads spin",
            "on a busy machine this costs up to 6 times; unset it or set it to PASSIVE",
        )
    if settings["torch_threads"] > cores:
        yield (
            f"torch uses {settings['torch_threads']} threads on {cores:g} usable cores",
            f"set OMP_NUM_THREADS={max(1, int(cores))}",
        )
    load = result["machine"]["load"]
    if load is not None and load > 1.5 * cores:
        yield f"other work loads this machine ({load:.1f} on {cores:g} cores)", "timings will vary"


def _data_findings(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    folder = result["data"]["ACCLIMATE_DATA"]
    if folder and not Path(folder).expanduser().is_dir():
        yield f"ACCLIMATE_DATA names {folder}, which is no folder", "correct it or unset it"
    free = result["data"]["cache_free_gib"]
    if free < FREE_DISK_GIB:
        yield (
            f"only {free:.1f} GiB free for {result['data']['cache']}",
            "free some, or set ACCLIMATE_CACHE to another disk",
        )


def _device_findings(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    accelerated = any(device["name"].startswith("cuda") for device in result["devices"])
    if shutil.which("nvidia-smi") and not accelerated:
        yield (
            "there is an NVIDIA driver, but torch sees no GPU",
            "install a CUDA build of torch that fits the driver (pytorch.org)",
        )


def _availability(dataset: Any) -> dict[str, str]:
    try:
        return {
            split: "ready" if dataset.is_available(split) else "to fetch"
            for split in dataset.splits
        }
    except DataError as error:
        return dict.fromkeys(dataset.splits, f"unusable: {error}")


def _torch_cuda() -> str | None:
    import torch

    return torch.version.cuda


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_limit_gib() -> float | None:
    limit = _first_line(Path("/sys/fs/cgroup/memory.max"))
    return int(limit) / GIB if limit.isdigit() else None


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").split("\n", 1)[0]
    except OSError:
        return ""


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())
