"""What models are called where people read it."""

from stormbench.benchmarks.plain_text import shown
from stormbench.benchmarks.results import Result


def model_name(result: Result) -> str:
    """The model, and the defense that it stood behind."""
    return shown(result.model.source) + (f" behind {shown(result.defense.spec)}" if result.defense else "")


def short_name(source: str) -> str:
    """What people call a model: its source without the kind of source and the folders.

    Example:
        >>> [short_name(name) for name in ("timm:vgg11", "python:lab.nets:small", "checkpoint:a/b.pth@vgg11")]
        ['vgg11', 'small', 'b.pth@vgg11']
    """
    kind, _, rest = source.partition(":")
    separator = {"python": ":", "checkpoint": "/"}.get(kind)
    return (rest.rpartition(separator)[2] if separator else rest) or source
