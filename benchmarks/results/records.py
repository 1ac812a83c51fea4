"""What every record in a file shares: how strictly it is read, and the types of its fields."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(max_length=4096)]


Digest = Annotated[str, Field(pattern=r"^([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})$")]


Count = Annotated[int, Field(ge=0, le=2**31)]


PositiveCount = Annotated[int, Field(ge=1, le=2**31)]


class Record(BaseModel):
    """Base of all parts of a result: unknown fields are refused and nothing changes after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)
