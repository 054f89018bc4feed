"""Any shallow adapter on the last hidden layer, as the network's last layer."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from acclimate.algorithms.base import LastLayer, LastLayerMaterial, algorithms
from acclimate.algorithms.linear_svm import Floats, layer_of
from acclimate.algorithms.source_only import SourceOnly
from acclimate.core.errors import DataError, near_miss

#: relative error up to which a map counts as affine
_ROUNDING = 1e-4
#: strengths of the logistic regression, chosen on a held-out fifth of the source
GRID = (0.001, 0.01, 0.1, 1.0, 10.0)
_HELD_OUT = 0.2
#: the logit of a class that the source has no item of: never predicted, and finite in 16 bits
_NEVER = -1e4


@algorithms.register("shallow")
class Shallow(SourceOnly):
    """Source-only training, then a shallow adapter on the features, whose classifier is the last layer.

    The features are those of the last hidden layer; with a frozen backbone and a network without a
    bottleneck they are the backbone's own. How an adapter becomes a linear layer:

    - a transformer (CORAL, subspace alignment, …) is followed by a logistic regression of the
      adapted source; where it maps the target's rows by an affine map, both are one layer, exactly;
    - a weighting gives the regression's items their weights;
    - a classifier, or a map that is not affine, predicts the target's items, and a logistic regression
      learns those predictions. The note in the record says how many of them it keeps.

    Papers and deviations are those of the adapter, see ``acclimate list adapters``.
    """

    uses_target: ClassVar[bool] = True
    target_after_training: ClassVar[bool] = True

    adapter: str = Field("coral", description="a name from 'acclimate list adapters'")
    adapter_options: dict[str, Any] = Field(
        {}, description="its options, such as {'n_components': 20}"
    )
    c: float | None = Field(
        None,
        gt=0,
        description="inverse of the penalty on weights; null = chosen on held-out source",
    )

    @field_validator("adapter")
    @classmethod
    def _known(cls, name: str) -> str:
        # scikit-learn takes a second to import, and the default is known
        if name == "coral":
            return name
        from acclimate.shallow import adapters

        if name not in adapters:
            raise ValueError(f"unknown adapter {name!r}.{near_miss(name, adapters.names())}")
        return name

    @model_validator(mode="after")
    def _takes_the_options(self) -> Self:
        """Said before anything is trained, not when the last layer is made."""
        if self.adapter_options:
            known = self._kind()().get_params()
            unknown = sorted(set(self.adapter_options) - set(known))
            if unknown:
                raise ValueError(
                    f"adapter {self.adapter} has no option {unknown[0]!r}.{near_miss(unknown[0], known)}"
                )
        return self

    def last_layer(self, material: LastLayerMaterial) -> LastLayer | None:
        source, target = (
            features.double().numpy()
            for features in (material.source_features, material.target_features)
        )
        labels = material.source_labels.numpy()
        machine = LogisticLayer(material.class_count, material.seed)
        if len(np.unique(labels)) < 2:
            return layer_of(*machine.fit(source, labels, 1.0), "one class, nothing to adapt")
        adapter = self._made(material.seed)
        try:
            if hasattr(adapter, "transform"):
                return self._mapped(adapter, source, labels, target, machine)
            if not hasattr(adapter, "predict"):
                adapter = _weighted(adapter)
            adapter.fit(source, labels, X_target=target)
        except ValueError as error:
            raise DataError(f"algorithm shallow, adapter {self.adapter}: {error}") from error
        return _taught(adapter.predict(target), target, machine, self.adapter)

    def _kind(self) -> Any:
        """The class whose options ``adapter_options`` are."""
        from acclimate.shallow import adapters

        # the weighted classifier here is a logistic regression; what may be chosen is its weighting
        weighted = self.adapter == "importance-weighted"
        return adapters.get("discriminator-weights" if weighted else self.adapter)

    def _made(self, seed: int) -> Any:
        kind, options = self._kind(), dict(self.adapter_options)
        if "random_state" in kind().get_params():
            options.setdefault("random_state", seed % 2**32)
        made = kind(**options)
        return _weighted(made) if self.adapter == "importance-weighted" else made

    def _mapped(
        self,
        adapter: Any,
        source: Floats,
        labels: NDArray[np.int64],
        target: Floats,
        machine: LogisticLayer,
    ) -> LastLayer:
        adapted = np.asarray(
            adapter.fit_transform(source, labels, X_target=target), dtype=np.float64
        )
        c = self.c or machine.chosen_c(adapted, labels)
        weight, bias = machine.fit(adapted, labels, c)
        moved = np.asarray(adapter.transform(target), dtype=np.float64)
        affine = _affine_map(adapter, target, moved)
        if affine is None:
            return _taught((moved @ weight.T + bias).argmax(1), target, machine, self.adapter)
        matrix, offset = affine
        note = f"{self.adapter}; logistic regression of the adapted source, C = {c:g}"
        return layer_of(weight @ matrix.T, bias + weight @ offset, note)


class LogisticLayer(NamedTuple):
    """Logistic regressions of centred features of one common scale, as linear layers of all classes."""

    class_count: int
    seed: int

    def fit(self, rows: Floats, labels: NDArray[np.int64], c: float) -> tuple[Floats, Floats]:
        """Weights (K, D) and biases (K,) for ``rows`` (N, D) as they are; ``labels`` (N,) in [0, K)."""
        from sklearn.linear_model import LogisticRegression

        present = np.unique(labels)
        weight = np.zeros((self.class_count, rows.shape[1]))
        bias = np.full(self.class_count, _NEVER)
        if len(present) == 1:
            bias[present] = 0.0
            return weight, bias
        # one scale for all: each axis by its own would make the last, noisy ones as loud as the first
        mean, scale = rows.mean(0), float(rows.std(0).mean()) or 1.0
        model = LogisticRegression(C=c, max_iter=500).fit((rows - mean) / scale, labels)
        found, offsets = model.coef_ / scale, model.intercept_
        if len(present) == 2:
            found = np.concatenate([-found, found]) / 2
            offsets = np.concatenate([-offsets, offsets]) / 2
        weight[present], bias[present] = found, offsets - found @ mean
        return weight, bias

    def chosen_c(self, rows: Floats, labels: NDArray[np.int64]) -> float:
        """The C of ``GRID`` with the best accuracy on a held-out fifth; of equal ones the smallest."""
        order = np.random.default_rng(self.seed).permutation(len(labels))
        held, kept = np.split(order, [max(1, round(_HELD_OUT * len(order)))])
        if len(kept) == 0:
            return 1.0

        def accuracy(c: float) -> float:
            weight, bias = self.fit(rows[kept], labels[kept], c)
            return float(((rows[held] @ weight.T + bias).argmax(1) == labels[held]).mean())

        return max(GRID, key=accuracy)


def _weighted(weighting: Any) -> Any:
    from sklearn.linear_model import LogisticRegression

    from acclimate.shallow.weighted_classifier import ImportanceWeightedClassifier

    return ImportanceWeightedClassifier(LogisticRegression(max_iter=500), weighting)


def _affine_map(adapter: Any, rows: Floats, moved: Floats) -> tuple[Floats, Floats] | None:
    """(D, M) and (M,) such that ``moved`` = ``rows`` @ matrix + offset; ``None`` where there are none.

    The map is read off its values at the origin and at the unit vectors, scaled to the rows.
    """
    size = float(np.abs(rows).max()) or 1.0
    width = rows.shape[1]
    probes = np.concatenate([np.zeros((1, width)), size * np.eye(width)])
    values = np.asarray(adapter.transform(probes), dtype=np.float64)
    offset, matrix = values[0], (values[1:] - values[0]) / size
    error = np.abs(rows @ matrix + offset - moved).max(initial=0)
    return (matrix, offset) if error <= _ROUNDING * (np.abs(moved).max(initial=0) + 1e-12) else None


def _taught(
    predicted: NDArray[np.int64], target: Floats, machine: LogisticLayer, name: str
) -> LastLayer:
    """The layer that learns ``predicted`` (T,) of the target's items."""
    weight, bias = machine.fit(target, predicted, 1.0)
    kept = float(((target @ weight.T + bias).argmax(1) == predicted).mean())
    return layer_of(
        weight, bias, f"{name}; a linear layer that keeps {100 * kept:.1f} % of its predictions"
    )
