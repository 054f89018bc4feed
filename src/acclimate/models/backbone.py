"""Any pretrained model of timm or torchvision as the backbone of a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator
from torch import nn

from acclimate.core.errors import ConfigurationError
from acclimate.core.types import Spec
from acclimate.layers.strided_convolution import mend_strided_convolutions
from acclimate.models.backbone_layers import (
    FeatureExtractor,
    freeze_leading,
    measure_width,
    set_batch_norm,
)
from acclimate.models.backbone_library import (
    BareModel,
    Located,
    facts_of,
    locate,
    make_bare,
    wrong_size,
)
from acclimate.models.backbone_weights import load_weights, make_from_hub
from acclimate.models.network import InputFacts, Network, NetworkOptions, networks, require_image


class BackboneNetwork(Network):
    """A feature extractor, a bottleneck where wanted, and a linear head."""

    backbone: FeatureExtractor
    rate_share = 1.0

    def rate_share_of(self, parameter: str) -> float:
        return self.rate_share if parameter.startswith("backbone.") else 1.0

    @property
    def wants_statistics(self) -> bool:
        return self.backbone.estimates_first or self.backbone.lacks_statistics


@networks.register("backbone")
class Backbone(NetworkOptions):
    """Any model of timm or torchvision by name, pretrained; bottleneck 256; domain classifier 1024, 1024.

    Bottleneck and domain classifier as in Ganin et al., JMLR 17(59), 2016, section 5.2.4 (Office):
    a linear layer with ReLU on the pretrained features, to which the domain classifier is attached,
    and a tenth of the learning rate for what is pretrained. See docs/backbones.md.
    """

    keeping_domains_apart: ClassVar[Mapping[str, object]] = {"batch_norm": "domain"}

    name: str = Field(
        "mobilenetv3_large_100", min_length=1, description="of a timm or torchvision model"
    )
    weights: str = Field(
        "hub", min_length=1, description="hub, none (random), or a .safetensors file"
    )
    bottleneck: int = Field(256, ge=0, description="width of the hidden layer; 0 = none")
    dropout: float = Field(0.0, ge=0, lt=1, description="before the hidden layer")
    batch_norm: Literal["auto", "frozen", "batch", "source", "domain", "re-estimated"] = Field(
        "auto",
        description="frozen, batch, source, domain (kept apart) or re-estimated; "
        "auto = frozen for pretrained weights, batch for random ones",
    )
    freeze: str | int = Field(
        "none", description="none, backbone, or how many leading stages, the stem being the first"
    )
    rate_share: float | None = Field(
        None,
        gt=0,
        le=1,
        description="of the learning rate, for the model; null = 0.1 if pretrained, else 1",
    )
    gradient_checkpointing: bool = Field(False, description="compute twice to keep less in memory")

    @field_validator("freeze", mode="before")
    @classmethod
    def _stages_or_all(cls, given: Any) -> Any:
        """``"3"`` is the number: a command line has no other way to say it."""
        if isinstance(given, str) and given.strip().isdecimal():
            given = int(given)
        number = isinstance(given, int) and not isinstance(given, bool) and given >= 0
        if not number and given not in ("none", "backbone"):
            raise ValueError("should be none, backbone, or a number of leading stages")
        return given

    @model_validator(mode="after")
    def _dropout_has_a_place(self) -> Self:
        if self.dropout and not self.bottleneck:
            raise ValueError("dropout stands before the bottleneck: give one, or no dropout")
        return self

    @property
    def pretrained(self) -> bool:
        return self.weights != "none"

    def settled(self) -> Self:
        """The same options with nothing left to be decided by whether there are pretrained weights."""
        # frozen, random weights would go without any normalisation, and their residual branches,
        # which many libraries begin with a scale of 0, would never learn
        batch_norm = "frozen" if self.pretrained else "batch"
        share = 0.1 if self.pretrained else 1.0
        changes = {
            "batch_norm": batch_norm if self.batch_norm == "auto" else self.batch_norm,
            "rate_share": share if self.rate_share is None else self.rate_share,
        }
        return self.model_copy(update=changes)

    def bare(self) -> Self:
        return self.settled().model_copy(update={"weights": "none"})

    def input_facts(self) -> InputFacts | None:
        return facts_of(locate(self.name)) if self.pretrained else None

    def make(self, spec: Spec) -> Network:
        if self.freeze == "backbone" and len(spec.input_shape) == 1:
            # its features come as vectors, each looked up once
            network = Network(nn.Identity(), *self._head(spec.input_shape[0], spec))
            network.attach_layer = network.feature_layer
            return network
        require_image("backbone", spec)
        extractor = self._extractor(spec.input_shape)
        tuned = BackboneNetwork(extractor, *self._head(extractor.width, spec))
        tuned.attach_layer = tuned.feature_layer
        tuned.rate_share = self.settled().rate_share or 1.0
        return tuned

    def _head(self, incoming: int, spec: Spec) -> Any:
        """What stands on (N, ``incoming``) features, as ``Network`` takes it."""
        hidden: list[nn.Module] = []
        if self.bottleneck:
            before = [nn.Dropout(self.dropout)] if self.dropout else []
            layer = nn.Linear(incoming, self.bottleneck)
            hidden.append(nn.Sequential(*before, layer, nn.ReLU()))
        widths = (self.bottleneck,) if self.bottleneck else ()
        return incoming, hidden, spec, widths, (1024, 1024)

    def extractor(self, side: int) -> tuple[FeatureExtractor, int]:
        """(N, 3, ``side``, ``side``) → (N, width), and that width; in eval mode for good, without gradient.

        BatchNorm, freezing and checkpointing are those of a network that is not trained, whatever
        the options say.
        """
        still = {"batch_norm": "frozen", "freeze": "backbone", "gradient_checkpointing": False}
        extractor = self.model_copy(update=still)._extractor((3, side, side))
        return extractor.eval(), extractor.width

    def _extractor(self, input_shape: tuple[int, ...]) -> FeatureExtractor:
        located = locate(self.name)
        channels, height, width = input_shape
        if channels not in (1, 3):
            raise ConfigurationError(
                f"backbone {self.name} looks at grey or coloured pictures, not at {channels} channels"
            )
        bare = self._with_weights(located, height, width)
        mend_strided_convolutions(bare.module)
        extractor = FeatureExtractor(bare.module, learnt=self.pretrained)
        if self.gradient_checkpointing:
            _checkpoint_gradients(bare.module, self.name)
        freeze_leading(extractor, self.name, self.freeze)
        mode = self.settled().batch_norm
        assert mode != "auto"
        set_batch_norm(extractor, self.name, mode)
        try:
            measure_width(extractor, input_shape)
        except (RuntimeError, AssertionError, ValueError, IndexError) as error:
            raise wrong_size(located, height, width) from error
        return extractor

    def _with_weights(self, located: Located, height: int, width: int) -> BareModel:
        if self.weights == "hub":
            return make_from_hub(located, height, width)
        bare = make_bare(located, height, width)
        if self.weights != "none":
            load_weights(bare, located.name, Path(self.weights))
        return bare


def _checkpoint_gradients(model: Any, name: str) -> None:
    """Raises ``ConfigurationError`` where the model does not know how."""
    try:
        model.set_grad_checkpointing(True)
    except (AttributeError, AssertionError, NotImplementedError, TypeError) as error:
        raise ConfigurationError(
            f"backbone {name} has no gradient checkpointing: leave it out, or give a smaller --batch-size"
        ) from error
