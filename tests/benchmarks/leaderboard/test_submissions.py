"""Results from strangers: what is tampered with is refused, and nothing that they write ends in a traceback."""

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stormbench.benchmarks.leaderboard.submissions import add_result
from stormbench.benchmarks.results.arrays import arrays_from
from stormbench.benchmarks.results.documents import seal_of
from stormbench.benchmarks.results.images import OUTCOME_ARRAYS, Outcomes, read_outcomes, read_result
from stormbench.errors import ResultError
from stormbench.files import npz

WriteRun = Callable[..., Path]
Document = dict[str, Any]


def outcomes_from(content: bytes, where: str) -> Outcomes:
    return Outcomes(**arrays_from(content, OUTCOME_ARRAYS, where))


@pytest.fixture
def submitted(write_run: WriteRun, tmp_path: Path) -> Path:
    return write_run("submitted", folder=tmp_path / "inbox")


def document_of(path: Path) -> Document:
    document: Document = json.loads(path.read_text())
    return document


def rewrite(path: Path, document: Document, *, sealed: bool) -> None:
    if sealed:
        document = document | {"seal": seal_of(document)}
    path.write_text(json.dumps(document))


def refused(path: Path, folder: Path) -> str:
    with pytest.raises(ResultError) as refusal:
        add_result(path, folder)
    assert not folder.exists() or not list(folder.iterdir())
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_a_sound_result_is_filed_with_its_outcomes(submitted: Path, tmp_path: Path) -> None:
    run = add_result(submitted, tmp_path / "board")
    place = run.path
    assert place.is_relative_to(tmp_path / "board")
    assert place.read_bytes() == submitted.read_bytes()
    result = read_result(place)
    read_outcomes(place, result)
    assert "mce" in run.figures


def test_the_same_outcomes_are_not_filed_twice(submitted: Path, tmp_path: Path) -> None:
    add_result(submitted, tmp_path / "board")
    with pytest.raises(ResultError, match="has the very same outcomes"):
        add_result(submitted, tmp_path / "board")


@pytest.mark.parametrize("sealed", [False, True], ids=["as it is", "with a new seal"])
@pytest.mark.parametrize("count", ["images", "wrong", "wrong_top5"])
def test_every_count_is_checked_against_the_outcomes(submitted: Path, tmp_path: Path, count: str, sealed: bool) -> None:
    original = document_of(submitted)
    for index in range(len(original["cells"])):
        for change in (-1, 1):
            document = json.loads(json.dumps(original))
            document["cells"][index][count] += change
            rewrite(submitted, document, sealed=sealed)
            refused(submitted, tmp_path / "board")


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


def with_leaf(document: Document, path: tuple[Any, ...], value: Any) -> Document:
    document = json.loads(json.dumps(document))
    inner: Any = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return document


def test_every_value_is_under_the_seal(submitted: Path, tmp_path: Path) -> None:
    original = document_of(submitted)
    changed = {str: lambda text: text[:-1] + ("0" if text[-1:] != "0" else "1"), int: lambda number: number + 1}
    for path, value in leaves(original):
        if type(value) in changed:
            rewrite(submitted, with_leaf(original, path, changed[type(value)](value)), sealed=False)
            refused(submitted, tmp_path / "board")


