"""What the paper's table 1 prints, in percent of the target's test items."""

from __future__ import annotations

from itertools import permutations

DOMAINS = ("books", "dvd", "electronics", "kitchen")
TASKS = tuple(f"{source}-{target}" for source, target in permutations(DOMAINS, 2))

#: Ganin et al., JMLR 17(59), 2016, table 1a: DANN, NN, SVM on counts and on mSDA
_PRINTED = {
    "books-dvd": (78.4, 79.0, 79.9, 82.9, 82.4, 83.0),
    "books-electronics": (73.3, 74.7, 74.8, 80.4, 77.0, 76.6),
    "books-kitchen": (77.9, 77.8, 76.9, 84.3, 84.2, 82.1),
    "dvd-books": (72.3, 72.0, 74.3, 82.5, 82.3, 82.6),
    "dvd-electronics": (75.4, 73.2, 74.8, 80.9, 76.8, 73.9),
    "dvd-kitchen": (78.3, 77.8, 74.6, 84.9, 85.3, 84.2),
    "electronics-books": (71.3, 70.9, 70.5, 77.4, 77.0, 76.2),
    "electronics-dvd": (73.8, 73.3, 72.6, 78.1, 75.9, 77.0),
    "electronics-kitchen": (85.4, 85.4, 84.7, 88.1, 86.3, 84.7),
    "kitchen-books": (70.9, 70.8, 70.7, 71.8, 72.1, 76.9),
    "kitchen-dvd": (74.0, 73.9, 73.6, 78.9, 78.9, 78.8),
    "kitchen-electronics": (84.3, 84.1, 84.2, 85.6, 85.0, 86.1),
}
COLUMNS = ("dann", "nn", "svm", "msda-dann", "msda-nn", "msda-svm")


def published(row: str) -> dict[str, float]:
    """The paper's accuracies of ``row`` by task; empty for a row that it does not have."""
    if row not in COLUMNS:
        return {}
    place = COLUMNS.index(row)
    return {task: cells[place] for task, cells in _PRINTED.items()}
