"""A stranger's text as it may be shown: one line, and nothing invisible in it."""

import unicodedata

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


def _spelt(character: str) -> str:
    if unicodedata.category(character) not in _UNSHOWN:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
