"""What a verification leaves beside a result: how many predictions were recomputed, and how many came out the same."""

from pathlib import Path
from typing import Literal

from stormbench.benchmarks.results.documents import read_record, write_record
from stormbench.benchmarks.results.records import Count, Digest, Moment, PositiveCount, Record, Text
from stormbench.files import file_digest

SUFFIX = ".verified"


_MAXIMAL_BYTES = 2**20


class Verification(Record):
    """The outcome of one verification.

    Attributes:
        schema_version: of this record.
        result: SHA-256 of the result file that was verified; for any other file the record says nothing.
        recomputed: how many predictions were recomputed.
        equal: how many of them came out the same.
        seed: of the choice of the sample.
        created: when.
        versions: of the libraries that recomputed.
    """

    schema_version: Literal[1] = 1
    result: Digest
    recomputed: PositiveCount
    equal: Count
    seed: Count
    created: Moment
    versions: dict[Text, Text]

    @property
    def passed(self) -> bool:
        """Whether the result holds: all equal, but for near-ties that another processor may decide otherwise."""
        return self.recomputed - self.equal <= self.recomputed // 200


def write_verification(verification: Verification, result: Path) -> Path:
    """Writes the record beside a result file, and returns where."""
    path = result.with_suffix(SUFFIX)
    write_record(verification, path)
    return path


def read_verification(result: Path) -> Verification | None:
    """The record beside a result file; None where there is none, or where the result has changed since.

    Raises:
        ResultError: there is one, and it is broken.
    """
    path = result.with_suffix(SUFFIX)
    if not path.is_file():
        return None
    verification = read_record(path, Verification, "the record of a verification", longest=_MAXIMAL_BYTES)
    return verification if verification.result == file_digest(result) else None
