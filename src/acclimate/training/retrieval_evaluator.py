"""Looking at a checkpoint where identities are told apart: label-free scores, CMC, the oracle column."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from acclimate.core.errors import RecordError
from acclimate.core.records import Evaluation, RetrievalMetrics, RunRecord
from acclimate.core.seeding import generator
from acclimate.data.domain import Domain
from acclimate.models.network import Network
from acclimate.retrieval.cameras import FILE_NAME as CAMERAS
from acclimate.retrieval.cameras import CameraMeans
from acclimate.retrieval.descriptors import with_mirror_images
from acclimate.retrieval.metrics import cross_camera_metrics
from acclimate.training.evaluate import ORACLE_VALIDATION
from acclimate.training.inference import descriptors
from acclimate.training.probes import changed_descriptors
from acclimate.training.retrieval_samples import write_retrieval_samples
from acclimate.training.stored import DAMAGED, read_tensors, save_arrays, spread
from acclimate.training.task import Task
from acclimate.validators.retrieval import RetrievalEvidence, retrieval_validators


@dataclass(frozen=True)
class RetrievalEvaluator:
    """Looks at networks on held-out identities of the source and on the target.

    ``mirrored``: a picture's descriptor is the mean of its own and its mirror image's, each of
    length 1, whose inner products are the mean over the four combinations of two pictures.
    ``centred``: what a camera does to all its pictures is taken off; of the target as the pictures
    show it that are adapted to, of the held-out source as these do themselves.
    """

    task: Task
    device: torch.device
    oracle: bool = False
    mirrored: bool = True
    centred: bool = False

    def descriptors(self, network: Network, domain: Domain) -> Tensor:
        """(N, D) float32 on the host, by whose inner products pictures are compared."""
        return descriptors(
            network,
            self.task.preprocessing,
            domain,
            mirrored=self.mirrored,
            device=self.device,
        )

    def evidence(self, network: Network) -> RetrievalEvidence:
        """Descriptors of the held-out source and of the target's adapt part."""
        source, target = self.task.source.validation, self.task.target.validation
        assert source.labels is not None
        probed = spread(len(target))
        probed = probed[torch.randperm(len(probed), generator=generator(0, "probes"))]
        changed = changed_descriptors(
            network, self.task.preprocessing, target.subset(probed), device=self.device
        )
        of_source, of_target = (self.descriptors(network, part) for part in (source, target))
        changed = with_mirror_images(changed, changed)
        if self.centred:
            probed_cameras = None if target.cameras is None else target.cameras[probed]
            means = CameraMeans.of(of_target, target.cameras)
            of_target = means.removed_from(of_target, target.cameras)
            changed = means.removed_from(changed, probed_cameras)
            own = CameraMeans.of(of_source, source.cameras)
            of_source = own.removed_from(of_source, source.cameras)
        return RetrievalEvidence(
            of_source, source.labels, source.cameras, of_target, target.cameras, probed, changed
        )

    def camera_means(self, network: Network) -> CameraMeans | None:
        """Those of the target's pictures that are adapted to, where they are taken off."""
        if not self.centred:
            return None
        adapt = self.task.target.adapt
        return CameraMeans.of(self.descriptors(network, adapt), adapt.cameras)

    def _tested(self, network: Network, means: CameraMeans | None) -> Tensor:
        """Descriptors of the target's test part, as they are compared."""
        test = self.task.target.evaluate
        found = self.descriptors(network, test)
        return found if means is None else means.removed_from(found, test.cameras)

    def evaluate(
        self, network: Network, step: int, seconds: float, validator: str = "default"
    ) -> tuple[Evaluation, RetrievalEvidence]:
        """The quick label-free scores, ``validator``'s, and the oracle's ranks where identities are known."""
        evidence = self.evidence(network)
        scores = {
            name: each.score(evidence)
            for name, each in retrieval_validators.items()
            if each.at_every_checkpoint or name == validator
        }
        source = cross_camera_metrics(
            evidence.source_descriptors, evidence.source_labels, evidence.source_cameras
        )
        if self.oracle:
            assert self.task.target.oracle is not None
            scores[ORACLE_VALIDATION] = cross_camera_metrics(
                evidence.target_descriptors,
                self.task.target.oracle.validation,
                evidence.target_cameras,
            ).mean_average_precision
        target = None
        if self.task.oracle_labels is not None:
            target = self._oracle(self._tested(network, self.camera_means(network)))
        evaluation = Evaluation(
            step=step,
            seconds=seconds,
            source_accuracy=source.rank1,
            source_mean_average_precision=source.mean_average_precision,
            scores=scores,
            predicted_class_shares=[],
            oracle_target_accuracy=None if target is None else target.rank1,
            oracle_target_mean_average_precision=(
                None if target is None else target.mean_average_precision
            ),
        )
        return evaluation, evidence

    def _oracle(self, descriptors: Tensor) -> RetrievalMetrics | None:
        """CMC on the target's test part; for numbers called oracle."""
        labels, test = self.task.oracle_labels, self.task.target.evaluate
        if labels is None:
            return None
        return cross_camera_metrics(descriptors, labels, test.cameras, roles=test.roles)

    def store(self, path: Path, evidence: RetrievalEvidence) -> None:
        """Keep the descriptors in fp16, so that any score can be replayed."""
        kept = {name: each for name, each in vars(evidence).items() if each is not None}
        arrays = {
            name: (each.half() if each.is_floating_point() else each).numpy()
            for name, each in kept.items()
        }
        save_arrays(path, arrays, compressed=False)

    def finish(self, network: Network, record: RunRecord, folder: Path, seed: int) -> None:
        """Measure the chosen checkpoint into ``record`` and write what the report looks at."""
        evidence, means = self.evidence(network), self.camera_means(network)
        theirs = self._tested(network, means)
        record.source_retrieval = cross_camera_metrics(
            evidence.source_descriptors, evidence.source_labels, evidence.source_cameras
        )
        record.oracle_target_retrieval = self._oracle(theirs)
        write_retrieval_samples(folder, self.task, evidence.source_descriptors, theirs)
        if means is not None:
            means.save(folder / CAMERAS)


def read_retrieval_evidence(path: Path) -> RetrievalEvidence:
    """What ``RetrievalEvaluator.store`` kept; raises ``RecordError`` for a file that is not whole."""
    try:
        made = {"source_cameras": None, "target_cameras": None, **read_tensors(path)}
        evidence = RetrievalEvidence(**made)
        _check_sizes(evidence)
        return evidence
    except DAMAGED as error:
        # not numpy's own words, which recommend to unpickle what it does not know
        raise RecordError(f"{path} cannot be read: it is damaged; train the run anew") from error


def _check_sizes(evidence: RetrievalEvidence) -> None:
    """Raise ``ValueError`` where there is not one of each for every descriptor."""
    source, target = evidence.source_descriptors, evidence.target_descriptors
    probed, changed = evidence.probed, evidence.changed_descriptors
    wrong = [
        {each.ndim for each in (source, target)} != {2},
        evidence.source_labels.shape != source.shape[:1],
        evidence.source_cameras is not None
        and evidence.source_cameras.shape != evidence.source_labels.shape,
        evidence.target_cameras is not None and evidence.target_cameras.shape != target.shape[:1],
        (probed is None) != (changed is None),
    ]
    if probed is not None and changed is not None:
        inside = (probed >= 0) & (probed < len(target))
        wrong += [not bool(inside.all()), changed.shape != (*probed.shape, target.shape[-1])]
    if any(wrong):
        raise ValueError("its arrays do not fit together")
