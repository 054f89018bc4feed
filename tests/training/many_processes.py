"""Runs of several processes of which one fails, or that go on with another number of them.

Run by ``test_many_processes.py``, as ``FOLDER SOURCE TARGET``; with ``killed`` and a command line
instead, a process that the command's own launcher started is killed.
"""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from forked_ranks import fork_ranks
from PIL import Image

from acclimate.cli.failures import explained
from acclimate.cli.main import run
from acclimate.core.errors import DataError
from acclimate.core.types import Spec
from acclimate.data.loader import BatchLoader
from acclimate.data.preprocessing import Preprocessing
from acclimate.models.files import ModelDescription, save_model
from acclimate.models.network import build_network
from acclimate.serve.predict import predict
from acclimate.training import process_group
from acclimate.training.devices import inference_fabric
from acclimate.training.inference import load_model

STEP = 5  # the one in which something happens; checkpoints are made after 3, 6, 9 and 12
between = BatchLoader.between


def kill(number):
    os.kill(os.getpid(), number)


def fail(error):
    raise error


# what happens to a rank
KILLED = lambda: kill(signal.SIGKILL)  # noqa: E731
INTERRUPTED = lambda: kill(signal.SIGINT)  # noqa: E731
UNREADABLE = lambda: fail(DataError("photos/cat.jpg: not a picture; take it away"))  # noqa: E731
WRONG = lambda: fail(ValueError("two lines\nof a bug"))  # noqa: E731
STUCK = lambda: ctypes.CDLL(None).sleep(60)  # noqa: E731


def sabotage(what):
    """Let ``what`` happen while the batch of one step is made."""

    def made(self, start, stop):
        for step, batch in enumerate(between(self, start, stop), start):
            if step == STEP:
                what()
            yield batch

    BatchLoader.between = made


class Scenes:
    def __init__(self, folder, source, target):
        self.folder, self.found = folder, {}
        self.task = ["--source", source, "--target", target, "--device", "cpu"]
        self.task += ["--steps", "12", "--batch-size", "12", "--evaluations", "4"]
        # where the processor has bfloat16, parts of a batch would be rounded unlike the whole
        self.task += ["--precision", "32"]
        self.task += ["--log-every", "2", "--augmentation", "none", "--optimiser", "sgd"]
        self.task += ["--lr", "0.05", "--no-baseline", "--no-predictions", "--no-report", "--json"]

    def play(self, name, count, options, happens=None, environment=lambda rank: {}):
        """One command on ``count`` ranks; ``happens``: rank → what happens to it."""

        def work(rank):
            torch.set_num_threads(1)
            if rank in (happens or {}):
                sabotage(happens[rank])
            return run(["fit", *options])

        codes, seconds = fork_ranks(count, work, self.folder / "said" / name, environment)
        said = [(self.folder / "said" / name / f"{r}.txt").read_text() for r in range(count)]
        self.found[name] = {"codes": codes, "seconds": seconds, "said": said}

    def new(self, name, count, happens=None, *more):
        output = ["--output", str(self.folder / name)]
        devices = ["--devices", str(count)] if count > 1 else []
        self.play(
            name, count, [*self.task, *output, *devices, "--algorithm", "dan", *more], happens
        )

    def go_on(self, name, count):
        options = [
            "--output",
            str(self.folder / name),
            "--resume",
            "--devices",
            str(count),
            "--json",
        ]
        options += ["--no-predictions", "--no-report"]
        self.play(f"{name} again", count, options)


def torchrun(rank):
    """What torchrun tells the two processes that it starts."""
    return {"TORCHELASTIC_RUN_ID": "none", "GROUP_RANK": 0, "LOCAL_WORLD_SIZE": 2, "RANK": rank}


def srun(rank):
    """What SLURM tells the two processes that ``srun`` starts."""
    told = {"NTASKS": 2, "NTASKS_PER_NODE": 2, "NNODES": 1, "NODEID": 0, "JOB_NAME": "train"}
    told |= {"PROCID": rank, "LOCALID": rank, "STEP_NUM_TASKS": 2, "STEP_NUM_NODES": 1}
    slurm = {f"SLURM_{name}": value for name, value in told.items()}
    return {**slurm, "WORLD_SIZE": None, "LOCAL_RANK": None}


