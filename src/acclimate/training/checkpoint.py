"""Checkpoints: one safetensors file each, whole or not there, and never a pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from acclimate.core.errors import RunError
from acclimate.core.files import replace_atomically

_KEPT = 2
_PATTERN = "step-*.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """``tensors``: weights and optimiser state by name; ``notes``: what else has to survive, as JSON."""

    step: int
    tensors: dict[str, Tensor]
    notes: dict[str, Any]


def checkpoint_folder(run: Path) -> Path:
    return run / "checkpoints"


def save_checkpoint(
    run: Path,
    step_done: int,
    step: nn.Module,
    optimiser: torch.optim.Optimizer,
    notes: dict[str, Any],
) -> Path:
    """Write the state after ``step_done`` steps, then remove all but the last two files."""
    tensors = {f"step.{name}": value for name, value in step.state_dict().items()}
    state = optimiser.state_dict()
    for index, entries in state["state"].items():
        for key, value in entries.items():
            if value is not None:
                tensors[f"optimiser.{index}.{key}"] = torch.as_tensor(value)
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    folder = checkpoint_folder(run)
    path = folder / f"step-{step_done:08d}.safetensors"
    with replace_atomically(path) as temporary:
        save_file(tensors, temporary, {"step": str(step_done), "notes": json.dumps(notes)})
    for old in sorted(folder.glob(_PATTERN))[:-_KEPT]:
        old.unlink(missing_ok=True)
    return path


def has_checkpoint(run: Path) -> bool:
    """Whether there is a checkpoint file, readable or not."""
    return any(checkpoint_folder(run).glob(_PATTERN))


def latest_checkpoint(run: Path) -> Checkpoint | None:
    """The newest checkpoint that can be read, or ``None`` if there is none.

    Raises ``RunError`` when there are checkpoint files and none can be read.
    """
    paths = sorted(checkpoint_folder(run).glob(_PATTERN), reverse=True)
    failures = []
    for path in paths:
        try:
            return _read(path)
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            failures.append(f"{path.name}: {error}")
    if failures:
        raise RunError(f"{run}: no checkpoint can be read ({'; '.join(failures)}); start a new run")
    return None


def _read(path: Path) -> Checkpoint:
    with safe_open(path, framework="pt") as file:
        notes = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    return Checkpoint(int(notes["step"]), tensors, json.loads(notes["notes"]))


def restore(checkpoint: Checkpoint, step: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Put weights and optimiser state back, bit for bit."""
    prefix = "step."
    step.load_state_dict(
        {n.removeprefix(prefix): t for n, t in checkpoint.tensors.items() if n.startswith(prefix)}
    )
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in checkpoint.tensors.items():
        if name.startswith("optimiser."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = tensor
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
