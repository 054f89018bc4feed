"""Any of the package's algorithms as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from acclimate.core.errors import InputError
from acclimate.data.domain import Domain
from acclimate.estimators.arrays import Rows, dimensions, make_domain, pictures
from acclimate.estimators.given import Given, take_given
from acclimate.estimators.training import make_task, train_in_memory
from acclimate.training.parts import make_algorithm
from acclimate.training.settings import FitSettings, make_settings
from acclimate.training.task import choose_network
from acclimate.validators import validators

_CHUNK = 1024


class AdaptedClassifier(
    ClassNamePrefixFeaturesOutMixin, ClassifierMixin, TransformerMixin, BaseEstimator
):
    """A network trained on a labelled source and an unlabelled target, for predicting the target.

    ``fit(X_source, y, X_target=X_target)``, or all rows in one ``X`` with ``sample_domain`` (source
    at 0 and above, target below 0). Without a target it is a plain classifier. Rows are vectors,
    numpy or pandas or CSR (which stays sparse), or pictures in four dimensions.

    The checkpoint is chosen by label-free scores on rows set aside, where each domain has 100 or
    more. No label of the target is used but those given as ``y_target``.

    Args:
        algorithm: a name from ``acclimate list algorithms``, or several: ``"dann+mcc"``.
        algorithm_options: its options, such as ``{"weight": 0.3}``.
        network: a name from ``acclimate list networks``; ``"auto"`` fits the data.
        network_options: its options, such as ``{"widths": (50,)}``.
        steps: optimiser steps; ``None`` takes 20 passes over the larger domain, 300 to 3,000.
        batch_size: rows of each domain in a step, fewer where there are fewer.
        learning_rate: of Adam, with a cosine schedule.
        preprocessing: ``"standard"``, ``"mean"``, ``"none"``, ``"per-image"``; ``"auto"`` is per-image
            for pictures, none for sparse rows (counts keep their zeros), standard for the rest.
        augmentation: of pictures, see ``acclimate fit --help``.
        validation_fraction: of each domain set aside; 0 trains on everything and keeps the last step.
        validator: label-free score that chooses the checkpoint.
        evaluations: how many checkpoints there are to choose from.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
        random_state: of weights, batches and dropout.

    Attributes:
        classes_: (K,) the source's labels, sorted.
        estimate_: label-free estimate of the accuracy on the target, with ``value``, ``low`` and
            ``high``; ``None`` where no rows were set aside. See docs/verdict.md for how far to trust it.
        chosen_step_: of the checkpoint that was kept.
        evaluations_: label-free scores of every checkpoint.
        module_: the trained network, a ``torch.nn.Module``.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn.

    Raises ``InputError`` (a ``ValueError``) and ``ConfigurationError``, each in one line.

    >>> import numpy as np
    >>> draws = np.random.default_rng(0)
    >>> y = np.repeat(["left", "right"], 60)
    >>> X = draws.normal(size=(120, 2)) + np.where(y == "left", -3, 3)[:, None]
    >>> model = AdaptedClassifier("dann", steps=60, random_state=0)
    >>> model.fit(X, y, X_target=X + [1.0, -1.0]).predict([[-2.0, -4.0], [4.0, 2.0]])
    array(['left', 'right'], dtype='<U5')
    """

    #: skada and scikit-learn's routing pass it where it is at hand
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"sample_domain": True, "X_target": True}
    __metadata_request__score: ClassVar[dict[str, bool]] = {"sample_weight": True}

    def __init__(
        self,
        algorithm: str = "dann",
        *,
        algorithm_options: Mapping[str, Any] | None = None,
        network: str = "auto",
        network_options: Mapping[str, Any] | None = None,
        steps: int | None = None,
        batch_size: int = 64,
        learning_rate: float = 2e-3,
        preprocessing: Literal["auto", "standard", "mean", "none", "per-image"] = "auto",
        augmentation: str = "none",
        validation_fraction: float = 0.1,
        validator: str = "default",
        evaluations: int = 5,
        device: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.algorithm = algorithm
        self.algorithm_options = algorithm_options
        self.network = network
        self.network_options = network_options
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.preprocessing = preprocessing
        self.augmentation = augmentation
        self.validation_fraction = validation_fraction
        self.validator = validator
        self.evaluations = evaluations
        self.device = device
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        X_target: Any = None,
        y_target: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        sample_domain: ArrayLike | None = None,
    ) -> Self:
        """Train; returns itself.

        Args:
            X: (S, D) source rows, or (S, H, W, C) pictures; with ``sample_domain`` those of both.
            y: (S,) labels of any kind; those of target rows are dropped unread.
            X_target: (T, D) unlabelled target rows.
            y_target: (T,) labels of some of them, ``None`` or NaN for the others, to be trained on
                in balance with the source.
            sample_weight: (S,) how often a row is drawn; 2 is a row given twice, 0 one left out.
            sample_domain: (S + T,) numbers; several of 0 and above are several sources.
        """
        self._check_options()
        given = self._given(X, y, X_target, y_target, sample_weight, sample_domain)
        self.classes_ = given.encoder.classes_
        if len(self.classes_) < 2:
            raise InputError(
                f"the source has a single class, {self.classes_.tolist()[0]!r}: training needs 2 classes "
                "or more"
            )
        names = tuple(str(each) for each in self.classes_)
        source = make_domain(
            "source", given.source, given.labels, names, given.weights, given.places
        )
        # without a target the source stands for it, repeated rows and all
        target = source.unlabelled()
        if given.target is not None:
            known = given.target_labels
            is_known = None if known is None else (known >= 0).astype(np.int64)
            target = make_domain("target", given.target, is_known, names)
        labelled = None
        if given.target_labels is not None:
            some, rows = np.flatnonzero(given.target_labels >= 0), given.target
            assert rows is not None  # take_given saw to it
            labelled = make_domain("labelled target", rows[some], given.target_labels[some], names)
        settings = self._settings(source, target)
        task, held_out = make_task(settings, source, target, labelled, self.validation_fraction)
        settings = choose_network(settings, task.spec)
        trained = train_in_memory(settings, task, held_out)
        network: Any = trained.network
        # where skada's scorers look for the features of a torch model
        network.layer_name = trained.network.feature_layer
        self.module_ = network
        self.estimate_ = trained.estimate
        self.evaluations_ = trained.evaluations
        self.chosen_step_ = trained.step
        self._preprocessing = trained.preprocessing
        self._n_features_out = trained.network.width_of(trained.network.feature_layer)
        return self

    def predict(
        self, X: Any, sample_domain: ArrayLike | None = None, allow_source: bool = True
    ) -> NDArray[Any]:
        """(N,) labels. ``sample_domain`` and ``allow_source`` change nothing: one network serves both."""
        logits, _ = self._outputs(X)
        labels: NDArray[Any] = self.classes_[logits.argmax(1)]
        return labels

    def predict_proba(
        self, X: Any, sample_domain: ArrayLike | None = None, allow_source: bool = True
    ) -> NDArray[np.float64]:
        """(N, K) probabilities in the order of ``classes_``."""
        logits, _ = self._outputs(X)
        return torch.softmax(torch.from_numpy(logits), 1).numpy()

    def decision_function(
        self, X: Any, sample_domain: ArrayLike | None = None, allow_source: bool = True
    ) -> NDArray[np.float64]:
        """(N, K) logits, or (N,) their difference for two classes, above 0 for ``classes_[1]``."""
        logits, _ = self._outputs(X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def transform(
        self, X: Any, sample_domain: ArrayLike | None = None, allow_source: bool = True
    ) -> NDArray[np.float64]:
        """(N, width) features: the last hidden layer."""
        return self._outputs(X)[1]

    def score(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        sample_domain: ArrayLike | None = None,
        allow_source: bool = True,
    ) -> float:
        """Accuracy on rows whose labels are known, in [0, 1]."""
        return float(super().score(X, y, sample_weight))

    #: what skada calls it in torch models
    predict_features = transform

    def _given(self, X: Any, y: ArrayLike, *others: Any) -> Given:
        if y is None:
            raise ValueError(
                "This AdaptedClassifier estimator requires y to be passed, but the target y is None"
            )
        return take_given(self, X, y, *others)

    def _check_options(self) -> None:
        validators.get(self.validator)
        if not 0 <= self.validation_fraction < 1:
            raise InputError(
                f"validation_fraction is {self.validation_fraction}: give a share of at least 0 and below 1"
            )
        if self.batch_size < 1:
            raise InputError(f"batch_size is {self.batch_size}: give 1 or more")

    def _settings(self, source: Domain, target: Domain) -> FitSettings:
        preprocessing = self.preprocessing
        if preprocessing == "auto":
            thin = not source.is_image and not hasattr(source.store, "tensor")
            preprocessing = "none" if thin else "per-image"
        smallest = min(len(source), len(target))
        held_out = 1 - self.validation_fraction if self.validation_fraction > 0 else 1
        batch = max(1, min(self.batch_size, int(smallest * held_out * 0.9)))
        steps = self.steps
        if steps is None:
            steps = int(np.clip(20 * max(len(source), len(target)) / batch, 300, 3000))
        settings = make_settings(
            source="X",
            target="X_target",
            algorithm=self.algorithm,
            algorithm_options=dict(self.algorithm_options or {}),
            network=self.network,
            network_options=dict(self.network_options or {}),
            steps=steps,
            batch_size=batch,
            learning_rate=self.learning_rate,
            preprocessing=preprocessing,
            augmentation=self.augmentation,
            validator=self.validator,
            evaluations=self.evaluations,
            device=self.device,
            precision="32",
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
        )
        if make_algorithm(settings).oracle:
            raise InputError(
                f"{self.algorithm} is an oracle, which learns from the target's labels: "
                'fit them as a source, with algorithm="source-only"'
            )
        return settings

    def _outputs(self, X: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Logits (N, K) and features (N, width); of vectors in float64."""
        check_is_fitted(self)
        rows = self._rows(X)
        # a row's output should not depend on how many others it is asked with, and the order in
        # which float32 is summed does
        kind = torch.float32 if rows.ndim == 4 else torch.float64
        network = self.module_.to(kind)
        logits, features = [], []
        try:
            with torch.no_grad():
                for start in range(0, rows.shape[0], _CHUNK):
                    output = network(self._prepared(rows[start : start + _CHUNK], kind))
                    logits.append(output.logits.numpy())
                    features.append(output.layers[network.feature_layer].numpy())
        finally:
            network.float()
        return np.concatenate(logits), np.concatenate(features)

    def _prepared(self, rows: Rows, kind: torch.dtype) -> torch.Tensor:
        if rows.ndim == 4:
            return self._preprocessing(torch.from_numpy(rows))
        dense = rows.toarray() if sparse.issparse(rows) else np.array(rows)
        return self._preprocessing.normalise(torch.from_numpy(dense).to(kind))

    def _rows(self, X: Any) -> Rows:
        if len(dimensions(X)) == 4:
            rows = pictures(X, "X")
            shape = (rows.shape[3], *rows.shape[1:3])
            if shape != self.module_.spec.input_shape:
                raise InputError(
                    f"X has pictures of channels × height × width {shape}, and this model was fitted "
                    f"on {self.module_.spec.input_shape}"
                )
            return rows
        if len(self.module_.spec.input_shape) == 3:
            raise InputError(
                f"X has shape {dimensions(X)}, and this model was fitted on pictures: give (N, height, width, "
                "channels)"
            )
        return validate_data(
            self, X, reset=False, accept_sparse="csr", dtype=[np.float64, np.float32]
        )
