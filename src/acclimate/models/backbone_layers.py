"""A pretrained model as a feature extractor: what of it stays still, and how its BatchNorm behaves."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import torch
from torch import Tensor, nn

from acclimate.core.errors import ConfigurationError
from acclimate.layers.batch_norm_statistics import batch_norms, exchange_batch_norms, is_folded
from acclimate.layers.domain_norm import DomainBatchNorm
from acclimate.layers.parted import PartedByDomain
from acclimate.layers.source_norm import SourceBatchNorm
from acclimate.models.backbone_library import look

BatchNormMode = Literal["frozen", "batch", "source", "domain", "re-estimated"]


class FeatureExtractor(nn.Module):
    """(N, 3, H, W) or grey (N, 1, H, W) → (N, ``width``): a model without its classifier.

    ``width`` and ``input_shape`` are set by whoever has tried it. ``still``: names of BatchNorm
    layers that stay in eval mode whatever ``train`` is told; with ``all_still`` everything does.
    ``learnt``: its weights are pretrained.
    """

    def __init__(self, model: nn.Module, *, learnt: bool) -> None:
        super().__init__()
        self.model = model
        self.learnt = learnt
        self.still: frozenset[str] = frozenset()
        self.all_still = False
        self.estimates_first = False
        self.width = 0
        self.input_shape: tuple[int, ...] = ()

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        for module in self.model.modules():
            if isinstance(module, PartedByDomain):
                module.batch_rows = len(images)
        return look(self.model, images)

    def train(self, mode: bool = True) -> FeatureExtractor:
        """As ``nn.Module.train``, but for what stays still.

        Raises ``ConfigurationError`` where BatchNorm would normalise by batches although its
        statistics were folded into other weights.
        """
        super().train(mode and not self.all_still)
        if not mode or self.all_still:
            self.training = mode and not self.all_still
            return self
        if self.lacks_statistics:
            raise ConfigurationError(
                "these weights have BatchNorm statistics folded into them, and normalising by batches "
                "would destroy them: give --batch-norm frozen, or re-estimate the statistics first"
            )
        for name, norm in batch_norms(self.model):
            if name in self.still:
                norm.eval()
        return self

    @property
    def lacks_statistics(self) -> bool:
        """Whether BatchNorm that is to normalise by batches has only folded statistics."""
        moving = any(name not in self.still for name, _ in batch_norms(self.model))
        return self.learnt and not self.all_still and moving and is_folded(self.model)


def freeze_leading(extractor: FeatureExtractor, name: str, freeze: str | int) -> None:
    """Take the gradient from the leading stages, or from everything (``"backbone"``)."""
    if freeze == "backbone":
        extractor.requires_grad_(False)
        extractor.all_still = True
        return
    if freeze in ("none", 0):
        return
    assert isinstance(freeze, int)
    stages = leading_stages(extractor.model)
    if freeze > len(stages):
        raise ConfigurationError(
            f"backbone {name} has {len(stages)} stages, so that {freeze} cannot be frozen: "
            f"give --freeze with at most {len(stages)}, or backbone"
        )
    frozen = {parameter for stage in stages[:freeze] for parameter in stage}
    for parameter_name, parameter in extractor.model.named_parameters():
        if parameter_name in frozen:
            parameter.requires_grad_(False)
    extractor.still |= {n for n, _ in batch_norms(extractor.model) if f"{n}.weight" in frozen}


def leading_stages(model: nn.Module) -> list[list[str]]:
    """Names of the parameters of each stage, from the input on; the stem is the first.

    timm says itself what its models' stages are. Of other models each child is one, and each
    layer of a child called ``features`` or ``classifier``; normalisation belongs to what precedes it.
    """
    matcher: Any = getattr(model, "group_matcher", None)
    if matcher is not None:
        from timm.models import group_parameters

        try:
            of_names = matcher(coarse=True)
        except (AssertionError, NotImplementedError):  # a few know their blocks alone
            of_names = matcher()
        groups = group_parameters(model, of_names)
        stages = [list(groups[number]) for number in sorted(groups)]
        named = {name for stage in stages for name in stage}
        stages[-1] += [name for name, _ in model.named_parameters() if name not in named]
        return stages
    stages = []
    for path, module in _parts(model):
        names = [f"{path}.{name}" for name, _ in module.named_parameters()]
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and stages:
            stages[-1] += names
        elif names:
            stages.append(names)
    # tokens and position embeddings that belong to no child
    stages[0] += [name for name, _ in model.named_parameters(recurse=False)]
    return stages


def _parts(model: nn.Module) -> list[tuple[str, nn.Module]]:
    parts: list[tuple[str, nn.Module]] = []
    for name, child in model.named_children():
        if name in ("features", "classifier") and isinstance(child, nn.Sequential):
            parts += [(f"{name}.{index}", layer) for index, layer in child.named_children()]
        else:
            parts.append((name, child))
    return parts


def set_batch_norm(extractor: FeatureExtractor, name: str, mode: BatchNormMode) -> None:
    """Make every BatchNorm that is not frozen yet behave as ``mode`` says.

    Raises ``ConfigurationError`` where a mode is asked for that has nothing to change.
    """
    norms: Collection[str] = [n for n, _ in batch_norms(extractor.model)]
    if not norms and mode in ("source", "domain", "re-estimated"):
        raise ConfigurationError(
            f"backbone {name} has no BatchNorm, which --batch-norm {mode} is about: leave it out"
        )
    if mode == "frozen":
        extractor.still |= set(norms)
        for _, norm in batch_norms(extractor.model):
            norm.requires_grad_(False)
    elif mode == "domain":
        exchange_batch_norms(extractor.model, DomainBatchNorm.of, extractor.still)
    elif mode == "source":
        exchange_batch_norms(extractor.model, SourceBatchNorm.of, extractor.still)
    extractor.estimates_first = mode == "re-estimated"


@torch.no_grad()
def measure_width(extractor: FeatureExtractor, input_shape: tuple[int, ...]) -> int:
    """Width of the features, by trying it; notes shape and width in the extractor.

    Raises whatever the model raises for pictures it cannot look at.
    """
    modes = [(module, module.training) for module in extractor.modules()]
    features = extractor.eval()(torch.zeros(1, *input_shape))
    for module, mode in modes:
        module.training = mode
    if features.ndim != 2 or not features.shape[1]:
        raise ValueError(f"features have the shape {tuple(features.shape)}")
    extractor.width, extractor.input_shape = int(features.shape[1]), tuple(input_shape)
    return extractor.width
