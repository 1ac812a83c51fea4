"""Pre-processing defenses, one file each, each from its paper."""

__all__: list[str] = []
