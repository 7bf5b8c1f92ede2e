"""The base of every model, and the types with rules of their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

from .. import names, startup
from ..csv_options import check_csv_options
from ..errors import DreamlakeError
from ..filetypes import check_types
from ..ids import ID_PATTERN
from ..kinds import Kind
from ..ladder import MOST_STEPS, check_ladder

MOST_NOTE_CHARS = 4000


class Model(BaseModel):
    """camelCase outside, snake_case inside."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", defer_build=startup.builds_models_late
    )

    def wire(self) -> dict[str, Any]:
        """The JSON object that travels: camelCase keys, times in RFC 3339, unset optionals left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def wire_json(self) -> bytes:
        """The text of that object."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


class Change(Model):
    """The body of a PATCH: what is not in it stays as it is, and null takes away. A field that nobody knows is refused,
    since it would change nothing."""

    model_config = ConfigDict(extra="forbid")

    def wire(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def wire_json(self) -> bytes:
        return self.model_dump_json(by_alias=True, exclude_unset=True).encode()


def _rule(check: Callable[[Any], Any]) -> AfterValidator:
    """A naming rule as a validator: its message reaches the caller as the field's problem."""

    def validate(given: Any) -> Any:
        try:
            return check(given)
        except DreamlakeError as error:
            raise ValueError(error.message) from None

    return AfterValidator(validate)


def _shown(**schema: Any) -> Any:
    """What the API's description says of a type; the rule decides."""
    return Field(json_schema_extra=schema)


def _check_text(text: str) -> str:
    if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("holds a NUL or half a surrogate pair")
    return text


Owner = Annotated[str, _rule(names.check_owner), _shown(pattern=names.SLUG_PATTERN, examples=["lab"])]
Project = Annotated[str, _rule(names.check_project), _shown(pattern=names.SLUG_PATTERN, examples=["robot-arm"])]
Episode = Annotated[
    str,
    _rule(names.check_episode),
    _shown(minLength=1, maxLength=names.MAX_EPISODE_CHARS, examples=["2026-11-22/run-01"]),
]
Name = Annotated[str, _rule(names.check_name), _shown(pattern="^/", examples=["/camera/front/run01.mp4"])]
Hash = Annotated[str, _rule(names.check_hash)]
Id = Annotated[str, Field(pattern=ID_PATTERN)]
Ladder = Annotated[
    tuple[int, ...], _rule(check_ladder), _shown(maxItems=MOST_STEPS, examples=[[1080, 720, 480], []])
]  # empty: no smaller pictures


FileTypes = Annotated[dict[str, Kind], _rule(check_types), _shown(examples=[{".dat": "audio"}])]

CsvOptions = Annotated[
    dict[str, str], _rule(check_csv_options), _shown(examples=[{"delimiter": ";", "header": "4"}, {}])
]  # empty: all is found out


def _check_key(key: str) -> str:
    if len(_check_text(key).encode()) > 1024:
        raise ValueError("is longer than the 1,024 bytes that S3 allows")
    return key


Text = Annotated[str, AfterValidator(_check_text)]  # any text that Postgres and S3 can hold
Note = Annotated[str, Field(max_length=MOST_NOTE_CHARS), AfterValidator(_check_text)]
ObjectKey = Annotated[str, AfterValidator(_check_key)]
Printable = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[\x20-\x7e]+$")]
ContentType = Annotated[str, Field(max_length=255, pattern=r"^[\x21-\x7e][\x20-\x7e]*$")]  # it becomes a header
Bytes = Annotated[int, Field(ge=0, le=5 * 2**40)]  # S3's largest object is 5 TiB
Timestamp = datetime


def _check_instant(given: datetime) -> datetime:
    if not 1970 <= given.year < 2200:
        raise ValueError("lies before 1970 or after 2199")
    return given.astimezone(UTC)  # Postgres takes no offset of 16 hours or more


# A time that a caller gives: with its offset from UTC, and in a year that every clock and database holds.
Instant = Annotated[AwareDatetime, AfterValidator(_check_instant)]

Item = TypeVar("Item")

_NUL = "\\u0000"


class Listing(Model, Generic[Item]):
    """One page: pass `cursor` back for the next; it is absent on the last page."""

    items: list[Item]
    cursor: str | None = None


class ErrorBody(Model):
    """What went wrong: a stable code and a sentence for a person."""

    code: str
    message: str
    hint: str | None = None


class ErrorResponse(Model):
    error: ErrorBody


def storable_json(value: Any) -> str:
    """The JSON text of a value, without what JSON or Postgres cannot hold (see `storable`)."""
    try:
        text = to_json(value, inf_nan_mode="null").decode()
        if _NUL not in text:
            return text
    except ValueError:  # half a surrogate pair
        pass
    return to_json(storable(value)).decode()


def storable(value: Any) -> Any:
    """The JSON value without what JSON or Postgres cannot hold.

    NUL and half a surrogate pair become U+FFFD, infinities and NaN become null.
    """
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\x00", "\ufffd")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value
