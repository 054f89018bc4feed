"""Pretrained weights of a backbone: from the hub, or from a safetensors file whose names are checked."""

from __future__ import annotations

import hashlib
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from acclimate.core.errors import AcclimateError, ModelFileError
from acclimate.models.backbone_library import BareModel, Located, make_bare

_PICKLES = (".pth", ".pt", ".bin", ".ckpt", ".tar", ".pkl", ".pickle")
_COUNTER = "num_batches_tracked"  # files from before torch 0.4.1 have none, and nothing reads it


def make_from_hub(located: Located, height: int, width: int) -> BareModel:
    """The model with the weights of timm's or torchvision's hub; they are kept in the hub's cache.

    Raises ``ModelFileError`` in one line where they cannot be had, whatever the reason.
    """
    try:
        with _no_long_retries():
            return make_bare(located, height, width, pretrained=True)
    except AcclimateError:
        raise
    # the libraries pass on what their HTTP clients raise, which are of many kinds
    except Exception as error:
        lines = str(error).strip().splitlines() or ["no reason given"]
        reason = lines[0].partition(". ")[0][:120]
        raise ModelFileError(
            f"the weights of {located.name} cannot be fetched ({type(error).__name__}: {reason}); "
            "give --weights FILE.safetensors, or --weights none for random ones"
        ) from error


@contextmanager
def _no_long_retries() -> Iterator[None]:
    """Where the hub's name is not even known, take what its cache has instead of trying for a minute."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    host = urlsplit(constants.ENDPOINT).hostname
    try:
        if not getproxies():  # a proxy may know it
            socket.getaddrinfo(host, None)
    except OSError:
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def load_weights(bare: BareModel, name: str, path: Path) -> None:
    """Give the model the weights in a safetensors file of the same architecture, as float32.

    The file's classifier is passed over. Position embeddings of another picture size are brought to
    this one's where timm knows how. Raises ``ModelFileError`` in one line for a file that is none,
    or whose tensors are others than the model's, with what differs.
    """
    expected = bare.module.state_dict()
    found = _without_classifier(read_tensors(path), bare.classifier, expected)
    if _differences(expected, found):
        converted = _as_timm_reads(bare.module, found)
        found = _without_classifier(converted, bare.classifier, expected)
    differences = _differences(expected, found)
    if differences:
        unfit = sum(n not in found or found[n].shape != t.shape for n, t in expected.items())
        advice = "look for a file of exactly this model"
        if 2 * unfit > len(expected):
            advice = "they are of another architecture: give its name with --backbone"
        raise ModelFileError(
            f"{path} does not hold the weights of {name}: {'; '.join(differences)}; {advice}"
        )
    for key, tensor in found.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ModelFileError(
                f"{path}: {key} holds NaN or infinite values: fetch the file again"
            )
    bare.module.load_state_dict(found, strict=False)  # but for counters, all names were checked


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file; pickles are refused, unread."""
    if path.suffix.lower() in _PICKLES:
        raise ModelFileError(
            f"{path} is a pickle, and those are never read: where you trust it, convert it with "
            f"safetensors.torch.save_file(torch.load({path.name!r}, weights_only=True), "
            f"{path.stem + '.safetensors'!r})"
        )
    if path.is_dir():
        raise ModelFileError(f"{path} is a folder; give the .safetensors file in it")
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise ModelFileError(
            f"weights {path} are not there; give a .safetensors file, hub or none"
        ) from error
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(
            f"{path} is not a safetensors file ({str(error).splitlines()[0]}); fetch it again"
        ) from error


def weights_sha256(module: nn.Module) -> str:
    """SHA-256 of names, shapes, types and bytes of all tensors of the module's state."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(raw.numpy().data)
    return digest.hexdigest()


def _without_classifier(
    tensors: Mapping[str, Tensor], classifier: tuple[str, ...], expected: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """``tensors`` but for the classifier's, and for what normalises within the same part."""
    # "head.linear." of LeViT has "head.bn." beside it; a classifier of its own has nothing beside it
    parts = {name.rstrip(".").rpartition(".")[0] for name in classifier} - {""}
    beside = tuple(f"{part}." for part in parts)
    return {
        name: tensor
        for name, tensor in tensors.items()
        if not name.startswith(classifier) and (name in expected or not name.startswith(beside))
    }


def _as_timm_reads(model: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as the model's family converts older names and other picture sizes, if it does."""
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    if convert is None or not type(model).__module__.startswith("timm."):
        return tensors
    try:
        converted = convert(dict(tensors), model)
    # whatever a converter makes of another model's weights: the comparison says what differs
    except Exception:
        return tensors
    return dict(converted) if isinstance(converted, dict) else tensors


def _differences(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """At most three phrases: what is missing, what is unknown, what has another shape."""
    missing = [n for n in expected if n not in found and not n.endswith(_COUNTER)]
    unknown = [n for n in found if n not in expected and not n.endswith(_COUNTER)]
    shapes = [
        f"{name} {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    kinds = ((missing, "missing"), (unknown, "unexpected"), (shapes, "of other shape"))
    return [
        f"{len(names)} {kind} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
        for names, kind in kinds
        if names
    ]
