"""Where a model can come from: a table that needs no torch, so that it can be listed at once."""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePath

from stormbench.errors import ModelError
from stormbench.registry import Registry


@dataclass(frozen=True)
class ModelSource:
    """One way to name a model.

    Attributes:
        name: what stands before the first colon.
        spelling: how a user writes it in full.
        summary: one line on what it is.
    """

    name: str
    spelling: str
    summary: str


MODEL_SOURCES = Registry(
    "model source",
    [
        ModelSource(
            "torchvision",
            "torchvision:NAME[@WEIGHTS]",
            "torchvision's published weights; by default the ones it calls DEFAULT: torchvision:resnet50@IMAGENET1K_V1",
        ),
        ModelSource(
            "timm",
            "timm:NAME[.TAG]",
            "timm's published weights (pip install 'stormbench[timm]'): timm:resnet50.a1_in1k",
        ),
        ModelSource(
            "checkpoint",
            "checkpoint:PATH[#PART]@ARCHITECTURE",
            "a state dict (.pth, .safetensors) in a torchvision constructor, timm:NAME or python:FILE.py:FACTORY",
        ),
        ModelSource(
            "python",
            "python:MODULE:FACTORY",
            "what a function of yours returns; also python:path/to/FILE.py:FACTORY. This runs the file's code",
        ),
        ModelSource(
            "oat",
            "oat:PATH@lam=LAMBDA[,width=WIDTH]",
            "what `stormbench train oat`, `oats` or `pgd` wrote, at one trade-off: oat:run/model.safetensors@lam=0.2",
        ),
        ModelSource("net", "net:PATH", "what `stormbench train RECIPE` wrote: net:run/model.safetensors"),
    ],
)


# What a name without a source could have meant, by its suffix.
_SPELLINGS = {
    "": "torchvision:{0}, timm:{0}, checkpoint:PATH@{0} or python:MODULE:{0}",
    ".py": "python:{}:FACTORY",
    **dict.fromkeys((".pth", ".pt", ".th", ".tar", ".ckpt", ".safetensors"), "checkpoint:{}@ARCHITECTURE"),
}


def split_spec(spec: str) -> tuple[str, str]:
    """Splits ``source:identifier`` at the first colon and looks no further: paths and drive letters survive.

    Raises:
        ModelError: there is no such source, or nothing behind it; the message says how to spell it. No source is
            guessed, because the wrong guess would score other weights than the user meant.

    Example:
        >>> split_spec("checkpoint:C:/weights@home/net.pth@resnet50")
        ('checkpoint', 'C:/weights@home/net.pth@resnet50')
    """
    source, colon, identifier = spec.partition(":")
    if source in MODEL_SOURCES and identifier:
        return source, identifier
    if colon and source in MODEL_SOURCES:
        raise ModelError(f"{spec!r} names no model; write {MODEL_SOURCES[source].spelling}")
    if colon and (near := get_close_matches(source.lower(), MODEL_SOURCES, n=1)):
        raise ModelError(f"there is no model source {source!r}; did you mean {near[0]}:{identifier}?")
    spellings = _SPELLINGS.get(PurePath(spec).suffix, _SPELLINGS[""])
    raise ModelError(f"{spec!r} does not say where the model comes from; write {spellings.format(spec)}")
