"""Trains a step on two processes by gloo; writes what each rank ends with. Run by ``test_processes.py``."""

import sys
from pathlib import Path

import torch
from lightning_fabric import Fabric
from safetensors.torch import save_file

from acclimate.algorithms import algorithms
from acclimate.core.types import Spec
from acclimate.models.network import build_network
from acclimate.training.loop import train
from acclimate.training.optimisers import make_optimiser, set_learning_rate
from acclimate.training.settings import make_settings
from acclimate.training.step import Step

SETTINGS = make_settings(source="-", target="-", optimiser="sgd", learning_rate=0.02)
SPEC = Spec((6,), ("a", "b", "c"))
STEPS = 8


def batch(number, rank=0, ranks=1):
    """The part of the joint batch of 8 + 8 items that one rank sees."""
    from acclimate.core.types import Batch

    random = torch.Generator().manual_seed(number)
    source, weak = torch.randn(8, 6, generator=random), 1 + torch.randn(8, 6, generator=random)
    gentle = weak + 0.1 * torch.randn(8, 6, generator=random)
    labels = torch.arange(8) % 3
    part = slice(rank, None, ranks)
    return Batch(source[part], labels[part], weak[part], gentle[part])


def make_step(name, seed=0):
    """Confident from the start, so that every term of the loss is at work."""
    torch.manual_seed(seed)
    kind = algorithms.get(name)
    normalisation = "domain" if kind.keeps_domains_apart else "none"
    network = build_network("mlp", {"widths": [12, 10], "normalisation": normalisation}, SPEC)
    options = {"threshold": 0.0} if "threshold" in kind.model_fields else {}
    return Step(network, kind(**options), averaging=0.9)


def gradients(forward, step, backward, rank=0, ranks=1):
    """Gradients of the first batch in the first phase, by name."""
    backward(forward(batch(0, rank, ranks), 0.5, step.algorithm.phases[0].name)["loss"])
    found = {n: p.grad.clone() for n, p in step.named_parameters() if p.grad is not None}
    step.zero_grad(set_to_none=True)
    return found


def weights_after_training(step, optimiser, forward, backward, rank=0, ranks=1):
    for _ in train(
        step,
        optimiser,
        (batch(number, rank, ranks) for number in range(STEPS)),
        steps=STEPS,
        pause_at=lambda done: False,
        set_rate=lambda progress: set_learning_rate(optimiser, SETTINGS, progress),
        forward=forward,
        backward=backward,
    ):
        pass
    return {f"weight.{n}": v.detach().clone() for n, v in step.state_dict().items()}


def main(folder: Path) -> None:
    fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp_find_unused_parameters_true")
    fabric.launch()
    rank, ranks = fabric.global_rank, fabric.world_size
    for name in algorithms.names():
        # other weights on the second rank: wrapping has to make them alike
        step = make_step(name, seed=rank)
        bare = make_optimiser(step, SETTINGS)
        wrapped, optimiser = fabric.setup(step, bare)
        found = {
            f"gradient.{n}": g
            for n, g in gradients(wrapped, step, fabric.backward, rank, ranks).items()
        }
        found |= weights_after_training(step, optimiser, wrapped, fabric.backward, rank, ranks)
        save_file(found, folder / f"{name}-{rank}.safetensors")
    fabric.barrier()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
