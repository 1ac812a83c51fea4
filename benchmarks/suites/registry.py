"""All suites by name."""

from stormbench.benchmarks.suites.corruptions import SUITES, Suite
from stormbench.benchmarks.suites.sequences import SEQUENCE_SUITES, SequenceSuite


def find_suite(name: str) -> Suite | SequenceSuite:
    """The suite of that name, of images or of sequences.

    Raises:
        UnknownNameError: there is none.
    """
    return SEQUENCE_SUITES[name] if name in SEQUENCE_SUITES else SUITES[name]
