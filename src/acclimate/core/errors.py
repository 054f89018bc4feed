"""Every error that a user can cause, each one line: what, where, what to do.

::

    AcclimateError
    ├── ConfigurationError     an option is wrong, unknown or contradicts another
    │   └── UnknownNameError   a name that no registry holds, with the near miss
    ├── DataError              the data cannot be used as it is
    │   ├── ChecksumError      a file is not the one it should be
    │   └── InputError         an array given to an estimator, a ValueError as scikit-learn has it
    ├── RunError               a run folder cannot be read, written or continued
    ├── RecordError            a record is not one, or was written by a newer version
    └── ModelFileError         a model file is not one

The command line prints the message and exits with 2; a library user catches ``AcclimateError``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AcclimateError(Exception):
    """Base of all errors that are part of the interface."""


class ConfigurationError(AcclimateError):
    """An option is wrong, unknown, or contradicts another."""


class UnknownNameError(ConfigurationError, KeyError):
    """A name that is not registered; the message names the nearest ones."""

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return str(self.args[0])


class DataError(AcclimateError):
    """The data cannot be used as it is."""


class ChecksumError(DataError):
    """A file's content is not what its publisher's checksum says."""


class InputError(DataError, ValueError):
    """An array or option given to a scikit-learn estimator cannot be used as it is."""


class RunError(AcclimateError):
    """A run folder cannot be read, written or continued."""


class DivergedError(RunError):
    """Training ended before there was a checkpoint to keep."""


class RecordError(AcclimateError):
    """A record is not one, or was written by a newer version."""


class ModelFileError(AcclimateError):
    """A file that was given as a model is not one."""


def near_miss(name: str, options: Iterable[str]) -> str:
    """``" Did you mean 'dann'?"`` for a near miss, otherwise the list of what there is.

    >>> near_miss("dan", ["dann", "source-only"])
    " Did you mean 'dann'?"
    >>> near_miss("xyz", ["b", "a"])
    ' Known: a, b.'
    """
    options = sorted(options)
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.6)
    if close:
        return f" Did you mean {close[0]!r}?"
    return f" Known: {', '.join(options)}." if options else ""
