"""Trains steps on several processes by gloo; writes what each rank ends with. Run by the tests beside it."""

import sys
from pathlib import Path
from typing import NamedTuple

import torch
from forked_ranks import fork_ranks
from lightning_fabric import Fabric
from safetensors.torch import save_file
from timm.layers import BatchNormAct2d
from torch import nn

from acclimate.algorithms import algorithms, combination, names_for
from acclimate.core.types import Spec
from acclimate.layers.batch_norm import BatchNormOfVectors
from acclimate.layers.domain_norm import keep_domains_apart
from acclimate.layers.source_norm import SourceBatchNorm
from acclimate.layers.sync_batch_norm import synchronise_batch_norm
from acclimate.models.network import build_network
from acclimate.objectives import make_objective
from acclimate.training.loop import train
from acclimate.training.optimisers import make_optimiser, set_learning_rate
from acclimate.training.settings import make_settings
from acclimate.training.step import Step

SETTINGS = make_settings(source="-", target="-", optimiser="sgd", learning_rate=0.01)
SPEC = Spec((6,), ("a", "b", "c"))
STEPS = 10
ITEMS = 12  # of each domain in the joint batch: shared evenly by two processes and by three


class Case(NamedTuple):
    """What a step is made of; ``joint``: the option ``joint_losses``."""

    algorithm: str
    joint: bool | None = None
    normalisation: str = "none"
    objective: str = "classification"


def normalisation_of(name):
    return "domain" if algorithms.get(name).keeps_domains_apart else "none"


#: every algorithm as it is trained when nothing is said
DEFAULTS = {name: Case(name, None, normalisation_of(name)) for name in names_for("classification")}
#: losses of the joint batch, on layers with and without BatchNorm
JOINED = {
    "dann": Case("dann", True, "batch"),
    "dan": Case("dan", True),
    "cdan": Case("cdan", True, "domain"),
    "deep-coral": Case("deep-coral", True, "batch"),
    "self-training": Case("self-training", True),
    "dan+mcc": Case("dan+mcc", None, "domain"),
    # the network looks again, at the joint batch
    "vat+bnm": Case("vat+bnm", None, "domain"),
    # pairs are of the joint batch without being told so
    "pairs": Case("source-only", None, "batch", "retrieval"),
    "clusters": Case("dann+cluster-pseudo-labels", None, "none", "retrieval"),
}
#: each process takes the losses of its own part, though they compare items
APART = {"dan apart": Case("dan", False)}


def batch(number, rank=0, ranks=1):
    """The part of the joint batch of 12 + 12 items that one rank sees."""
    from acclimate.core.types import Batch

    random = torch.Generator().manual_seed(number)
    source = torch.randn(ITEMS, 6, generator=random)
    weak = 1 + torch.randn(ITEMS, 6, generator=random)
    gentle = weak + 0.1 * torch.randn(ITEMS, 6, generator=random)
    labels = torch.arange(ITEMS) % 3
    part = slice(rank, None, ranks)
    clusters = torch.arange(ITEMS) // 4 - 1  # four items are in none
    given = source[part], labels[part], weak[part], gentle[part]
    return Batch(*given, target_clusters=clusters[part])


def make_step(case, seed=0):
    """Confident from the start, so that every term of the loss is at work."""
    torch.manual_seed(seed)
    spec = SPEC if case.objective == "classification" else Spec((6,), (), objective="retrieval")
    network = build_network("mlp", {"widths": [12, 10], "normalisation": case.normalisation}, spec)
    options = {}
    if "+" not in case.algorithm and "threshold" in algorithms.get(case.algorithm).model_fields:
        options = {"threshold": 0.0}
    algorithm = combination.make(case.algorithm, options)
    return Step(
        network,
        algorithm,
        0.9,
        joint_losses=case.joint,
        sync_batch_norm=True,
        objective=make_objective(case.objective, {}),
    )


def gradients(forward, step, backward, rank=0, ranks=1):
    """Gradients of the first batch in the first phase, by name."""
    torch.manual_seed(0)
    step.common_draws.begin(0, torch.device("cpu"))
    backward(forward(batch(0, rank, ranks), 0.5, step.algorithm.phases[0].name)["loss"])
    found = {n: p.grad.clone() for n, p in step.named_parameters() if p.grad is not None}
    step.zero_grad(set_to_none=True)
    return {f"gradient.{name}": value for name, value in found.items()}


