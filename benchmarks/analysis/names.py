"""What models are called where people read it."""

from pathlib import PurePosixPath

from stormbench.benchmarks.results.plain_text import shown
from stormbench.benchmarks.results.settings import Settings


def model_name(result: Settings) -> str:
    """The model, and the defense that it stood behind."""
    return shown(result.model.source) + (f" behind {shown(result.defense.spec)}" if result.defense else "")


def short_model_name(result: Settings) -> str:
    """The same as people say it."""
    short = shown(short_name(result.model.source))
    return short + (f" behind {shown(result.defense.spec)}" if result.defense else "")


def short_name(source: str) -> str:
    """What people call a model: its source without the kind of source, the folders, and what is said twice.

    Example:
        >>> [short_name(name) for name in ("timm:vgg11", "python:lab.nets:small", "checkpoint:a/vgg11.pth@vgg11")]
        ['vgg11', 'small', 'vgg11']
        >>> short_name("checkpoint:runs/best.pth@resnet50")
        'best@resnet50'
        >>> short_name("checkpoint:runs/resnet20-12fc.th@python:lab/nets.py:resnet20")
        'resnet20-12fc'
        >>> short_name("oat:runs/wide/model.safetensors@lam=0.2,width=0.5")
        'wide lam=0.2 width=0.5'
    """
    kind, _, rest = source.partition(":")
    if kind == "python":
        return rest.rpartition(":")[2] or source
    if kind == "oat":
        path, _, chosen = rest.rpartition("@")
        return f"{PurePosixPath(path).parent.name or PurePosixPath(path).stem} {chosen.replace(',', ' ')}"
    if kind != "checkpoint":
        return rest or source
    path, _, architecture = rest.rpartition("@")
    stem, network = PurePosixPath(path or rest).stem, architecture.rpartition(":")[2]
    return stem if not path or stem.startswith(network) else f"{stem}@{network}"
