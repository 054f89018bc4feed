"""Backbones by name from timm and torchvision, without their classifiers."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from torch import Tensor, nn

from acclimate.core.errors import ConfigurationError, UnknownNameError
from acclimate.models.network import InputFacts

_IMAGENET = InputFacts(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# these give several outputs in training; timm has its own inception_v3
_NOT_PLAIN = ("googlenet", "inception_v3")


@dataclass(frozen=True)
class Located:
    """A model of one of the two libraries; ``name`` as it is called there, with timm's tag if given."""

    library: Literal["timm", "torchvision"]
    name: str


@dataclass(frozen=True)
class BareModel:
    """A model that gives what its own classifier would see, and whose tensors that classifier had.

    ``classifier``: beginnings of the names, in a file of the whole model, of what is left out.
    """

    module: nn.Module
    classifier: tuple[str, ...]


@lru_cache(maxsize=64)
def locate(name: str) -> Located:
    """Where the model called ``name`` is: in timm, else in torchvision; ``torchvision/NAME`` forces it.

    Raises ``UnknownNameError`` with near misses.
    """
    library, _, plain = name.rpartition("/")
    if library in ("", "timm"):
        import timm

        if timm.is_model(plain):
            _check_tag(plain)
            return Located("timm", plain)
    if library in ("", "torchvision") and plain in _torchvision_names():
        return Located("torchvision", plain)
    raise UnknownNameError(f"unknown backbone {name!r}.{_near_misses(library, plain)}")


def facts_of(located: Located) -> InputFacts:
    """Side, mean and deviation that the model's pretrained weights were made for."""
    if located.library == "torchvision":
        return _IMAGENET
    import timm

    known = timm.get_pretrained_cfg(located.name)
    if known is None:
        return _IMAGENET
    return InputFacts(known.input_size[-1], tuple(known.mean), tuple(known.std))


def make_bare(located: Located, height: int, width: int, *, pretrained: bool = False) -> BareModel:
    """The model for pictures (N, 3, ``height``, ``width``), with weights from the hub if ``pretrained``.

    Fresh weights are drawn from torch's global generator. Raises ``ConfigurationError`` where it
    cannot be made for that size; whatever a failed download raises is passed on.
    """
    if located.library == "torchvision":
        return _from_torchvision(located.name, pretrained)
    return _from_timm(located, height, width, pretrained)


def look(model: nn.Module, images: Tensor) -> Tensor:
    """(N, 3, H, W) → (N, D): pooled, as the model's classifier would see it."""
    of_timm: Any = model if hasattr(model, "forward_head") else None
    if of_timm is None:
        features: Tensor = model(images)
    else:
        features = of_timm.forward_head(of_timm.forward_features(images), pre_logits=True)
    if features.ndim == 4:  # a few have no pooling of their own
        return features.mean((2, 3))
    return features.mean(1) if features.ndim == 3 else features


def _from_timm(located: Located, height: int, width: int, pretrained: bool) -> BareModel:
    import timm

    known = timm.get_pretrained_cfg(located.name)
    options: dict[str, Any] = {"num_classes": 0}
    if known is not None and known.fixed_input_size and known.input_size[1:] != (height, width):
        options["img_size"] = height if height == width else (height, width)
    try:
        model = timm.create_model(located.name, pretrained=pretrained, **options)
    except (TypeError, AssertionError, ValueError) as error:
        if "img_size" not in options or known is None:
            raise
        raise wrong_size(located, height, width) from error
    names = (known.classifier if known is not None else None) or ()
    return BareModel(model, tuple(f"{n}." for n in ((names,) if isinstance(names, str) else names)))


def wrong_size(located: Located, height: int, width: int) -> ConfigurationError:
    """The one line for pictures that a model cannot look at."""
    side = facts_of(located).size
    advice = f"give --size {side}, which it was made for"
    if (height, width) == (side, side):
        advice = "choose another backbone"
    return ConfigurationError(
        f"backbone {located.name} cannot look at pictures of {height}×{width}: {advice}"
    )


def _from_torchvision(name: str, pretrained: bool) -> BareModel:
    from torchvision import models

    model = models.get_model(name, weights=None)
    classifier = _take_classifier(name, model)
    if pretrained:
        weights = models.get_model_weights(name).DEFAULT
        # the library's own files, by checksum; nothing but tensors is read from them
        state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        kept = {key: tensor for key, tensor in state.items() if not key.startswith(classifier)}
        model.load_state_dict(kept)
    return BareModel(model, classifier)


def _take_classifier(name: str, model: nn.Module) -> tuple[str, ...]:
    """Take the last linear layer off; what is taken, by beginnings of names.

    SqueezeNet's classifier is a convolution that is pooled: its features are pooled instead.
    """
    if name.startswith("squeezenet"):
        model.classifier = nn.AdaptiveAvgPool2d(1)
        return ("classifier.",)
    last = [path for path, module in model.named_modules() if isinstance(module, nn.Linear)][-1]
    owner, _, attribute = last.rpartition(".")
    setattr(model.get_submodule(owner), attribute, nn.Identity())
    return (f"{last}.",)


@lru_cache(maxsize=1)
def _torchvision_names() -> tuple[str, ...]:
    from torchvision import models

    return tuple(n for n in models.list_models(module=models) if n not in _NOT_PLAIN)


def _check_tag(name: str) -> None:
    import timm
    from timm.models import get_arch_pretrained_cfgs

    try:
        timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        architecture, _, tag = name.partition(".")
        tags = sorted(key.partition(".")[2] for key in get_arch_pretrained_cfgs(architecture))
        raise UnknownNameError(
            f"backbone {architecture} has no weights {tag!r}; it has {', '.join(tags)}"
        ) from error


def _near_misses(library: str, name: str) -> str:
    """Up to three names that look alike, or where the lists are."""
    names: set[str] = set()
    if library in ("", "timm"):
        import timm

        names.update(timm.list_models())
    if library in ("", "torchvision"):
        names.update(_torchvision_names())
    close = difflib.get_close_matches(name.partition(".")[0], names, n=3, cutoff=0.6)
    prefix = f"{library}/" if library and names else ""
    if close:
        return f" Did you mean {' or '.join(repr(prefix + one) for one in close)}?"
    return " timm.list_models() and torchvision.models.list_models() name them all."
