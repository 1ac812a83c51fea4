"""RAIN's steps do what the paper's published code does."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from stormbench.defenses import defend, own_weights_digest
from stormbench.defenses.base import Randomness
from stormbench.defenses.rain.defense import RAIN
from stormbench.defenses.rain.edsr import EDSR
from stormbench.defenses.rain.enhancers import load_enhancer
from stormbench.defenses.rain.randomization import largest_shift, random_downsampling, random_shift
from stormbench.defenses.rain.small import SmallEnhancer
from stormbench.errors import InputError, MissingDependencyError, ModelError
from stormbench.torchvision_guard import import_torchvision
from stormbench.weights import write_weights


def test_down_sampling_keeps_one_pixel_of_each_cell_uniformly_and_per_channel() -> None:
    position = (
        torch.arange(4.0).reshape(2, 2).repeat(32, 32).expand(8, 3, 64, 64)
    )  # a pixel's value: its place in the cell
    chosen = random_downsampling(position, Randomness(0))
    assert chosen.shape == (8, 3, 32, 32)
    counts = torch.bincount(chosen.long().flatten(), minlength=4).double()
    total = counts.sum()
    assert (counts / total - 0.25).abs().max() < 5 * math.sqrt(0.25 * 0.75 / total)
    agree = (chosen[:, 0] == chosen[:, 1]).double().mean()
    assert abs(agree - 0.25) < 5 * math.sqrt(0.25 * 0.75 / (8 * 32 * 32))


def test_down_sampling_takes_pixels_from_their_own_cell() -> None:
    cell = torch.arange(16.0).reshape(4, 4).repeat_interleave(2, 0).repeat_interleave(2, 1).expand(2, 3, 8, 8)
    assert torch.equal(random_downsampling(cell, Randomness(1)), torch.arange(16.0).reshape(4, 4).expand(2, 3, 4, 4))


def test_shift_is_circular_uniform_and_within_reach() -> None:
    marked = torch.zeros(3000, 1, 40, 60)
    marked[:, :, 0, 0] = 1
    shifted = random_shift(marked, 0.05, Randomness(0))
    _, _, rows, columns = shifted.nonzero(as_tuple=True)
    rows, columns = (rows + 20) % 40 - 20, (columns + 30) % 60 - 30
    assert set(rows.tolist()) == set(range(-2, 3))  # floor(0.05 * 40) = 2
    assert set(columns.tolist()) == set(range(-3, 4))
    assert torch.bincount(rows + 2).min() > 3000 / 5 - 5 * math.sqrt(3000 * 0.2 * 0.8)
    assert shifted.sum() == 3000


def test_shift_equals_roll() -> None:
    images = torch.rand(4, 3, 32, 48)
    shifted = random_shift(images, 0.2, Randomness(2))
    again = Randomness(2)
    down = again.integers(-6, 6, images, 1)
    right = again.integers(-9, 9, images, 1)
    for image, result, dv, dh in zip(images, shifted, down, right, strict=True):
        assert torch.equal(result, image.roll((int(dv), int(dh)), dims=(1, 2)))


def test_the_published_code_shifts_a_batch_alike_and_chooses_pixels_apart() -> None:
    marked = torch.zeros(6, 3, 40, 40)
    marked[:, :, 0, 0] = 1
    draws = Randomness(0)
    shifts = {tuple(random_shift(marked, 0.2, draws, per_batch=True)[0, 0].nonzero()[0].tolist()) for _ in range(9)}
    assert len(shifts) > 4
    shifted = random_shift(marked, 0.2, draws, per_batch=True)
    assert all(torch.equal(each, shifted[0]) for each in shifted)
    images = torch.rand(1, 3, 64, 64).expand(6, -1, -1, -1)
    defended = defend(nn.Identity(), "rain:shift_per_batch=true")
    assert not torch.equal(*defended.transform(images)[:2])


def test_reach_of_the_published_sizes() -> None:
    assert [largest_shift(side, 0.05) for side in (112, 48, 16)] == [5, 2, 1]


@pytest.mark.parametrize("settings", ["", "downsampling=bicubic", "shift=0"])
def test_gradients_reach_the_pixels(settings: str) -> None:
    images = torch.rand(2, 3, 35, 32, requires_grad=True)
    defended = defend(nn.Sequential(nn.Flatten(), nn.LazyLinear(3)), f"rain:{settings}")
    defended(images).sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


def test_bicubic_ablation_without_shift_is_deterministic() -> None:
    defended = defend(nn.Identity(), "rain:downsampling=bicubic,shift=0")
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(defended.transform(images), defended.transform(images))


def test_bicubic_ablation_averages_over_what_it_drops() -> None:
    """As Pillow does, and as interpolation without antialiasing does not."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(pixels).resize((24, 16), Image.Resampling.BICUBIC)) / 255
    images = torch.from_numpy(pixels / 255).permute(2, 0, 1)[None]
    seen = RAIN(nn.Identity(), downsampling="bicubic", shift=0).degrade(images)
    np.testing.assert_allclose(seen[0].permute(1, 2, 0).numpy(), expected, atol=1.5 / 255)
    without = functional.interpolate(images, scale_factor=0.5, mode="bicubic").clamp(0, 1)
    assert (seen - without).abs().mean() > 3 / 255


def test_an_untrained_small_enhancer_is_bilinear(tmp_path: Path) -> None:
    write_weights(SmallEnhancer(features=8, blocks=2), tmp_path / "small.safetensors")
    small = torch.rand(1, 3, 16, 16)
    enhancer = load_enhancer("small", tmp_path / "small.safetensors")
    assert torch.equal(enhancer(small), load_enhancer("bilinear")(small))


