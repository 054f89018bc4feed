"""One run: from a task and settings to a finished run folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from acclimate.core.errors import AcclimateError, DivergedError
from acclimate.core.records import RECORD_NAME, Chosen, Evaluation, RunRecord, Warned, read_record
from acclimate.core.seeding import derive_seed
from acclimate.core.types import Batch
from acclimate.data.loader import BatchLoader
from acclimate.models.files import parameter_count, read_model, save_model
from acclimate.models.network import Network
from acclimate.objectives import Retrieval
from acclimate.training.checkpoint import (
    has_checkpoint,
    latest_checkpoint,
    restore,
    save_checkpoint,
)
from acclimate.training.devices import describe_environment, keep_freed_memory, peak_memory_mib
from acclimate.training.evaluate import ORACLE_VALIDATION
from acclimate.training.evaluators import all_finite, chance_of, make_evaluator, score_names
from acclimate.training.guard import CollapseGuard
from acclimate.training.last_layer import replace_last_layer
from acclimate.training.loggers import check_loggers
from acclimate.training.logs import MetricsLog
from acclimate.training.loop import Logged, train
from acclimate.training.observer import Observer
from acclimate.training.optimisers import make_optimiser, set_learning_rate
from acclimate.training.parts import (
    describe,
    draws_target,
    make_algorithm,
    make_loader,
    make_step,
)
from acclimate.training.progress import Clock, Progress
from acclimate.training.retrieval_evaluator import RetrievalEvaluator
from acclimate.training.rounds import Rounds, who_forms_clusters
from acclimate.training.run_folder import check_data, check_folder, remove_leftovers
from acclimate.training.settings import FitSettings
from acclimate.training.sharpness import check_sharpness
from acclimate.training.step import Step
from acclimate.training.stored import evidence_path, finished_evidence_path
from acclimate.training.task import Task, oracle_source


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Run:
    """One training run in one folder; ``execute`` does it, from the start or from a checkpoint."""

    def __init__(
        self,
        task: Task,
        settings: FitSettings,
        folder: Path,
        fabric: Fabric,
        observer: Observer | None = None,
        command: str = "",
    ) -> None:
        self.algorithm = make_algorithm(settings)
        check_sharpness(settings, self.algorithm)
        score_names(settings.objective).get(settings.validator)
        self.task = task
        # an oracle learns from the target's labels; it is measured like every other run
        self.labelled = oracle_source(task) if self.algorithm.oracle else task.source
        self.settings, self.folder, self.fabric = settings, folder, fabric
        self.observer = (observer or Observer()) if fabric.is_global_zero else Observer()
        self.command = command
        # an oracle too: epochs are passes over the source, so that rows share a budget
        self.steps = settings.step_count(len(task.source.train))
        self.evaluator = make_evaluator(task, settings, fabric.device, self.algorithm)
        self.guard = CollapseGuard(chance_of(task), draws_target(self.algorithm))
        self.progress = Progress([], self.guard.warnings, None, 0.0, self.guard.streaks)

    def claim(self, resume: bool) -> None:
        """Make the folder ours: build everything once, so that what does not fit is said now.

        Raises ``RunError`` when the folder holds a run and ``resume`` is false, or another run.
        """
        check_loggers(self.settings.loggers)
        self._check_folder(resume)
        step, _ = self._prepare()
        free = not (self.folder / RECORD_NAME).exists()
        # no process may find what another has just written
        self.fabric.barrier()
        if free:
            self._write(self._new_record(step), "running")
        self.fabric.barrier()

    def execute(self, resume: bool = False) -> RunRecord:
        """Train, choose, measure and write everything; returns the finished record.

        With ``resume`` it goes on from the folder's last checkpoint, if there is one. Leaves the
        record with status ``interrupted`` or ``failed`` when training ends before its time.
        """
        self._check_folder(resume)
        before = read_record(self.folder) if (self.folder / RECORD_NAME).exists() else None
        self.fabric.barrier()
        if before is not None and before.status == "finished":
            return before
        keep_freed_memory()
        step, loader = self._prepare()
        step.to(self.fabric.device)  # before the optimiser, whose state follows its parameters
        optimiser = make_optimiser(step, self.settings)
        start = self._restore(step, optimiser) if resume else 0
        if self.fabric.is_global_zero:
            remove_leftovers(self.folder)
        record = before or self._new_record(step)
        # it may be continued by another number of processes than it was begun with
        record.environment = describe_environment(self.fabric, self.settings)
        record.settings = self.settings.model_dump(mode="json")
        self._write(record, "running")
        with self.ending(record):
            self._train(step, optimiser, loader, start, record)
            return self._finish(record)

    @contextmanager
    def ending(self, record: RunRecord | None = None) -> Iterator[None]:
        """Whatever ends what is inside early is told by the record's status."""
        try:
            yield
        except BaseException as error:
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            # on a full disk the old record stays; the error itself matters more
            with suppress(AcclimateError):
                self._write(record or read_record(self.folder), status)
            raise

    def _check_folder(self, resume: bool) -> None:
        check_folder(self.folder, self.settings, resume)
        check_data(self.folder, self.task.summaries)

    def _prepare(self) -> tuple[Step, BatchLoader]:
        step = make_step(self.settings, self.task, restored=has_checkpoint(self.folder))
        return step, make_loader(
            self.settings, self.labelled.train, self.task, self.algorithm, self.fabric
        )

    # -- before -------------------------------------------------------------------------------

    def _restore(self, step: Step, optimiser: torch.optim.Optimizer) -> int:
        checkpoint = latest_checkpoint(self.folder)
        if checkpoint is None:
            return 0
        restore(checkpoint, step, optimiser)
        self.progress = Progress.from_notes(checkpoint.notes)
        self.guard.warnings = self.progress.warnings
        self.guard.streaks = self.progress.streaks
        return checkpoint.step

    def _new_record(self, step: Step) -> RunRecord:
        source, target = self.task.summaries
        return RunRecord(
            created=now(),
            command=self.command,
            algorithm=self.settings.algorithm,
            objective=self.task.spec.objective,
            uses_target_labels=self.algorithm.oracle,
            labelled_target_items=len(self.task.target.labelled or ()),
            settings=self.settings.model_dump(mode="json"),
            method=self.algorithm.model_dump(mode="json"),
            environment=describe_environment(self.fabric, self.settings),
            source=source,
            target=target,
            parameters=parameter_count(step.network),
        )

    # -- training -----------------------------------------------------------------------------

    def _train(
        self,
        step: Step,
        optimiser: torch.optim.Optimizer,
        loader: BatchLoader,
        start: int,
        record: RunRecord,
    ) -> None:
        wrapped, fast = self.fabric.setup(step, optimiser)
        # only rank 0 draws curves; the others take part in the steps
        log = self._open_log(start) if self.fabric.is_global_zero else None
        self.observer.run_started(self._label, self.steps, start)
        interval = max(1, math.ceil(self.steps / self.settings.evaluations))
        clock = Clock(self.progress.seconds)
        pauses = train(
            step,
            fast,
            self._batches(loader, start, step),
            steps=self.steps,
            start=start,
            pause_at=lambda done: done % self.settings.log_every == 0 or done % interval == 0,
            set_rate=lambda progress: set_learning_rate(optimiser, self.settings, progress),
            backward=self.fabric.backward,
            forward=wrapped,
            clip=self._clip(wrapped, fast),
            sharpness=self.settings.sharpness,
            seed=derive_seed(self.settings.seed, "rank", self.fabric.global_rank),
        )
        try:
            if self.steps == 0 and not self.progress.evaluations:
                unchanged = Logged(0, 1.0, {})
                self._evaluate(step, optimiser, unchanged, log, record)
            for logged in pauses:
                due = logged.step % interval == 0 or logged.step == self.steps
                if not self._paused(step, optimiser, logged, log, clock, due, record):
                    break
        except BaseException:
            if log:
                log.close(failed=True)
            raise
        finally:
            if log:
                log.close()

    def _open_log(self, start: int) -> MetricsLog:
        settings = self.settings.model_dump(mode="json")
        return MetricsLog(self.folder, start, loggers=self.settings.loggers, settings=settings)

    def _clip(self, module: Any, optimiser: Any) -> Callable[[], Any] | None:
        norm = self.settings.gradient_clip
        if norm is None:
            return None
        return lambda: self.fabric.clip_gradients(module, optimiser, max_norm=norm)

    @property
    def _label(self) -> str:
        return self.settings.algorithm + (" (oracle)" if self.algorithm.oracle else "")

    def _batches(self, loader: BatchLoader, start: int, step: Step) -> Iterator[Batch]:
        maker = who_forms_clusters(self.algorithm)
        if maker is None:
            return loader.between(start, self.steps)
        assert isinstance(self.evaluator, RetrievalEvaluator)
        objective = step.objective
        assert isinstance(objective, Retrieval)
        rounds = Rounds(
            maker,
            self.folder,
            self.evaluator,
            self.fabric,
            self.steps,
            self.settings.batch_size,
            objective.images_per_identity,
            self.settings.seed,
            self.settings.start_from is not None,
        )
        return rounds.batches(loader, start, step.deployed)

    def _paused(
        self,
        step: Step,
        optimiser: torch.optim.Optimizer,
        logged: Logged,
        log: MetricsLog | None,
        clock: Clock,
        due: bool,
        record: RunRecord,
    ) -> bool:
        """Log, and evaluate and save where due; false ends training early."""
        values = self._over_processes(logged.floats())
        with clock.stopped():
            self.progress.seconds = clock.seconds
            row = {"progress": logged.progress, "seconds": clock.seconds, **values}
            self._tell(self.guard.logged(logged.step, logged.progress, values))
            if log:
                log.write(logged.step, row)
            self.observer.logged(logged.step, row)
            if not math.isfinite(values["loss"]):
                return False
            if due:
                self._evaluate(step, optimiser, logged, log, record)
        return True

    def _over_processes(self, values: dict[str, float]) -> dict[str, float]:
        """Means over all processes, alike on each, so that all of them stop or none does."""
        if self.fabric.world_size == 1:
            return values
        joint = torch.tensor(list(values.values()), device=self.fabric.device)
        means: Any = self.fabric.all_reduce(joint, reduce_op="mean")
        return dict(zip(values, means.tolist(), strict=True))

    def _evaluate(
        self,
        step: Step,
        optimiser: torch.optim.Optimizer,
        logged: Logged,
        log: MetricsLog | None,
        record: RunRecord,
    ) -> None:
        if self.fabric.is_global_zero:
            network = step.deployed
            evaluation, evidence = self.evaluator.evaluate(
                network, logged.step, self.progress.seconds, self.settings.validator
            )
            self.evaluator.store(evidence_path(self.folder, logged.step), evidence)
            self._tell(
                self.guard.evaluated(
                    logged.step,
                    logged.progress,
                    evaluation.source_accuracy,
                    evaluation.predicted_class_shares,
                    self.task.source_shares,
                )
            )
            self.progress.evaluations.append(evaluation)
            if all_finite(evidence):
                self._choose(step, evaluation)
            save_checkpoint(self.folder, logged.step, step, optimiser, self.progress.notes())
            record.steps_done = logged.step
            self._write(record, "running")
            self.observer.evaluated(evaluation)
            if log:
                scores = {f"validate/{name}": score for name, score in evaluation.scores.items()}
                log.scalars(logged.step, scores)
        # the others wait here, and learn whether there is a model yet
        self.progress.chosen = self.fabric.broadcast(self.progress.chosen)

    def _choose(self, step: Step, evaluation: Evaluation) -> None:
        """Keep the model if its label-free score is the best so far; of equal ones the later."""
        name = ORACLE_VALIDATION if self.algorithm.oracle else self.settings.validator
        score = evaluation.scores[name]
        best = self.progress.chosen
        # a score that is no number, as where there is nothing to look at, is worse than any other
        if best is not None and not (score >= best.score or math.isnan(best.score)):
            return
        self.progress.chosen = Chosen(step=evaluation.step, validator=name, score=score)
        save_model(self.folder, step.deployed, describe(self.settings, self.task, self.folder))

    def _tell(self, warned: Warned | None) -> None:
        if warned is not None:
            self.observer.warned(warned)

    # -- after --------------------------------------------------------------------------------

    def _finish(self, record: RunRecord) -> RunRecord:
        """Measure the chosen checkpoint and write the rest of the folder."""
        if self.progress.chosen is None:
            raise DivergedError(f"{self.folder}: {self.progress.why_no_model()}")
        if self.fabric.is_global_zero:
            self._measure(record, self._finished_network(record))
            self._write(record, "finished")
            self.observer.run_finished(record)
        self.fabric.barrier()
        # the other processes have measured nothing themselves
        return record if self.fabric.is_global_zero else read_record(self.folder)

    def _finished_network(self, record: RunRecord) -> Network:
        """The chosen checkpoint, with the algorithm's own last layer where it makes one."""
        model = read_model(self.folder)
        network = model.network.to(self.fabric.device)
        note = replace_last_layer(
            network, self.algorithm, self.labelled.train, self.evaluator, self.settings
        )
        if note is not None:
            save_model(self.folder, network, model.description)
            record.last_layer = note
            self._look_again(network)
        return network

    def _look_again(self, network: Network) -> None:
        """At a model whose last layer is another one than that which was trained and watched."""
        assert self.progress.chosen is not None
        last = self.progress.chosen.step
        evaluation, evidence = self.evaluator.evaluate(network, last, 0.0, self.settings.validator)
        self.evaluator.store(finished_evidence_path(self.folder), evidence)
        seen = evaluation.source_accuracy, evaluation.predicted_class_shares
        self._tell(self.guard.finished(last, *seen, self.task.source_shares))

    def _measure(self, record: RunRecord, network: Network) -> None:
        self.evaluator.finish(network, record, self.folder, self.settings.seed)
        record.finished = now()
        record.steps_done = self.progress.evaluations[-1].step
        seen = record.steps_done * self.settings.batch_size * (1 + draws_target(self.algorithm))
        record.images_per_second = seen / self.progress.seconds if self.progress.seconds else None
        record.peak_memory_mib = peak_memory_mib()

    def _write(self, record: RunRecord, status: Any) -> None:
        if not self.fabric.is_global_zero:
            return
        record.status = status
        record.evaluations = list(self.progress.evaluations)
        record.warnings = list(self.guard.warnings)
        record.chosen = self.progress.chosen
        record.training_seconds = self.progress.seconds
        record.write(self.folder)
