"""Which domains make up a table, and what others report for its pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import permutations
from types import MappingProxyType

from acclimate.core.errors import ConfigurationError, near_miss


@dataclass(frozen=True)
class Benchmark:
    """A table: all ordered pairs of its domains.

    ``domains``: short name → registered data set. ``published``: pair → (who, accuracy in percent),
    with ``note`` on how those were measured.
    """

    name: str
    title: str
    domains: Mapping[str, str]
    published: Mapping[str, tuple[tuple[str, float], ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    note: str = ""

    @property
    def pairs(self) -> tuple[str, ...]:
        """``"SOURCE-TARGET"`` for each ordered pair, then ``"others-TARGET"`` for each domain."""
        single = tuple(f"{source}-{target}" for source, target in permutations(self.domains, 2))
        return (*single, *(f"others-{target}" for target in self.domains))

    def sources_of(self, pair: str) -> tuple[tuple[str, ...], str]:
        """Short names of the sources of ``pair`` and of its target."""
        source, _, target = pair.rpartition("-")
        if source == "others":
            return tuple(name for name in self.domains if name != target), target
        return (source,), target


def _of(prefix: str, *names: str) -> dict[str, str]:
    return {name: f"{prefix}-{name}" for name in names}


_HOME = ("art", "clipart", "product", "real")
_PHOTOS = {"real": "real-world"}


def _home(prefix: str) -> dict[str, str]:
    return {name: f"{prefix}-{_PHOTOS.get(name, name)}" for name in _HOME}


#: Ganin et al., JMLR 2016, table 4: AlexNet, fully transductive
_OFFICE_31 = {
    "amazon-webcam": (("source only", 64.2), ("DAN", 68.5), ("DANN", 73.0)),
    "dslr-webcam": (("source only", 96.1), ("DAN", 96.0), ("DANN", 96.4)),
    "webcam-dslr": (("source only", 97.8), ("DAN", 99.0), ("DANN", 99.2)),
}
#: the reference system with MobileNetV3, of its ten classes; last epoch of one run
_OFFICE_HOME_10 = {
    "real-product": (("DANN, MobileNetV3", 87.76),),
    "product-clipart": (("DANN, MobileNetV3", 41.24),),
    "clipart-art": (("DANN, MobileNetV3", 66.04),),
    "art-real": (("DANN, MobileNetV3", 80.53),),
    "product-real": (("DANN, MobileNetV3", 79.91),),
    "clipart-product": (("DANN, MobileNetV3", 72.98),),
    "art-clipart": (("DANN, MobileNetV3", 58.66),),
    "real-art": (("DANN, MobileNetV3", 76.81),),
}

BENCHMARKS = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark(
            "office-caltech-10",
            "Office-Caltech-10: ten classes, four cameras",
            _of("office-caltech-10", "amazon", "caltech", "dslr", "webcam"),
        ),
        Benchmark(
            "office-31",
            "Office-31: 31 classes, three cameras",
            _of("office-31", "amazon", "dslr", "webcam"),
            _OFFICE_31,
            "Ganin et al., JMLR 2016, table 4: AlexNet fine-tuned, fully transductive",
        ),
        Benchmark(
            "office-home",
            "Office-Home: 65 classes, art, clip art, products and photos",
            _home("office-home"),
        ),
        Benchmark(
            "office-home-10",
            "Office-Home, ten classes",
            _home("office-home-10"),
            _OFFICE_HOME_10,
            "a published course project, MobileNetV3 fine-tuned, one run, its last epoch; the first four "
            "are of the target's validation images, the others of its training images",
        ),
    )
}


def find_benchmark(name: str) -> Benchmark:
    """The benchmark called ``name``; raises ``ConfigurationError`` with the near miss."""
    if name not in BENCHMARKS:
        raise ConfigurationError(
            f"reproduce office has no set {name!r}.{near_miss(name, BENCHMARKS)}"
        )
    return BENCHMARKS[name]
