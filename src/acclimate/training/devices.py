"""Devices, precision and processes, by Lightning Fabric."""

from __future__ import annotations

import ctypes
import logging
import platform
import resource
import sys
import warnings
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

import acclimate
from acclimate.algorithms import combination
from acclimate.core.errors import ConfigurationError
from acclimate.core.records import Environment
from acclimate.training.process_group import Launcher
from acclimate.training.settings import FitSettings

_PRECISIONS: dict[str, Any] = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def make_fabric(settings: FitSettings) -> Fabric:
    """A launched-by-the-caller Fabric for the settings; a device that is not there is an error."""
    accelerator = _accelerator(settings.device)
    precision = settled_precision(settings.precision, accelerator)
    if precision == "16" and accelerator == "cpu":
        raise ConfigurationError("precision 16 needs a GPU; on the CPU choose 32 or bf16")
    nodes = getattr(settings, "nodes", 1)
    if getattr(settings, "strategy", "auto") == "fsdp":
        raise ConfigurationError(
            "--strategy fsdp is not supported: the weight average and the evaluations of one process "
            "need whole weights; give --strategy ddp"
        )
    strategy: Any = "auto"
    if settings.devices * nodes > 1:
        algorithm = combination.make(settings.algorithm, settings.algorithm_options)
        strategy = _strategy(accelerator, settings.devices, len(algorithm.phases) > 1)
    return connected(accelerator, settings.devices, nodes, strategy, _PRECISIONS[precision])


def inference_fabric(device: str, devices: int) -> Fabric:
    """A launched-by-the-caller Fabric of so many processes, for looking at data with a trained model."""
    accelerator = _accelerator(device)
    strategy: Any = _strategy(accelerator, devices, False) if devices > 1 else "auto"
    return connected(accelerator, devices, 1, strategy)


def connected(
    accelerator: str, devices: int, nodes: int, strategy: Any, precision: Any = "32-true"
) -> Fabric:
    """The Fabric of these, with what it says of itself kept quiet."""
    # it announces precision and processes, on standard error and for every run
    for name in ("lightning_fabric", "lightning_fabric.utilities.rank_zero", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return Fabric(
                accelerator=accelerator,
                devices=devices,
                num_nodes=nodes,
                strategy=strategy,
                precision=precision,
            )
        except RuntimeError as error:
            if "SLURM" not in str(error):
                raise
            raise ConfigurationError(
                "SLURM was asked for --ntasks; ask for --ntasks-per-node, and give acclimate as many "
                "--devices, and as many --nodes as there are"
            ) from error


class _DataParallel(DDPStrategy):
    """Fabric's, whose processes of one machine end together; see ``process_group``."""

    def _configure_launcher(self) -> None:
        environment = self.cluster_environment
        assert environment is not None
        self._launcher = Launcher(environment, self.num_processes, self.num_nodes)


def _strategy(accelerator: str, devices: int, phases: bool) -> DDPStrategy:
    if accelerator == "mps":
        raise ConfigurationError("several --devices need CUDA or the CPU; give --device cpu")
    if accelerator == "cuda" and devices > torch.cuda.device_count():
        raise ConfigurationError(
            f"--devices {devices}: {torch.cuda.device_count()} GPUs were found here; give as many or fewer"
        )
    # a phase in which the network rests leaves its parameters without a gradient
    return _DataParallel(find_unused_parameters=phases)


def _accelerator(device: str) -> str:
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if available[name])
    if device not in available:
        raise ConfigurationError(f"unknown device {device!r}; choose auto, cpu, cuda or mps")
    if not available[device]:
        raise ConfigurationError(f"no {device} device was found here; choose --device cpu or auto")
    return device


def settled_precision(precision: str, accelerator: str) -> str:
    """``auto`` is bf16 where the processor computes with it, else 32."""
    if precision != "auto":
        return precision
    return "bf16" if computes_bf16(accelerator) else "32"


def computes_bf16(accelerator: str) -> bool:
    """Whether the processor multiplies matrices in bfloat16 itself, so that it is faster than float32."""
    if accelerator == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if accelerator == "cpu":
        # the questions are torch's own but not public; without them the answer is no
        names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, name, bool)() for name in names)
    return False


def describe_environment(fabric: Fabric, settings: FitSettings) -> Environment:
    """Versions and hardware, for the record."""
    device = fabric.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return Environment(
        acclimate=acclimate.__version__,
        python=platform.python_version(),
        torch=torch.__version__,
        platform=platform.platform(),
        processor=processor_name(),
        device=name,
        precision=settled_precision(settings.precision, device.type),
        threads=torch.get_num_threads(),
        world_size=fabric.world_size,
    )


def processor_name() -> str:
    """What the processor calls itself."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def keep_freed_memory() -> None:
    """Ask the C library to keep freed blocks instead of returning them to the system.

    Activations of a step are tens of megabytes; handing them back and faulting them in again on
    every step was measured at 5 to 10 % of a CPU step. Only glibc has the call.
    """
    if sys.platform != "linux":
        return
    try:
        library: Any = ctypes.CDLL("libc.so.6")
        map_threshold, trim_threshold = -3, -1
        library.mallopt(map_threshold, 256 << 20)
        library.mallopt(trim_threshold, 512 << 20)
    except (OSError, AttributeError):
        return


def peak_memory_mib() -> float:
    """The largest resident size of this process so far, in MiB."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / (1 << 20 if sys.platform == "darwin" else 1 << 10)
