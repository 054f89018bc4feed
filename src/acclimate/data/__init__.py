"""Data: the registered sets, and what opens sets, folders and files as a ``Domain``.

Adding a data set is one file under ``sets`` and one line in the import list below.
"""

from __future__ import annotations

from acclimate.data.registry import Dataset, datasets
from acclimate.data.sets import (  # noqa: F401  each registers itself
    amazon_reviews,
    blobs,
    digits,
    digits_m,
    font_digits,
    gtsrb,
    mnist,
    mnist_m,
    mnist_m_official,
    mnist_m_variants,
    moons,
    office_31,
    office_caltech_10,
    office_home,
    office_home_10,
    pacs,
    svhn,
    syn_digits,
    syn_digits_official,
    syn_signs,
    usps,
    visda,
)

__all__ = ["Dataset", "datasets"]
