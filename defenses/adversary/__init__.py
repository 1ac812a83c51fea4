"""The adversary that judges defenses: attacks in pure torch, and the evaluation that joins them."""

__all__: list[str] = []
