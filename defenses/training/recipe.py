"""Recipes as data: a TOML file of a dozen lines that names the parts of a training. Needs no torch."""

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

from stormbench.errors import InputError, UnknownNameError
from stormbench.registry import Registry

OnCollapse = Literal["ignore", "warn", "stop"]
PassOrder = Literal["joint", "natural-first", "adversarial-first"]
GROUPS = ("noise", "blur", "weather", "digital")
_CHOICES = {"passes": get_args(PassOrder), "on_collapse": get_args(OnCollapse)}
_SEPARATOR = " + "


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained; every part is a specification such as ``pgd:steps=10``.

    Attributes:
        name: of the row in a table.
        source: paper and code.
        departures: in what it differs from its source.
        trained_on: groups of test corruptions that training images show: noise, blur, weather, digital.
        epochs: passes over the images.
        batch: images per step.
        optimiser: a name in ``OPTIMISERS`` and its settings.
        schedule: a name in ``SCHEDULES``.
        views: names in ``VIEWS``, in order, with `` + `` between; empty for none.
        space: a name in ``SPACES``: what an attack may vary.
        inner: a name in ``INNERS``: how the attack searches.
        objective: names in ``TERMS`` with `` + `` between.
        passes: order of the passes through the model; ``joint`` shares batch statistics.
        update: a name in ``UPDATES``.
        average: a name in ``AVERAGES``.
        replays: steps on each batch before the next.
        pools: a name in ``POOLS``: whether images with pseudo-labels are mixed in.
        on_collapse: what to do when accuracy under a short attack falls by 0.2 within an epoch.
        seed: of everything that is drawn.

    Raises:
        InputError: a value is of the wrong kind or out of range.
    """

    name: str
    source: str
    departures: tuple[str, ...] = ()
    trained_on: tuple[str, ...] = ()
    epochs: int = 100
    batch: int = 128
    optimiser: str = "sgd:rate=0.1,momentum=0.9,decay=5e-4"
    schedule: str = "cosine"
    views: str = "crop:padding=4"
    space: str = "pixel:norm=linf,eps=8/255"
    inner: str = "none"
    objective: str = "pair:natural=1"
    passes: PassOrder = "joint"
    update: str = "plain"
    average: str = "none"
    replays: int = 1
    pools: str = "one"
    on_collapse: OnCollapse = "ignore"
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            _check_type(self.name, field.name, getattr(self, field.name), getattr(type(self), field.name, ""))
        if min(self.epochs, self.replays) < 1 or self.batch < 2 or self.seed < 0:
            raise InputError(f"recipe {self.name}: at least 1 epoch, 1 replay, 2 images in a batch, and a seed from 0")
        for field_name, choices in _CHOICES.items():
            if (value := getattr(self, field_name)) not in choices:
                raise InputError(f"recipe {self.name}: {field_name} is one of {', '.join(choices)}, not {value!r}")
        for group in self.trained_on:
            if group not in GROUPS:
                raise UnknownNameError("corruption group", group, GROUPS)

    @property
    def digest(self) -> str:
        """SHA-256 over all settings but the seed: two rows of one recipe share it."""
        content = {name: value for name, value in asdict(self).items() if name != "seed"}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def changed(self, settings: Iterable[str]) -> "Recipe":
        """With some settings changed: ``epochs=3``, or ``inner.steps=7`` for one setting of a part.

        Raises:
            InputError: a setting is unknown, ambiguous or cannot be read.
        """
        recipe = self
        for setting in settings:
            key, equals, value = (part.strip() for part in setting.partition("="))
            if not key or not equals or not value:
                raise InputError(f"{setting!r} changes nothing; write KEY=VALUE: epochs=3, inner.steps=7")
            recipe = recipe._changed(*key.partition(".")[::2], value)
        return recipe

    def _changed(self, key: str, inner: str, value: str) -> "Recipe":
        known = {field.name for field in fields(self)}
        if key not in known or key in ("name", "source"):
            raise UnknownNameError("setting of a recipe", key, known - {"name", "source"})
        before: Any = getattr(self, key)
        changed: dict[str, Any] = {
            key: _with_setting(before, key, inner, value) if inner else _read(before, key, value)
        }
        return replace(self, **changed)


def _check_type(recipe: str, name: str, value: object, default: object) -> None:
    wanted = type(default)
    if type(value) is not wanted or (wanted is tuple and not all(isinstance(each, str) for each in value)):  # type: ignore[attr-defined]
        word = {str: "a text", int: "a whole number", tuple: "a list of texts"}[wanted]
        raise InputError(f"recipe {recipe}: {name} is {word}, not {value!r}")


def _read(before: Any, key: str, value: str) -> Any:
    if isinstance(before, tuple):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    try:
        return type(before)(value)
    except ValueError:
        raise InputError(f"{key} wants a whole number, not {value!r}") from None


def _with_setting(spec: object, key: str, setting: str, value: str) -> str:
    """A specification with one setting replaced or added; the part's own constructor refuses unknown ones."""
    if not isinstance(spec, str) or _SEPARATOR in spec:
        raise InputError(f"{key}.{setting} does not say which part it means; set {key} as a whole: {key}={spec!r}")
    name, _, settings = spec.partition(":")
    pairs = dict(part.split("=", 1) for part in settings.split(",") if part)
    return f"{name}:" + ",".join(f"{k}={v}" for k, v in (pairs | {setting: value}).items())


