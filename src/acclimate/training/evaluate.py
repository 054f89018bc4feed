"""Looking at a checkpoint: label-free scores, the stored outputs, and the oracle column."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from acclimate.core.errors import RecordError
from acclimate.core.records import Evaluation, PlaceMetrics, RunRecord
from acclimate.core.seeding import generator
from acclimate.data.domain import Domain
from acclimate.layers.domain_norm import statistics_of
from acclimate.models.network import Network
from acclimate.training.inference import outputs
from acclimate.training.probes import (
    changed_classes,
    changed_descriptors,
    changed_logits,
    mixed_descriptors,
    mixed_logits,
)
from acclimate.training.samples import write_samples
from acclimate.training.shift import write_shift
from acclimate.training.stored import DAMAGED, read_tensors, save_arrays, spread
from acclimate.training.task import Task
from acclimate.validators import Evidence, validators
from acclimate.validators.estimate import estimate_accuracy
from acclimate.validators.metrics import (
    agreement_beyond_chance,
    labelled_metrics,
    macro_auroc,
    place_metrics,
)

ORACLE_CURVE = 2500
ORACLE_VALIDATION = "oracle-target-validation-accuracy"


@dataclass(frozen=True)
class Evaluator:
    """Looks at networks on the held-out parts of a task."""

    task: Task
    device: torch.device
    oracle: bool = False

    def evidence(self, network: Network) -> Evidence:
        """Outputs on the held-out source and on the target's validation part."""
        source, target = self.task.source.validation, self.task.target.validation
        assert source.labels is not None
        source_logits, source_features = self.source_outputs(network, source)
        target_logits, target_features = self.outputs(network, target)
        probed = _probed(target)
        some = target.subset(probed)
        prepared = network, self.task.preprocessing, some
        return Evidence(
            source_features,
            source_logits,
            source.labels,
            target_features,
            target_logits,
            probed,
            changed_logits(*prepared, device=self.device),
            mixed_logits(*prepared, device=self.device),
        )

    def probed_features(self, network: Network) -> tuple[Tensor, Tensor]:
        """Features of the items whose ``changed_logits`` and ``mixed_logits`` are in the evidence."""
        target = self.task.target.validation
        some = target.subset(_probed(target))
        prepared = network, self.task.preprocessing, some
        changed = changed_descriptors(*prepared, device=self.device)
        return changed, mixed_descriptors(*prepared, device=self.device)

    def outputs(self, network: Network, domain: Domain) -> tuple[Tensor, Tensor]:
        return outputs(network, self.task.preprocessing, domain, device=self.device)

    def source_outputs(self, network: Network, domain: Domain) -> tuple[Tensor, Tensor]:
        """As ``outputs``, of source items: by the source's statistics where each domain has its own."""
        with statistics_of(network, 0):
            return self.outputs(network, domain)

    def survived(self, network: Network, domain: Domain, logits: Tensor) -> Tensor:
        """Whether predictions survive a small change of the input, for at most 1,000 items: (M,) bool.

        ``logits``: (N, K) of all items of ``domain``.
        """
        some = spread(len(domain))
        prepared = network, self.task.preprocessing, domain.subset(some)
        changed = changed_logits(*prepared, device=self.device)
        return changed.argmax(1) == logits[some].argmax(1)

    def target_consistency(self, network: Network) -> float:
        """Agreement beyond chance of predictions before and after a small change, for comparing models.

        On the adapt and the validation part, at most 1,000 items of each, three draws: the validation
        part alone is small where the target is, and the evaluate part is for measuring.
        """
        before, after = [], []
        for whole in (self.task.target.adapt, self.task.target.validation):
            part = whole.subset(spread(len(whole)))
            predicted = self.outputs(network, part)[0].argmax(1)
            prepared = network, self.task.preprocessing, part
            changed = changed_classes(*prepared, device=self.device)
            before.append(predicted.expand_as(changed).flatten())
            after.append(changed.flatten())
        return agreement_beyond_chance(torch.cat(before), torch.cat(after))

    def evaluate(
        self, network: Network, step: int, seconds: float, validator: str = "default"
    ) -> tuple[Evaluation, Evidence]:
        """The quick label-free scores, ``validator``'s, and the oracle's accuracy where labels exist."""
        evidence = self.evidence(network)
        scores = {
            name: each.score(evidence)
            for name, each in validators.items()
            if each.at_every_checkpoint or name == validator
        }
        if self.oracle:
            scores[ORACLE_VALIDATION] = self._validation_accuracy(evidence)
        shares = torch.bincount(
            evidence.target_logits.argmax(1), minlength=self.task.spec.class_count
        ).double()
        accuracy, auroc = self.oracle_accuracy(network)
        evaluation = Evaluation(
            step=step,
            seconds=seconds,
            source_accuracy=scores["source-accuracy"],
            source_auroc=macro_auroc(evidence.source_logits, evidence.source_labels),
            place_metrics=self.by_place(evidence.source_logits),
            scores=scores,
            predicted_class_shares=(shares / shares.sum()).tolist(),
            oracle_target_accuracy=accuracy,
            oracle_target_auroc=auroc,
        )
        return evaluation, evidence

    def by_place(self, source_logits: Tensor) -> list[PlaceMetrics]:
        """Each of several sources on its own held-out items; ``source_logits`` (N, K) of all of them."""
        held_out = self.task.source.validation
        if held_out.places is None or held_out.labels is None:
            return []
        return place_metrics(source_logits, held_out.labels, held_out.places, held_out.place_names)

    def store(self, path: Path, evidence: Evidence) -> None:
        """Keep some of ``evidence``, so that any validator can be replayed."""
        store_evidence(path, evidence)

    def finish(self, network: Network, record: RunRecord, folder: Path, seed: int) -> None:
        """Measure the chosen checkpoint into ``record`` and write what the report looks at."""
        task = self.task
        source = self.source_outputs(network, task.source.validation)
        target = self.outputs(network, task.target.evaluate)
        labels, names = task.source.validation.labels, task.spec.class_names
        assert labels is not None
        record.source_metrics = labelled_metrics(source[0], labels, names)
        record.place_metrics = self.by_place(source[0])
        if not self.oracle:
            survived = self.survived(network, task.target.evaluate, target[0])
            record.estimate = estimate_accuracy(source[0], labels, target[0], survived, seed=seed)
            record.target_consistency = self.target_consistency(network)
        if task.oracle_labels is not None:
            record.oracle_target_metrics = labelled_metrics(target[0], task.oracle_labels, names)
        write_samples(folder, task, source, target)
        write_shift(folder, task)

    def _validation_accuracy(self, evidence: Evidence) -> float:
        """What an oracle chooses its checkpoint by; no other run may."""
        assert self.task.target.oracle is not None
        labels = self.task.target.oracle.validation
        return float((evidence.target_logits.argmax(1) == labels).double().mean())

    def oracle_accuracy(self, network: Network) -> tuple[float, float | None] | tuple[None, None]:
        """Accuracy and AUROC on at most 2,500 items of the evaluate part, for curves called oracle.

        The chosen model is measured on all of them at the end; this is a point of a curve, and
        with a large network the whole part would take longer than the training between two points.
        """
        labels = self.task.oracle_labels
        if labels is None:
            return None, None
        domain = self.task.target.evaluate
        part = oracle_curve_items(len(domain))
        shown = domain if len(part) == len(domain) else domain.subset(part)
        logits, _ = self.outputs(network, shown)
        accuracy = float((logits.argmax(1) == labels[part]).double().mean())
        return accuracy, macro_auroc(logits, labels[part])


