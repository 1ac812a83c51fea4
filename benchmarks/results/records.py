"""What every record in a file shares: how strictly it is read, and the types of its fields."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Text = Annotated[str, Field(max_length=4096)]


Digest = Annotated[str, Field(pattern=r"^([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})$")]


Count = Annotated[int, Field(ge=0, le=2**31)]


PositiveCount = Annotated[int, Field(ge=1, le=2**31)]


def _sensible(moment: datetime) -> datetime:
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"a year from {_FIRST_YEAR} to {_LAST_YEAR} is expected")
    return moment


_FIRST_YEAR, _LAST_YEAR = 2000, 9000
Moment = Annotated[datetime, AfterValidator(_sensible)]


class Record(BaseModel):
    """Base of all parts of a result: unknown fields are refused and nothing changes after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)
