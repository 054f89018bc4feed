"""A model against labelled data."""

from __future__ import annotations

from pathlib import Path

from acclimate.core.errors import DataError
from acclimate.core.records import LabelledMetrics
from acclimate.data.domain import Domain, Labels
from acclimate.data.download import Progress
from acclimate.data.file_store import RESIDENT_LIMIT
from acclimate.data.sources import NotPicturesError, open_domain
from acclimate.training.inference import MATCH, LoadedModel
from acclimate.validators.metrics import labelled_metrics


def open_for(
    model: LoadedModel,
    spec: str | Path,
    split: str = "test",
    *,
    labels: Labels = "required",
    resident_limit: int = RESIDENT_LIMIT,
    progress: Progress | None = None,
) -> Domain:
    """Data in the model's own size, channels and order of classes.

    ``spec``, ``split``, ``labels`` and ``resident_limit`` as in ``open_domain``, whose errors this
    raises, and ``ConfigurationError`` for a model without classes.
    """
    model.check_has_classes(MATCH)
    shape = model.stored_shape
    channels, size = (shape[0], shape[1]) if len(shape) == 3 else (None, None)
    try:
        return open_domain(
            spec,
            labels=labels,
            class_names=model.class_names,
            size=size,
            channels=channels,
            split=split,
            resident_limit=resident_limit,
            progress=progress,
            tables=model.tables,
            fit=model.fit,
        )
    except NotPicturesError as error:
        raise DataError(
            f"{spec} holds vectors, but the model takes pictures of {_times(shape)}"
        ) from error


def check_shape(model: LoadedModel, domain: Domain) -> None:
    """Raise ``DataError`` naming both shapes unless ``domain`` holds what ``model`` takes."""
    if domain.input_shape != model.stored_shape:
        raise DataError(
            f"{domain.name} has items of shape {_times(domain.input_shape)}, "
            f"but the model takes {_times(model.stored_shape)}"
        )


def evaluate_model(model: LoadedModel, domain: Domain, batch_size: int = 512) -> LabelledMetrics:
    """Metrics of ``model`` on a labelled ``domain`` of the model's input shape.

    Raises ``DataError`` where labels are missing, the classes are not the model's, in its order,
    or the items have another shape, and ``ConfigurationError`` for a model without classes.
    """
    model.check_has_classes("use 'evaluate_people'")
    if domain.labels is None:
        raise DataError(
            f"{domain.name} has no labels to measure against; use 'acclimate predict', or give "
            "a folder with one folder for each class"
        )
    if domain.class_names != model.class_names:
        raise DataError(
            f"{domain.name} has the classes {', '.join(domain.class_names)}, but the model knows "
            f"{', '.join(model.class_names)}"
        )
    check_shape(model, domain)
    logits, _ = model.outputs(domain, batch_size)
    return labelled_metrics(logits, domain.labels, model.class_names)


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(str(length) for length in shape)
