"""Trains the demo's networks: ``python -m stormbench.benchmarks.demo.train`` writes their safetensors anew."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from safetensors.torch import save_file
from torch import nn

from stormbench.benchmarks.demo.networks import architecture
from stormbench.cells import Pixels
from stormbench.corruptions import corrupt
from stormbench.datasets import open_images

EPOCHS = 40


BATCH = 64


def _as_it_is(image: Pixels, _: Generator) -> Pixels:
    return image


def _speckled_or_blurred(image: Pixels, rng: Generator) -> Pixels:
    name = ("speckle_noise", "gaussian_blur")[rng.integers(2)]
    return corrupt(image, name, int(rng.integers(1, 6)), scale="cifar", rng=rng)


AUGMENTATIONS: dict[str, Callable[[Pixels, Generator], Pixels]] = {"plain": _as_it_is, "noisy": _speckled_or_blurred}


def train(augment: Callable[[Pixels, Generator], Pixels], *, seed: int = 0) -> nn.Sequential:
    """Trains one network on the training part of the digits with Adam and a one-cycle rate.

    Args:
        augment: what happens to each training image, anew in every epoch.
        seed: of the initial weights, the order and the augmentation.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    digits = open_images("digits:train")
    images = [np.asarray(digits.read(index)) for index in range(len(digits))]
    labels = torch.from_numpy(digits.labels)
    model = architecture()
    optimiser = torch.optim.Adam(model.parameters())
    steps = EPOCHS * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1e-2, total_steps=steps)
    for _ in range(EPOCHS):
        for batch in torch.from_numpy(rng.permutation(len(images))).split(BATCH):
            pixels = np.stack([augment(images[index], rng) for index in batch])
            inputs = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div(255)
            loss = nn.functional.cross_entropy(model(inputs), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return model.eval()


if __name__ == "__main__":
    for name, augment in AUGMENTATIONS.items():
        save_file(train(augment).state_dict(), Path(__file__).with_name(f"{name}.safetensors"))