@pytest.mark.parametrize("where", ["model.digest", "data.fingerprint", "outcomes.sha256", "seal"])
def test_impossible_digests_are_refused(submitted: Path, tmp_path: Path, where: str) -> None:
    keys = tuple(where.split("."))
    original = document_of(submitted)
    length = len(next(value for path, value in leaves(original) if path == keys))
    for digest in ("0" * length, "f" * length, "x" * length, "a1" * 8, "", "A1" * (length // 2), 7, None):
        document = with_leaf(original, keys, digest)
        rewrite(submitted, document, sealed=where != "seal")
        refused(submitted, tmp_path / "board")


def test_every_outcome_is_under_the_digest(submitted: Path, tmp_path: Path) -> None:
    beside = submitted.with_suffix(".npz")
    outcomes = outcomes_from(beside.read_bytes(), "here")
    rng = np.random.default_rng(0)
    for name in ("prediction", "rank", "labels"):
        array = getattr(outcomes, name)
        for _ in range(10):
            changed = array.copy()
            at = tuple(rng.integers(size) for size in changed.shape)
            changed[at] = (changed[at] + 1) % 10
            beside.write_bytes(npz(vars(outcomes) | {name: changed}))
            assert "its digest differs" in refused(submitted, tmp_path / "board")


def forged(path: Path, **arrays: Any) -> None:
    """Outcomes of a forger who also writes their digest and a new seal, and corrects no count."""
    beside = path.with_suffix(".npz")
    outcomes = outcomes_from(beside.read_bytes(), "here")
    beside.write_bytes(npz(vars(outcomes) | arrays))
    document = document_of(path)
    document["outcomes"]["sha256"] = hashlib.sha256(beside.read_bytes()).hexdigest()
    rewrite(path, document, sealed=True)


def test_forged_outcomes_must_agree_with_the_counts(submitted: Path, tmp_path: Path) -> None:
    outcomes = outcomes_from(submitted.with_suffix(".npz").read_bytes(), "here")
    rank, prediction = outcomes.rank.copy(), outcomes.prediction.copy()
    wrong = tuple(np.argwhere(rank > 0)[0])
    rank[wrong], prediction[wrong] = 0, outcomes.labels[wrong[1]]
    forged(submitted, rank=rank, prediction=prediction)
    assert "do not add up to the counts" in refused(submitted, tmp_path / "board")


IMPOSSIBLE: dict[str, tuple[Callable[[Any], dict[str, Any]], str]] = {
    "a prediction that contradicts its rank": (lambda o: {"prediction": np.zeros_like(o.prediction)}, "contradicts"),
    "a class that there is not": (lambda o: {"prediction": o.prediction + 10}, "prediction must lie in 0..9"),
    "a negative label": (lambda o: {"labels": o.labels - 10}, "labels must lie in 0..9"),
    "two images of one key": (lambda _: {"keys": np.array(["same"] * 60)}, "same key"),
    "fractional ranks": (lambda o: {"rank": o.rank.astype(float)}, "rank has shape"),
    "too few images": (lambda o: {"rank": o.rank[:, 1:]}, "rank has shape"),
    "another array": (lambda _: {"surprise": np.zeros(3)}, "holds the arrays"),
    "objects": (lambda o: {"keys": o.keys.astype("S6")}, "keys has shape"),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_outcomes_that_cannot_be(submitted: Path, tmp_path: Path, what: str) -> None:
    make, message = IMPOSSIBLE[what]
    forged(submitted, **make(outcomes_from(submitted.with_suffix(".npz").read_bytes(), "here")))
    assert message in refused(submitted, tmp_path / "board")


def test_a_bomb_is_not_unpacked(submitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stormbench.benchmarks.results.arrays.MAXIMAL_BYTES", 10_000)
    assert "unpacks to" in refused(submitted, tmp_path / "board")


def test_a_huge_result_is_not_parsed(submitted: Path, tmp_path: Path) -> None:
    submitted.write_bytes(b" " * (16 * 2**20 + 1))
    assert "more than" in refused(submitted, tmp_path / "board")


def test_results_of_the_future_are_refused(submitted: Path, tmp_path: Path) -> None:
    document = document_of(submitted) | {"created": (datetime.now(UTC) + timedelta(days=3)).isoformat()}
    rewrite(submitted, document, sealed=True)
    assert "in the future" in refused(submitted, tmp_path / "board")


def test_a_result_cannot_choose_where_it_is_filed(submitted: Path, tmp_path: Path) -> None:
    document = document_of(submitted) | {"run": "../../escape"}
    rewrite(submitted, document, sealed=True)
    place = add_result(submitted, tmp_path / "board").path
    assert place.parent.parent == tmp_path / "board"
    assert place.parent.name.startswith("escape-")


def test_results_from_before_seals_are_read_but_not_taken_in(submitted: Path, tmp_path: Path) -> None:
    document = document_of(submitted) | {"schema_version": 1}
    del document["seal"]
    rewrite(submitted, document, sealed=False)
    assert read_result(submitted).seal is None
    assert "no seal" in refused(submitted, tmp_path / "board")


@pytest.mark.parametrize("version", [0, 4, True, "2", None, [2], "<script>"])
def test_other_schemas_are_refused_by_name(submitted: Path, version: Any) -> None:
    rewrite(submitted, document_of(submitted) | {"schema_version": version}, sealed=True)
    with pytest.raises(ResultError, match=r"has schema_version .*; this stormbench reads 1 to 3"):
        read_result(submitted)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["\ud800", "x" * 5000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def complaint(read: Callable[[], object]) -> str:
    try:
        return str(read())
    except ResultError as error:
        return str(error)


@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_value_anywhere_is_taken_or_refused_without_a_traceback(submitted: Path, data: st.DataObject) -> None:
    original = document_of(submitted)
    places = [path for path, _ in leaves(original)]
    document = with_leaf(original, data.draw(st.sampled_from(places)), data.draw(ANYTHING))
    target = submitted.with_name("fuzzed.json")
    target.write_text(json.dumps(document | {"seal": seal_of(document)}))
    assert "\n" not in complaint(lambda: read_outcomes(target, read_result(target)) and "")


@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
@example(seed=0)
def test_damaged_bytes_are_refused_without_a_traceback(submitted: Path, seed: int) -> None:
    draw = random.Random(seed)
    content = bytearray(submitted.with_suffix(".npz").read_bytes())
    for _ in range(draw.randint(1, 8)):
        content[draw.randrange(len(content))] = draw.randrange(256)
    damaged = bytes(content[: draw.choice([len(content), draw.randrange(len(content))])])
    assert "\n" not in complaint(lambda: outcomes_from(damaged, "here").departure(60, 10, 76))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000, '{"schema_version": NaN}', '"\\ud800"', "\xff"])
def test_what_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ResultError):
        read_result(path)


def test_no_outcome_can_be_changed_alone(write_run: WriteRun, tmp_path: Path) -> None:
    """Each of them, one at a time; and with a new digest and seal, each that would change a count."""
    cells = [("clean", 0), ("fog", 1)]
    path = write_run("small", folder=tmp_path / "inbox", images=6, cells=cells)
    whole, result = path.with_suffix(".npz").read_bytes(), path.read_bytes()
    outcomes = outcomes_from(whole, "here")
    for name in ("labels", "prediction", "rank"):
        array = getattr(outcomes, name)
        for at in np.ndindex(array.shape):
            changed = array.copy()
            changed[at] = (changed[at] + 1) % 10
            path.with_suffix(".npz").write_bytes(npz(vars(outcomes) | {name: changed}))
            assert "its digest differs" in refused(path, tmp_path / "board")
    for at in np.ndindex(outcomes.rank.shape):
        rank, prediction = outcomes.rank.copy(), outcomes.prediction.copy()
        right = rank[at] == 0
        rank[at] = 1 if right else 0
        prediction[at] = (outcomes.labels[at[1]] + right) % 10
        path.with_suffix(".npz").write_bytes(whole)
        path.write_bytes(result)
        forged(path, rank=rank, prediction=prediction)
        assert "do not add up to the counts" in refused(path, tmp_path / "board")
