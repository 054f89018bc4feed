"""Descriptors without what a camera does to all of its pictures."""

from __future__ import annotations

from typing import ClassVar

from acclimate.algorithms.base import algorithms
from acclimate.algorithms.source_only import SourceOnly


@algorithms.register("camera-centring")
class CameraCentring(SourceOnly):
    """Source-only training; the target's descriptors are compared without the mean of their camera.

    After Zhuang et al., "Rethinking the distribution gap of person re-identification with
    camera-based batch normalization", ECCV 2020, section 3.2: what a camera adds to all of its
    pictures tells nobody apart, and its statistics need no identities. Deviations: (1) the mean of
    the descriptor alone, not mean and deviation in every BatchNorm layer; (2) in comparing and not
    in training, so that it goes with any algorithm: ``dann+camera-centring``. The means are
    those of the unlabelled pictures that are adapted to, and are kept with the model.
    """

    uses_target: ClassVar[bool] = True
    learns_from_target: ClassVar[bool] = False
    target_after_training: ClassVar[bool] = True
    objectives: ClassVar[tuple[str, ...]] = ("retrieval",)
    centres_cameras: ClassVar[bool] = True
