"""Result files as JSON documents: bounded, sealed, checked, and brought to the present schema."""

import errno
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from stormbench.benchmarks.results.plain_text import shown
from stormbench.benchmarks.results.records import Record
from stormbench.errors import ResultError
from stormbench.files import atomic_write, read_regular

SCHEMA_VERSION = 3
# 75 cells take about 8 kB, and 50,000 skipped file names 3 MB.
MAXIMAL_BYTES = 16 * 2**20

Document = dict[str, Any]
Stored = TypeVar("Stored", bound=Record)


def seal_of(document: Document) -> str:
    """SHA-256 of a result's document, its seal left out; neither the order of keys nor white space matters."""
    rest = {key: value for key, value in document.items() if key != "seal"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def write_record(record: Record, path: Path) -> None:
    """Writes a record as a JSON document, whole or not at all."""
    atomic_write(path, (record.model_dump_json(indent=1) + "\n").encode(), durable=True)


def write_sealed(unsealed: Stored, path: Path) -> Stored:
    """Seals a record, writes it and returns it as written."""
    sealed = unsealed.model_copy(update={"seal": seal_of(unsealed.model_dump(mode="json"))})
    write_record(sealed, path)
    return sealed


def read_record(
    path: Path,
    record: type[Stored],
    what: str,
    *,
    longest: int = MAXIMAL_BYTES,
    migrate: Callable[[Document, Path], Document] = lambda document, _: document,
) -> Stored:
    """Reads a document and checks it against its schema and, where it has one, its seal.

    Args:
        path: the file.
        record: the schema.
        what: what the file should be, for messages: "a result of schema 3".
        longest: size in bytes beyond which it is not read.
        migrate: brings a document of an older schema to the present one; the seal is that of the file as it is.

    Raises:
        ResultError: there is no such file, it is too large, departs from the schema, or was changed after it was
            written; the message says where.
    """
    document = read_document(path, what, longest)
    try:
        found = record.model_validate_json(json.dumps(migrate(document, path)))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = shown(".".join(map(str, first["loc"])), longest=200) or "the file"
        raise ResultError(f"{path} is not {what}: {where}: {shown(first['msg'])}") from None
    if getattr(found, "seal", None) not in (None, seal_of(document)):
        raise ResultError(f"{path} was changed after it was written: its seal does not fit; score the model anew")
    return found


def read_document(path: Path, what: str = "a result", longest: int = MAXIMAL_BYTES) -> Document:
    """The JSON object in a file, not yet checked against any schema.

    Raises:
        ResultError: there is no such file, it is too large, or it holds no JSON object.
    """
    try:
        document = from_json(read_regular(path, longest), allow_inf_nan=False)
    except OSError as error:
        too_large = f" bytes: not {what}" if error.errno == errno.EFBIG else ""
        raise ResultError(f"cannot read {path}: {error.strerror}{too_large}") from None
    except ValueError as error:
        raise ResultError(f"{path} is not {what}: {shown(str(error))}") from None
    if not isinstance(document, dict):
        raise ResultError(f"{path} is not {what}: it holds no JSON object")
    return document


def migrated(document: Document, path: Path) -> Document:
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
