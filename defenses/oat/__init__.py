"""OAT and OATS: one network whose trade-off between accuracy, robustness and cost is chosen when it is called.

Wang et al. 2020 (arXiv 2010.11828). Nothing here imports torch before something is built.
"""

from typing import TYPE_CHECKING

import lazy_loader

from stormbench.defenses.oat.recipe import Recipe

if TYPE_CHECKING:
    from stormbench.defenses.oat.encodings import LambdaEncoding
    from stormbench.defenses.oat.film import FiLM
    from stormbench.defenses.oat.layers import DualBatchNorm2d, SlimmableConv2d, SlimmableLinear
    from stormbench.defenses.oat.model import ConditionalModel, ModelAt, conditional
    from stormbench.defenses.oat.networks import ARCHITECTURES
    from stormbench.defenses.oat.spec import NetworkSpec
    from stormbench.defenses.oat.training import train

__all__ = [
    "ARCHITECTURES",
    "ConditionalModel",
    "DualBatchNorm2d",
    "FiLM",
    "LambdaEncoding",
    "ModelAt",
    "NetworkSpec",
    "Recipe",
    "SlimmableConv2d",
    "SlimmableLinear",
    "conditional",
    "train",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "encodings": ["LambdaEncoding"],
        "film": ["FiLM"],
        "layers": ["DualBatchNorm2d", "SlimmableConv2d", "SlimmableLinear"],
        "model": ["ConditionalModel", "ModelAt", "conditional"],
        "networks": ["ARCHITECTURES"],
        "spec": ["NetworkSpec"],
        "training": ["train"],
    },
)
