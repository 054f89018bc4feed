"""Data: the registered sets, and what opens sets, folders and files as a ``Domain``.

Adding a data set is one file under ``sets`` and one line in the import list below.
"""

from __future__ import annotations

from acclimate.data.registry import Dataset, datasets
from acclimate.data.sets import (  # noqa: F401  each registers itself
    amazon_reviews,
    blobs,
    cuhk01,
    cuhk03,
    digits,
    digits_m,
    font_digits,
    gtsrb,
    market_1501,
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
    prid2011,
    svhn,
    syn_digits,
    syn_digits_official,
    syn_signs,
    usps,
    viper,
    visda,
)

__all__ = ["Dataset", "datasets"]
