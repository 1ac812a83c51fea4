"""Corruption errors: CE, mCE and their relative forms (Hendrycks and Dietterich 2019, arXiv 1903.12261, section 4.2).

Errors come in as fractions in 0..1, figures go out in percent. A table of errors maps each corruption to its five
errors, severity 1 first. The indices are means over the fifteen test corruptions: the four validation corruptions
(speckle_noise, gaussian_blur, spatter, saturate) may stand in a table and never enter an index; a test corruption that
is missing raises.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stormbench.errors import InputError

SEVERITIES = 5
TEST_CORRUPTIONS = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)

FiveErrors = Sequence[float] | NDArray[np.float64]
BaselineErrors = FiveErrors | float


def mean_corruption_error(errors: Mapping[str, FiveErrors], baseline: Mapping[str, BaselineErrors]) -> float:
    """The mean of the fifteen corruption errors (mCE), in percent.

    Args:
        errors: the model's top-1 errors.
        baseline: the baseline's; where only a mean over the severities is known, that one number.

    Raises:
        InputError: a test corruption is missing, has not five errors, or an error is outside 0..1; the message names
            the corruption.

    Example:
        A model that errs half as often as the baseline everywhere:

        >>> baseline = {name: [0.2, 0.4, 0.6, 0.8, 1.0] for name in TEST_CORRUPTIONS}
        >>> half = {name: [0.1, 0.2, 0.3, 0.4, 0.5] for name in TEST_CORRUPTIONS}
        >>> mean_corruption_error(baseline, baseline), mean_corruption_error(half, baseline)
        (100.0, 50.0)
    """
    _require_all(errors=errors, baseline=baseline)
    return _mean_over_the_fifteen(lambda name: corruption_error(errors[name], baseline[name]))


def relative_mean_corruption_error(
    errors: Mapping[str, FiveErrors],
    clean: float,
    baseline: Mapping[str, BaselineErrors],
    baseline_clean: float,
) -> float:
    """The mean of the fifteen relative corruption errors, in percent.

    Args:
        errors: the model's top-1 errors.
        clean: the model's error on the clean images.
        baseline: the baseline's errors, or their means over the severities.
        baseline_clean: the baseline's error on the clean images.

    Raises:
        InputError: as ``mean_corruption_error``, or the baseline is no worse on a corruption than on clean images.

    Example:
        The baseline loses 0.4 on average; a model that starts at 0.1 and loses 0.2 has half its degradation:

        >>> baseline = {name: [0.6] * 5 for name in TEST_CORRUPTIONS}
        >>> errors = {name: [0.1, 0.2, 0.3, 0.4, 0.5] for name in TEST_CORRUPTIONS}
        >>> round(relative_mean_corruption_error(errors, 0.1, baseline, 0.2), 9)
        50.0
    """
    _require_all(errors=errors, baseline=baseline)
    return _mean_over_the_fifteen(
        lambda name: relative_corruption_error(errors[name], clean, baseline[name], baseline_clean)
    )


def mean_error(errors: Mapping[str, FiveErrors]) -> float:
    """The plain mean over fifteen corruptions and five severities, in percent.

    CIFAR-style suites report this under the name mCE: nothing is divided by a baseline.

    Example:
        >>> mean_error({name: [0.1, 0.2, 0.3, 0.4, 0.5] for name in TEST_CORRUPTIONS})
        30.0
    """
    _require_all(errors=errors)
    return _mean_over_the_fifteen(lambda name: unnormalised_corruption_error(errors[name]))


def corruption_error(errors: FiveErrors, baseline: BaselineErrors) -> float:
    """CE of one corruption in percent: the sum of the model's five errors over the sum of the baseline's.

    Example:
        >>> corruption_error([0.1, 0.2, 0.3, 0.4, 0.5], [0.2, 0.4, 0.6, 0.8, 1.0])
        50.0
    """
    reference = _mean(baseline)
    if reference == 0:
        raise InputError("the baseline makes no error here, so nothing can be measured against it")
    return 100 * (_mean_of_five(errors) / reference)


def relative_corruption_error(
    errors: FiveErrors, clean: float, baseline: BaselineErrors, baseline_clean: float
) -> float:
    """Relative CE of one corruption in percent: what the model loses, over what the baseline loses.

    Example:
        >>> round(relative_corruption_error([0.3] * 5, 0.1, [0.6] * 5, 0.2), 9)
        50.0
    """
    loss = _mean(baseline) - _mean(baseline_clean)
    if loss <= 0:
        raise InputError(
            "the baseline loses nothing here against its clean error, so no relative error can be measured"
        )
    return 100 * ((_mean_of_five(errors) - _mean(clean)) / loss)


def unnormalised_corruption_error(errors: FiveErrors) -> float:
    """The mean of one corruption's five errors, in percent.

    Example:
        >>> unnormalised_corruption_error([0.1, 0.2, 0.3, 0.4, 0.5])
        30.0
    """
    return 100 * _mean_of_five(errors)


def _require_all(**tables: Mapping[str, object]) -> None:
    for what, table in tables.items():
        if missing := [name for name in TEST_CORRUPTIONS if name not in table]:
            raise InputError(
                f"an index needs all fifteen test corruptions; the {what} table lacks {', '.join(missing)}"
            )


def _mean_over_the_fifteen(figure: Callable[[str], float]) -> float:
    return float(np.mean([_named(name, figure) for name in TEST_CORRUPTIONS]))


def _named(name: str, figure: Callable[[str], float]) -> float:
    try:
        return figure(name)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _mean_of_five(errors: FiveErrors) -> float:
    if np.shape(errors) != (SEVERITIES,):
        raise InputError(f"want {SEVERITIES} errors, one a severity, got {np.size(errors)}")
    return _mean(errors)


def _mean(errors: BaselineErrors) -> float:
    values = np.asarray(errors, dtype=np.float64)
    if values.shape not in [(), (SEVERITIES,)]:
        raise InputError(f"want {SEVERITIES} errors, one a severity, or their mean, got {values.size}")
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError(f"errors are fractions in 0..1, got {values.tolist()}")
    return float(values.mean())