def test_the_digest_is_of_the_defenses_own_weights(tmp_path: Path) -> None:
    digests = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        write_weights(SmallEnhancer(features=4, blocks=1), tmp_path / "small.safetensors")
        model = nn.Linear(3, 3)  # another one every time
        torch.nn.init.normal_(model.weight, generator=torch.Generator().manual_seed(len(digests)))
        defended = defend(model, f"rain:upsampler=small,weights={tmp_path / 'small.safetensors'}")
        digests.append(own_weights_digest(defended))
    assert digests[0] == digests[1] != digests[2]
    assert own_weights_digest(defend(nn.Identity(), "rain")) is None


def edsr_layout() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the public ``edsr_baseline_x2`` state dict, written down independently of our class."""
    layout: dict[str, tuple[int, ...]] = {}

    def convolution(name: str, channels_out: int, channels_in: int, size: int = 3) -> None:
        layout[f"{name}.weight"] = (channels_out, channels_in, size, size)
        layout[f"{name}.bias"] = (channels_out,)

    convolution("sub_mean", 3, 3, 1)
    convolution("add_mean", 3, 3, 1)
    convolution("head.0", 64, 3)
    for block in range(16):
        convolution(f"body.{block}.body.0", 64, 64)
        convolution(f"body.{block}.body.2", 64, 64)
    convolution("body.16", 64, 64)
    convolution("tail.0.0", 256, 64)
    convolution("tail.1", 3, 64)
    return layout


@pytest.mark.parametrize("prefix", ["", "model.", "module."])
def test_edsr_reads_the_published_layout(prefix: str, tmp_path: Path) -> None:
    draw = torch.Generator().manual_seed(0)
    weights = {prefix + name: torch.randn(shape, generator=draw) * 0.02 for name, shape in edsr_layout().items()}
    torch.save(weights, tmp_path / "edsr.pt")
    enhancer = load_enhancer("edsr", tmp_path / "edsr.pt")
    assert torch.equal(enhancer.state_dict()["tail.1.weight"], weights[f"{prefix}tail.1.weight"])
    assert enhancer(torch.rand(1, 3, 16, 17)).shape == (1, 3, 32, 34)
    assert (
        sum(weight.numel() for weight in enhancer.parameters()) == 1_369_859 + 24
    )  # the two mean shifts are stored too


def test_edsr_with_silent_residuals_returns_the_mean_it_took_away() -> None:
    network = EDSR()
    for name, weight in network.named_parameters():
        if "mean" not in name:
            nn.init.zeros_(weight)
    flat = network(torch.rand(1, 3, 8, 8))
    torch.testing.assert_close(flat[0, :, 3, 5], torch.tensor([0.4488, 0.4371, 0.4040]))


def test_imdn_weights_restore_detail(shared: Path) -> None:
    enhancer = load_enhancer("imdn", shared / "data/sr-weights/IMDN_x2.pth").eval()
    picture = Image.open(shared / "data/sr-weights/Set5/HR/butterfly.bmp").convert("RGB").crop((0, 0, 128, 128))
    small = torch.from_numpy(np.asarray(picture.resize((64, 64), Image.Resampling.BICUBIC)).copy())
    large = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None] / 255
    small = small.permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        ours = functional.mse_loss(enhancer(small), large)
        plain = functional.mse_loss(load_enhancer("bicubic")(small), large)
    assert ours < plain / 2  # 3 dB; the whole of Set5 gains 4


def spandrel_network(scale: int) -> nn.Module:
    import_torchvision()
    compact = pytest.importorskip("spandrel.architectures.Compact")
    network: nn.Module = compact.Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=scale)
    return network


def test_spandrel_recognises_a_network_by_its_weights(tmp_path: Path) -> None:
    network = spandrel_network(2).eval()
    torch.save(network.state_dict(), tmp_path / "compact.pth")
    small = torch.rand(1, 3, 16, 16)
    assert torch.equal(load_enhancer("spandrel", tmp_path / "compact.pth").eval()(small), network(small))


def test_missing_spandrel_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(MissingDependencyError, match="pip install spandrel"):
        load_enhancer("spandrel", tmp_path / "any.pth")


def test_spandrel_networks_of_another_kind_are_refused(tmp_path: Path) -> None:
    torch.save(spandrel_network(4).state_dict(), tmp_path / "four.pth")
    with pytest.raises(ModelError, match=r"four.pth holds a x4 network from 3 to 3 channels"):
        load_enhancer("spandrel", tmp_path / "four.pth")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "unknown.pth")
    with pytest.raises(ModelError, match=r"spandrel knows no architecture that has the weights of .*unknown.pth"):
        load_enhancer("spandrel", tmp_path / "unknown.pth")


@pytest.mark.parametrize("upsampler", ["small", "edsr", "imdn"])
def test_the_wrong_architecture_is_one_clear_error(upsampler: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.pth"
    torch.save({"head.weight": torch.zeros(8, 1, 3, 3)}, path)
    with pytest.raises(ModelError, match=r"wrong.pth does not fit \w+: .*head\.weight"):
        load_enhancer(upsampler, path)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", r"broken\S+ is not a"), (b"hello", r"broken\S+ is not a"), (None, "there is no checkpoint")],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_broken_file_is_one_clear_error(content: bytes | None, message: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"broken{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        load_enhancer("small", path)


def test_a_pickle_that_runs_code_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "code.pth"
    torch.save({"weights": Path("/")}, path)
    with pytest.raises(ModelError, match=r"code\.pth holds more than weights and could run code"):
        load_enhancer("small", path)


@pytest.mark.parametrize(("features", "blocks"), [(0, 3), (4, -1)])
def test_an_impossible_enhancer_is_refused(features: int, blocks: int) -> None:
    with pytest.raises(InputError, match="at least 1 feature"):
        SmallEnhancer(features, blocks)