def _probed(domain: Domain) -> Tensor:
    """Which items are looked at again."""
    # in random order: in a domain sorted by class, neighbours would be mixed with their like
    probed = spread(len(domain))
    return probed[torch.randperm(len(probed), generator=generator(0, "probes"))]


def oracle_curve_items(count: int) -> Tensor:
    """Which of ``count`` items to evaluate on a point of an oracle's curve is measured on."""
    return spread(count, ORACLE_CURVE)


def store_evidence(path: Path, evidence: Evidence) -> None:
    """Keep at most 1,000 items of each domain in fp16, so that any validator can be replayed."""
    source, target = spread(len(evidence.source_labels)), evidence.probed
    if target is None:
        target = spread(len(evidence.target_logits))
    arrays = {
        "source_features": _half(evidence.source_features[source]),
        "source_logits": _half(evidence.source_logits[source]),
        "source_labels": evidence.source_labels[source].numpy(),
        "target_features": _half(evidence.target_features[target]),
        "target_logits": _half(evidence.target_logits[target]),
    }
    if evidence.changed_logits is not None and evidence.mixed_logits is not None:
        arrays["changed_logits"] = _half(evidence.changed_logits)
        arrays["mixed_logits"] = _half(evidence.mixed_logits)
    save_arrays(path, arrays, compressed=False)


def read_evidence(path: Path) -> Evidence:
    """What ``store_evidence`` kept; raises ``RecordError`` in one line for a file that is not whole."""
    try:
        made = read_tensors(path)
        probed = torch.arange(len(made["target_logits"])) if "changed_logits" in made else None
        return Evidence(**made, probed=probed)
    except DAMAGED as error:
        # not numpy's own words, which recommend to unpickle what it does not know
        raise RecordError(f"{path} cannot be read: it is damaged; train the run anew") from error


def _half(values: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float16]]:
    # beyond fp16's range only the order matters to a validator
    return values.clamp(-60_000, 60_000).half().numpy()