def trained(step, optimiser, forward, backward, rank=0, ranks=1, stop=STEPS):
    """Weights after training, by name, and every step's loss."""
    losses = [
        logged.values["loss"]
        for logged in train(
            step,
            optimiser,
            (batch(number, rank, ranks) for number in range(STEPS)),
            steps=stop,
            pause_at=lambda done: True,
            set_rate=lambda progress: set_learning_rate(optimiser, SETTINGS, progress),
            forward=forward,
            backward=backward,
            seed=rank,
        )
    ]
    weights = {f"weight.{n}": v.detach().clone() for n, v in step.state_dict().items()}
    return {**weights, "losses": torch.stack(losses).detach()}


def norms():
    """Kinds of BatchNorm, by name, with the shape of what they normalise."""
    kinds = {
        "plain": (nn.BatchNorm2d(3), (12, 3, 4, 5)),
        "volumes": (nn.BatchNorm3d(3, momentum=None), (12, 3, 2, 3, 2)),
        "timm": (BatchNormAct2d(3, eps=1e-3), (12, 3, 4, 5)),
        "unscaled": (nn.BatchNorm1d(3, affine=False), (12, 3)),
        "rows": (BatchNormOfVectors(3), (3, 3)),
        "source": (SourceBatchNorm(3), (12, 3, 4, 5)),
    }
    random = torch.Generator().manual_seed(1)
    for norm, _ in kinds.values():
        norm.double()
        for parameter in norm.parameters():
            parameter.data = torch.randn(3, generator=random, dtype=torch.float64)
    return kinds


def normalised(norm, shape, rank=0, ranks=1):
    """Output, gradients and statistics after two batches, of which this is one rank's part."""
    random = torch.Generator().manual_seed(2)
    for _ in range(2):
        inputs, slope = (
            3 + torch.randn(shape, generator=random, dtype=torch.float64) for _ in range(2)
        )
        part = torch.arange(len(inputs))[rank::ranks]
        # the first half of every rank's items is the first half of the joint batch
        keep_domains_apart(norm, len(part) // 2)
        inputs = inputs[part].requires_grad_()
        norm.zero_grad()
        output = norm(inputs)
        (output * slope[part]).sum().backward()
    found = {"output": output.detach().clone(), "inputs": inputs.grad}
    found |= {f"gradient.{name}": p.grad for name, p in norm.named_parameters()}
    return found | {f"buffer.{name}": b.clone() for name, b in norm.named_buffers()}


def work(rank: int, devices: int, folder: Path) -> None:
    torch.set_num_threads(1)
    fabric = Fabric(accelerator="cpu", devices=devices, strategy="ddp_find_unused_parameters_true")
    fabric.launch()
    ranks = fabric.world_size
    assert (fabric.global_rank, ranks) == (rank, devices)
    joined = {f"{name} joined": case for name, case in JOINED.items()}
    cases = {**DEFAULTS, **joined, **APART} if devices == 2 else joined
    for name, case in cases.items():
        # other weights on the other ranks: wrapping has to make them alike
        step = make_step(case, seed=rank)
        bare = make_optimiser(step, SETTINGS)
        wrapped, optimiser = fabric.setup(step, bare)
        found = gradients(wrapped, step, fabric.backward, rank, ranks)
        found |= trained(step, optimiser, wrapped, fabric.backward, rank, ranks)
        save_file(found, folder / f"{name}-{rank}.safetensors")
    for name, (norm, shape) in norms().items():
        holder = nn.Sequential(norm)
        synchronise_batch_norm(holder)
        found = normalised(holder[0], shape, rank, ranks)
        save_file(found, folder / f"norm {name}-{rank}.safetensors")
    fabric.barrier()
    torch.distributed.destroy_process_group()


def main(folder: Path) -> None:
    for devices in (2, 3):
        place = folder / str(devices)
        place.mkdir()
        codes, _ = fork_ranks(
            devices, lambda rank, d=devices, p=place: work(rank, d, p), place / "said"
        )
        if any(codes):
            said = [path.read_text() for path in (place / "said").iterdir()]
            sys.exit(f"{codes}\n" + "\n".join(said))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
