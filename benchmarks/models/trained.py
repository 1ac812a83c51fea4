"""Networks that ``stormbench train RECIPE`` wrote: ``net:PATH``."""

from pathlib import Path

from stormbench.defenses.training.card import TrainedNetwork, read_network


def load(identifier: str) -> TrainedNetwork:
    """Reads a trained network; its normalisation is inside.

    Raises:
        ModelError: the file is missing, no such network, or was changed.
        MissingDependencyError: the library of its architecture is not installed.
    """
    return read_network(Path(identifier))[0]
