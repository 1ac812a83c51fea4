"""Which defenses there are. The table names classes without importing them, so listing needs no torch."""

from dataclasses import dataclass

from stormbench.registry import Registry


@dataclass(frozen=True)
class DefenseEntry:
    """One defense.

    Attributes:
        name: what a specification calls it.
        summary: one line, with the paper.
        target: ``module:Class``, where the class is a ``Defense`` whose keyword arguments are the specification's keys.
    """

    name: str
    summary: str
    target: str


_HERE = "stormbench.defenses"

DEFENSES = Registry(
    "defense",
    [
        DefenseEntry(
            "rain",
            "random down-sampling and shift, then a detail enhancer (Du 2020, arXiv 2004.14798)",
            f"{_HERE}.rain.defense:RAIN",
        ),
        DefenseEntry(
            "resize-pad",
            "random enlargement and padding (Xie 2018, arXiv 1711.01991)",
            f"{_HERE}.preprocessing.resize_pad:ResizePad",
        ),
        DefenseEntry(
            "pixel-deflection",
            "pixels replaced by near ones, then wavelets (Prakash 2018, arXiv 1801.08926)",
            f"{_HERE}.preprocessing.pixel_deflection:PixelDeflection",
        ),
        DefenseEntry(
            "wavelet-sr",
            "wavelet denoising, then super-resolution (Mustafa 2019, arXiv 1901.01677)",
            f"{_HERE}.preprocessing.wavelet_sr:WaveletSR",
        ),
        DefenseEntry(
            "jpeg",
            "JPEG compression (Das 2017, arXiv 1705.02900; Guo 2018, arXiv 1711.00117)",
            f"{_HERE}.preprocessing.jpeg:JPEG",
        ),
        DefenseEntry(
            "tvm",
            "total-variation minimisation of random pixels (Guo 2018, arXiv 1711.00117)",
            f"{_HERE}.preprocessing.tvm:TVM",
        ),
        DefenseEntry(
            "bit-depth",
            "fewer values for each channel (Xu 2018, arXiv 1704.01155)",
            f"{_HERE}.preprocessing.bit_depth:BitDepth",
        ),
        DefenseEntry(
            "median",
            "median filter (Xu 2018, arXiv 1704.01155)",
            f"{_HERE}.preprocessing.median:Median",
        ),
        DefenseEntry(
            "clahe",
            "local contrast equalisation (Hendrycks 2019, arXiv 1903.12261)",
            f"{_HERE}.preprocessing.clahe:CLAHE",
        ),
        DefenseEntry(
            "smoothing",
            "majority vote under noise, with a certificate (Cohen 2019, arXiv 1902.02918)",
            f"{_HERE}.preprocessing.smoothing:Smoothing",
        ),
    ],
    own=lambda spec, _: DefenseEntry(spec, "the user's own", spec),
)
