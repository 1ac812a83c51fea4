"""All suites by name."""

from stormbench.benchmarks.suites.corruptions import CORRUPTION_SUITES, CorruptionSuite
from stormbench.benchmarks.suites.sequences import SEQUENCE_SUITES, SequenceSuite
from stormbench.errors import InputError
from stormbench.registry import Registry

Suite = CorruptionSuite | SequenceSuite

SUITES: Registry[Suite] = Registry("suite", [*CORRUPTION_SUITES, *SEQUENCE_SUITES])


def corruption_suite(suite: str | Suite) -> CorruptionSuite:
    """The suite of that name, which has to be one of corruptions.

    Raises:
        UnknownNameError: there is no such suite.
        InputError: it is one of perturbation sequences.
    """
    found = SUITES[suite] if isinstance(suite, str) else suite
    if isinstance(found, SequenceSuite):
        names = ", ".join(each.name for each in CORRUPTION_SUITES)
        raise InputError(f"{found.name} is a suite of sequences; a suite of corruptions is wanted here: {names}")
    return found
