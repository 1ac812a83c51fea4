"""Names as they are shown: whatever a stranger wrote stays one line of visible text."""

import unicodedata

from stormbench.benchmarks.results import Result

# Categories without a visible sign, or that turn what follows them around: control, format, surrogate, private,
# unassigned, line and paragraph separators.
_UNSHOWN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def shown(text: str, *, longest: int | None = None) -> str:
    r"""The text with every invisible character spelt out, and cut in the middle where it is too long.

    Example:
        >>> shown("resnet\u202e05")
        'resnet\\u202e05'
        >>> shown("x" * 50, longest=9)
        'xxxx…xxxx'
    """
    spelt = "".join(_spelt(character) for character in text)
    if longest is None or len(spelt) <= longest:
        return spelt
    kept = (longest - 1) // 2
    return f"{spelt[:kept]}…{spelt[-kept:]}"


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


def _spelt(character: str) -> str:
    if unicodedata.category(character) not in _UNSHOWN:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
