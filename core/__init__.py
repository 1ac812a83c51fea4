"""stormbench: how well does an image classifier hold up when the weather turns?

Generates ImageNet-C and ImageNet-P style corruptions (Hendrycks and Dietterich 2019, arXiv 1903.12261), scores models
on them, bare or behind a defense, and compares the results.
"""

from stormbench._version import __version__
from stormbench.errors import StormbenchError

__all__ = ["StormbenchError", "__version__"]
