"""Names of everything that a recipe can be made of, without importing torch.

A new part is a class whose keyword-only arguments are its settings, and one line here.
"""

from dataclasses import dataclass

from stormbench.registry import Registry


@dataclass(frozen=True)
class Part:
    """One part that recipes can name.

    Attributes:
        name: what stands before the colon of a specification: ``pgd:steps=10``.
        summary: one line on what it is.
        target: ``module:Name`` below ``stormbench.defenses.training``.
    """

    name: str
    summary: str
    target: str


VIEWS = Registry(
    "view",
    [
        Part("crop", "zero padding, random crop, mirror", "views.simple:Crop"),
        Part("noise", "Gaussian noise on a share of the images", "views.simple:Noise"),
    ],
)

SPACES = Registry(
    "space",
    [
        Part("pixel", "all images within a radius in linf or l2", "spaces.pixel:Pixel"),
        Part("gaussian", "Gaussian noise on every pixel", "spaces.gaussian:Gaussian"),
    ],
)

INNERS = Registry(
    "inner maximiser",
    [
        Part("none", "moves no images", "inners.pgd:NoInner"),
        Part("draw", "one random draw from the space", "inners.pgd:Draw"),
        Part("pgd", "projected gradient descent, the last point", "inners.pgd:PGD"),
        Part("carried", "the training pass's own gradient, carried over (Free)", "inners.carried:Carried"),
        Part("friendly", "PGD that stops soon after an image is misclassified (FAT)", "inners.friendly:Friendly"),
        Part(
            "instance-adaptive",
            "a radius for each image that follows its robustness (IAAT)",
            "inners.adaptive:InstanceAdaptive",
        ),
        Part("margin", "the nearest point at which the class changes (MMA)", "inners.adaptive:MarginSearch"),
    ],
)

TERMS = Registry(
    "objective",
    [
        Part("pair", "natural, adversarial and paired loss, each with a weight", "terms.pair:Pair"),
        Part("margin", "cross-entropy at the boundary, mixed with the clean one (MMA)", "terms.pair:Margin"),
        Part("align", "input gradients at an image and near it point the same way", "terms.alignment:Align"),
    ],
)

UPDATES = Registry(
    "update",
    [
        Part("plain", "the optimiser's step", ""),
        Part("awp", "the step is taken where the weights are worst", "updates:WeightPerturbation"),
    ],
)

AVERAGES = Registry(
    "average",
    [
        Part("none", "the last weights", ""),
        Part("ema", "exponential moving average over steps", "averages:ExponentialAverage"),
        Part("swa", "mean over the last epochs", "averages:StochasticWeightAverage"),
    ],
)

OPTIMISERS = Registry(
    "optimiser",
    [
        Part("sgd", "stochastic gradient descent with momentum", "optimisers:sgd"),
        Part("adamw", "AdamW", "optimisers:adamw"),
        Part("rmsprop", "RMSProp", "optimisers:rmsprop"),
    ],
)

SCHEDULES = Registry(
    "schedule",
    [
        Part("cosine", "half a cosine to 0", "optimisers:Cosine"),
        Part("steps", "falls by a factor at given shares", "optimisers:Steps"),
        Part("triangle", "rises and falls in straight lines", "optimisers:Triangle"),
        Part("constant", "stays as it is", "optimisers:Constant"),
    ],
)

POOLS = Registry(
    "data pool",
    [
        Part("one", "all images, each with its label", ""),
        Part("two", "labelled and pseudo-labelled images in a fixed mixture", "pools:TwoPools"),
    ],
)
