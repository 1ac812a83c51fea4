"""Each rival does what its paper says, checked against an independent implementation where there is one."""

import io
import math

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import median_filter
from skimage.color import rgb2ycbcr, ycbcr2rgb
from skimage.restoration import denoise_tv_chambolle, denoise_wavelet
from torch import Tensor, nn
from torch.nn import functional

from stormbench.defenses import defend
from stormbench.defenses.attacks import Ball, make_attack, run_attack
from stormbench.defenses.preprocessing.clahe import CLAHE
from stormbench.defenses.preprocessing.pixel_deflection import PixelDeflection
from stormbench.defenses.preprocessing.resize_pad import ResizePad
from stormbench.defenses.preprocessing.smoothing import ABSTAINED, Smoothing, certify
from stormbench.defenses.preprocessing.tvm import least_variation
from stormbench.defenses.preprocessing.wavelet import denoise
from stormbench.errors import InputError


def photo(seed: int) -> np.ndarray:
    """Smooth colours over the whole range, as in a picture out of focus."""
    blurred = cv2.GaussianBlur(np.random.default_rng(seed).random((40, 48, 3), np.float32), (0, 0), 2)
    return np.asarray((blurred - blurred.min()) / (blurred.max() - blurred.min()))


PHOTO = torch.from_numpy(np.stack([photo(0), photo(1)])).permute(0, 3, 1, 2)


def transform(spec: str, images: Tensor) -> Tensor:
    return defend(nn.Identity(), spec).transform(images)


def as_pixels(image: Tensor) -> np.ndarray:
    return (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def test_jpeg_is_pillows() -> None:
    buffer = io.BytesIO()
    Image.fromarray(as_pixels(PHOTO[0])).save(buffer, "JPEG", quality=40)
    expected = np.asarray(Image.open(buffer)) / 255
    np.testing.assert_allclose(transform("jpeg:quality=40", PHOTO)[0].permute(1, 2, 0), expected, atol=1e-6)


def test_bit_depth_leaves_so_many_values() -> None:
    ramp = torch.linspace(0, 1, 300).expand(1, 3, 4, 300)
    seen = transform("bit-depth:bits=3", ramp)
    torch.testing.assert_close(seen.unique(), torch.arange(8) / 7)
    assert (seen - ramp).abs().max() <= 1 / 14 + 1e-6


@pytest.mark.parametrize("size", [2, 3, 5])
def test_median_is_scipys(size: int) -> None:
    expected = median_filter(PHOTO.numpy(), size=(1, 1, size, size), mode="mirror")
    np.testing.assert_array_equal(transform(f"median:size={size}", PHOTO).numpy(), expected)


def test_clahe_acts_on_lightness_with_the_stated_clip_and_tiles() -> None:
    lab = cv2.cvtColor(as_pixels(PHOTO[0]), cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(2.0, (4, 4)).apply(lab[..., 0])
    expected = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) / 255
    seen = CLAHE(nn.Identity()).transform(PHOTO)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(seen, expected, atol=1e-6)
    assert seen.std() > PHOTO[0].numpy().std()


def energy(z: Tensor, images: Tensor, kept: Tensor, weight: float) -> float:
    """What total-variation minimisation minimises, written down independently."""
    wide = functional.pad(z, (0, 1, 0, 1), mode="replicate")
    down, right = wide[:, :, 1:, :-1] - z, wide[:, :, :-1, 1:] - z
    return float((kept * (z - images).square() / 2 + weight * torch.hypot(down, right)).sum())


@pytest.mark.parametrize("weight", [0.03, 0.2])
def test_total_variation_is_scikit_images(weight: float) -> None:
    noisy = (PHOTO + 0.05 * torch.randn(PHOTO.shape, generator=torch.Generator().manual_seed(0))).double()
    everything = torch.ones(2, 1, 40, 48, dtype=torch.bool)
    ours = least_variation(noisy, everything, weight, steps=500)
    found = [
        denoise_tv_chambolle(image.permute(1, 2, 0).numpy(), weight, eps=1e-9, max_num_iter=500, channel_axis=2)
        for image in noisy
    ]
    theirs = torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2)
    torch.testing.assert_close(ours, theirs, atol=0.01, rtol=0)
    ratio = energy(ours, noisy, everything, weight) / energy(theirs, noisy, everything, weight)
    assert ratio == pytest.approx(1, abs=1e-3)