def picture_model(folder):
    """An untrained model of pictures, and eleven pictures of which two are damaged."""
    torch.manual_seed(0)
    names = ("a", "b", "c", "d")
    network = build_network("compact-cnn", {}, Spec((3, 16, 16), names))
    preprocessing = Preprocessing(kind="per-image").model_dump(mode="json")
    description = ModelDescription(
        network="compact-cnn",
        options={},
        input_shape=(3, 16, 16),
        class_names=names,
        preprocessing=preprocessing,
        trained_by="nobody",
    )
    save_model(folder / "model", network, description)
    random = np.random.default_rng(0)
    pictures, damaged = folder / "pictures", folder / "damaged"
    pictures.mkdir()
    damaged.mkdir()
    for number in range(11):
        image = Image.fromarray(random.integers(0, 256, (20, 20, 3), dtype=np.uint8))
        image.save(pictures / f"{number}.png")
    for place in (pictures / "3.png", pictures / "9.png", damaged / "0.png", damaged / "1.png"):
        place.write_bytes(b"no picture")


def predicted(folder, model, places, output, fabric=None):
    """Write ``output``, and beside it what was skipped; returns the exit code."""

    def work():
        done = predict(load_model(folder / model), places, output, batch_size=2, fabric=fabric)
        if done.predictions:
            output.with_suffix(".skipped").write_text("\n".join(done.skipped))
        return 0

    return explained(work, debug=False)


def predict_alone_and_shared(folder, source, scenes):
    picture_model(folder)
    jobs = {
        "pictures": ("model", [folder / "pictures"], 3),
        "table": ("whole", [Path(source)], 2),
        "nothing": ("model", [folder / "damaged"], 2),
    }
    for name, (model, places, count) in jobs.items():
        predicted(folder, model, places, folder / f"{name}-one.csv")
        codes, _ = fork_ranks(
            count,
            lambda rank, c=count, n=name, m=model, p=places: predicted(
                folder, m, p, folder / f"{n}-many.csv", inference_fabric("cpu", c)
            ),
            folder / "said" / name,
        )
        said = [(folder / "said" / name / f"{rank}.txt").read_text() for rank in range(count)]
        scenes.found[name] = {"codes": codes, "said": said}


def main(folder: Path, source: str, target: str) -> None:
    scenes = Scenes(folder, source, target)
    process_group._GRACE = 3.0
    # by this process itself, which so loads everything before it forks
    assert run(["fit", *scenes.task, "--output", str(folder / "whole"), "--algorithm", "dan"]) == 0
    scenes.new("three", 3, {1: KILLED})
    scenes.go_on("three", 2)
    scenes.new("two", 2, {1: UNREADABLE})
    scenes.go_on("two", 1)
    scenes.new("one", 1, {0: INTERRUPTED})
    scenes.go_on("one", 3)
    scenes.new("first", 2, {0: KILLED})
    scenes.new("interrupted", 2, {0: INTERRUPTED})
    scenes.new("bug", 2, {1: WRONG})
    scenes.new("stuck", 2, {0: KILLED, 1: STUCK})
    scenes.new("odd", 2, None, "--batch-size", "7")
    for name, environment in (("torchrun", torchrun), ("srun", srun)):
        options = [*scenes.task, "--output", str(folder / name), "--algorithm", "dan"]
        scenes.play(name, 2, options, environment=environment)
    predict_alone_and_shared(folder, source, scenes)
    (folder / "found.json").write_text(json.dumps(scenes.found))


if __name__ == "__main__":
    # a shell starts what runs in the background with interruptions ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    if sys.argv[1] == "killed":
        if os.environ.get("LOCAL_RANK") == "1":
            sabotage(KILLED)
        sys.exit(run(sys.argv[2:]))
    main(Path(sys.argv[1]), *sys.argv[2:])
