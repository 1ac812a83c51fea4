"""Result files as JSON documents: bounded, sealed, and brought to the present schema."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from stormbench.benchmarks.results.plain_text import shown
from stormbench.errors import ResultError

SCHEMA_VERSION = 3
# 75 cells take about 8 kB, and 50,000 skipped file names 3 MB.
MAXIMAL_BYTES = 16 * 2**20


def seal_of(document: dict[str, Any]) -> str:
    """SHA-256 of a result's document, its seal left out; neither the order of keys nor white space matters."""
    rest = {key: value for key, value in document.items() if key != "seal"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_document(path: Path) -> dict[str, Any]:
    """The JSON object in a file, not yet checked against any schema.

    Raises:
        ResultError: there is no such file, it is too large, or it holds no JSON object.
    """
    try:
        if path.stat().st_size > MAXIMAL_BYTES:
            raise ResultError(f"{path} has more than {MAXIMAL_BYTES} bytes: not a result file")
        document = from_json(path.read_bytes(), allow_inf_nan=False)
    except OSError as error:
        raise ResultError(f"cannot read the result {path}: {error.strerror}") from None
    except ValueError as error:
        raise ResultError(f"{path} is not a result: {shown(str(error))}") from None
    if not isinstance(document, dict):
        raise ResultError(f"{path} is not a result: it holds no JSON object")
    return document


def migrated(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """A document of an older schema as the present one has it.

    Schema 1 had no seal. Until schema 3 attacks left counts and no outcomes by image.

    Raises:
        ResultError: the document is of no schema that is known here.
    """
    version = document.get("schema_version")
    if version == SCHEMA_VERSION:
        return document
    if version not in (1, 2) or isinstance(version, bool):
        raise ResultError(
            f"{path} has schema_version {shown(str(version), longest=40)}; this stormbench reads 1 to "
            f"{SCHEMA_VERSION}: it is not a result, or a newer stormbench wrote it"
        )
    attacked = document.get("adversarial")
    counts_only = {"adversarial": attacked | {"by_image": False}} if isinstance(attacked, dict) else {}
    unsealed = {"seal": None} if version == 1 else {}
    return document | counts_only | unsealed | {"schema_version": SCHEMA_VERSION}


def kind_of(path: Path) -> str:
    """What a file says of itself that it is; empty for results on images, and for what is no JSON object."""
    try:
        kind = read_document(path).get("kind")
    except ResultError:
        return ""
    return kind if isinstance(kind, str) else ""


def is_sequence_result(path: Path) -> bool:
    """Whether a file says of itself that it is a result on sequences (``stormbench.benchmarks.sequences``)."""
    return kind_of(path) == "sequences"