def test_tvm_fills_in_what_it_dropped() -> None:
    seen = transform("tvm:keep=0.5,weight=0.01", PHOTO)
    grey = PHOTO.mean((2, 3), keepdim=True)
    assert (seen - PHOTO).abs().mean() < 0.2 * (grey - PHOTO).abs().mean()
    assert not torch.equal(seen, transform("tvm:keep=0.5,weight=0.01,seed=1", PHOTO))


def test_tvm_is_near_the_minimum_after_its_default_steps() -> None:
    kept = torch.rand(2, 1, 40, 48, generator=torch.Generator().manual_seed(0)) < 0.5
    kept[:, :, 5:15, 5:15] = False  # a hole that has no kept pixel near it

    found, best = (energy(least_variation(PHOTO, kept, 0.03, steps=n), PHOTO, kept, 0.03) for n in (30, 3000))
    assert best < found < 1.05 * best
    assert found < 0.8 * energy(PHOTO, PHOTO, kept, 0.03)


@pytest.mark.parametrize("rescale_sigma", [True, False])
def test_wavelets_take_noise_away(rescale_sigma: bool) -> None:
    noisy = (PHOTO + 0.04 * torch.randn(PHOTO.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    seen = denoise(noisy, 0.04, rescale_sigma=rescale_sigma)
    assert (seen - PHOTO).square().mean() < 0.9 * (noisy - PHOTO).square().mean()
    assert torch.equal(denoise(noisy, 0, rescale_sigma=rescale_sigma), noisy)


def test_wavelets_are_those_of_the_papers_scikit_image() -> None:
    """Before 0.16 each channel of YCbCr was brought to 0..1 and got the sigma as it is."""
    ycbcr = rgb2ycbcr(as_pixels(PHOTO[0]) / 255)
    for channel in range(3):
        low, high = ycbcr[..., channel].min(), ycbcr[..., channel].max()
        within = (ycbcr[..., channel] - low) / (high - low)
        cleaned = denoise_wavelet(within, sigma=0.04, mode="soft", method="BayesShrink", rescale_sigma=False)
        ycbcr[..., channel] = cleaned * (high - low) + low
    seen = denoise(PHOTO[:1], 0.04, rescale_sigma=False)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(seen, ycbcr2rgb(ycbcr).clip(0, 1), atol=1e-5)


def test_deflection_copies_near_values_of_each_channel_by_itself() -> None:
    place = torch.arange(30 * 40.0).reshape(1, 1, 30, 40).expand(3, 3, 30, 40)
    seen = PixelDeflection(nn.Identity(), deflections=200, window=4).deflect(place)
    moved = seen != place
    assert not torch.equal(moved[:, 0], moved[:, 1])
    assert not torch.equal(seen[0], seen[1])
    each = moved.sum(dim=(2, 3))
    assert each.min() > 50  # of 67 places some are drawn twice, or replaced by themselves
    assert each.max() <= 67
    rows, columns = seen // 40 - place // 40, seen % 40 - place % 40
    assert rows.abs().max() == 4
    assert columns.abs().max() == 4


def test_no_deflection_comes_from_the_first_row_or_column() -> None:
    """The authors' condition; a place outside the image is drawn again, not moved to the border."""
    place = torch.arange(6 * 7.0).reshape(1, 1, 6, 7).expand(200, 3, 6, 7)
    seen = PixelDeflection(nn.Identity(), deflections=60, window=10).deflect(place)
    sources = seen[seen != place].long()
    assert set((sources // 7).tolist()) == set(range(1, 6))
    assert set((sources % 7).tolist()) == set(range(1, 7))
    shares = torch.bincount(sources // 7)[1:] / len(sources)
    assert (shares - 0.2).abs().max() < 0.03  # uniform, so the border is no likelier
    assert PixelDeflection(nn.Identity()).deflect(torch.rand(2, 3, 1, 1)).shape == (2, 3, 1, 1)


def test_resize_pad_has_the_published_sizes_and_grey() -> None:
    defense = ResizePad(nn.Identity())
    images = torch.zeros(60, 3, 299, 299)
    images[..., ::2] = 1
    seen = defense.transform(images)
    assert seen.shape == (60, 3, 331, 331)
    assert set(seen.unique().tolist()) == {0.0, 0.5, 1.0}  # nearest neighbours mix nothing; padding is mid-grey
    sides = (seen[:, 0] != 0.5).any(dim=2).sum(1)
    assert sides.min() >= 310
    assert sides.max() <= 330
    assert sides.unique().numel() > 8
    tops = (seen[:, 0] != 0.5).any(dim=2).int().argmax(1)
    assert tops.unique().numel() > 3
    assert ResizePad(nn.Identity(), interpolation="bilinear").transform(images[:1]).unique().numel() > 3


def test_wavelet_sr_sizes() -> None:
    assert transform("wavelet-sr", PHOTO).shape == PHOTO.shape
    assert transform("wavelet-sr:enlarged=true", PHOTO).shape == (2, 3, 80, 96)
    assert (transform("wavelet-sr:sigma=0", PHOTO) - PHOTO).abs().mean() < 0.02


class Halves(nn.Module):
    """Class 1 where the mean is above a half: under noise of the mean's own scale every probability is known."""

    def forward(self, images: Tensor) -> Tensor:
        mean = images.mean(dim=(1, 2, 3)) - 0.5
        return 20 * torch.stack([-mean, mean], dim=1)


def test_certified_radius_of_a_half_space() -> None:
    side, sigma = 8, 0.5
    images = torch.full((4, 3, side, side), 0.5) + torch.tensor([0.0, 0.02, 0.05, -0.03]).view(-1, 1, 1, 1)
    smoothed = Smoothing(Halves(), sigma=sigma)
    found = certify(smoothed, images, select=100, estimate=5000)
    distance = (images.mean((1, 2, 3)) - 0.5).abs() * math.sqrt(3 * side * side)  # to the plane, exactly
    assert found.prediction[0] == ABSTAINED
    assert found.prediction[1:].tolist() == [1, 1, 0]
    assert (found.radius <= distance + 1e-6).all()
    assert found.radius[1] > 0.8 * distance[1]


def test_smoothing_votes_and_gives_the_gradient_of_the_mean() -> None:
    images = torch.full((2, 3, 8, 8), 0.51, requires_grad=True)
    smoothed = Smoothing(Halves(), sigma=0.5, draws=50)
    logits = smoothed(images)
    shares = logits.exp() * (50 + 2) - 1
    torch.testing.assert_close(shares, shares.round(), atol=1e-3, rtol=0)
    torch.testing.assert_close(shares.sum(1), torch.full((2,), 50.0))
    logits[:, 1].sum().backward()
    assert images.grad is not None
    assert images.grad.min() > 0  # brighter is more of class 1, though votes are whole numbers


@pytest.mark.parametrize(
    "spec",
    [
        "jpeg:quality=0",
        "bit-depth:bits=9",
        "median:size=1",
        "clahe:clip=0",
        "tvm:keep=0",
        "wavelet-sr:sigma=-1",
        "pixel-deflection:window=0",
        "resize-pad:least=1.2",
        "resize-pad:fill=2",
        "smoothing:sigma=0",
        "smoothing:draws=0",
    ],
)
def test_numbers_out_of_range(spec: str) -> None:
    with pytest.raises(InputError, match=r"not|at least|in 0"):
        defend(nn.Identity(), spec)


def test_certify_wants_draws() -> None:
    with pytest.raises(InputError, match="at least 1"):
        certify(Smoothing(Halves()), torch.zeros(1, 3, 8, 8), select=0)


@pytest.mark.parametrize(
    "name", ["jpeg", "bit-depth", "median", "clahe", "wavelet-sr", "tvm", "pixel-deflection", "resize-pad"]
)
def test_every_rival_can_be_followed_by_an_attacker(name: str) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
    defended = defend(net, name)
    labels = net(PHOTO).argmax(1)
    moved = run_attack(make_attack("pgd:steps=8,step=0.3,loss=margin"), defended, PHOTO, labels, Ball("linf", 0.2))

    def lead(images: Tensor) -> Tensor:
        defended.reseed(0)
        with torch.no_grad():
            return torch.stack([defended(images)[i, label] for i, label in enumerate(labels)])

    assert (lead(moved) < lead(PHOTO)).all()