def parts_of(specs: str) -> list[str]:
    """The specifications that stand in one text with `` + `` between."""
    return [part.strip() for part in specs.split(_SEPARATOR) if part.strip()]


def read_recipe(name_or_path: str) -> Recipe:
    """A packaged recipe by name, or one of the user's from a ``.toml`` file.

    Raises:
        UnknownNameError: there is no such recipe, or a key of the file is unknown.
        InputError: the file cannot be read, or a value is wrong.
    """
    if not name_or_path.endswith(".toml"):
        return recipes()[name_or_path]
    path = Path(name_or_path)
    if not path.is_file():
        raise InputError(f"there is no recipe file {path}")
    return _resolved(path.read_bytes(), str(path), dict(_packaged()))


@cache
def recipes() -> Registry[Recipe]:
    """All packaged recipes, in alphabetical order."""
    sources = dict(_packaged())
    return Registry("recipe", [_resolved(text, name, sources) for name, text in sorted(sources.items())])


def _packaged() -> Iterable[tuple[str, bytes]]:
    folder = files("stormbench.defenses.training") / "recipes"
    return (
        (each.name.removesuffix(".toml"), each.read_bytes()) for each in folder.iterdir() if each.name[-5:] == ".toml"
    )


def _resolved(text: bytes, where: str, sources: Mapping[str, bytes]) -> Recipe:
    document = _document(text, where, sources, ())
    missing = [key for key in ("name", "source") if key not in document]
    if missing:
        raise InputError(f"{where}: a recipe says its {' and '.join(missing)}")
    fitting: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in document.items()}
    return Recipe(**fitting)


def _document(text: bytes, where: str, sources: Mapping[str, bytes], above: tuple[str, ...]) -> dict[str, Any]:
    try:
        own = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{where} is no TOML file: {error}") from None
    base = own.pop("base", None)
    known = {field.name for field in fields(Recipe)}
    for key in own:
        if key not in known:
            raise UnknownNameError(f"key of a recipe ({where})", key, known | {"base"})
    if base is None:
        return own
    if base not in sources:
        raise UnknownNameError(f"recipe as the base of {where}", base, sources)
    if base in above:
        raise InputError(f"{where}: recipes are each other's base: {' <- '.join((*above, base))}")
    inherited = _document(sources[base], base, sources, (*above, base))
    return inherited | own
