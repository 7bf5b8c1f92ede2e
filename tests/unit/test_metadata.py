"""What is null is left out of metadata: every model of them is read back from what is left."""

from __future__ import annotations

from enum import Enum
from typing import Any, get_args, get_origin

import pytest
from pydantic import TypeAdapter, ValidationError

from dreamlake_pipeline.api import metadata
from dreamlake_pipeline.api.common import Model
from dreamlake_pipeline.kinds import Kind

MODELS = [one for one in vars(metadata).values() if isinstance(one, type) and issubclass(one, Model)]


def is_nullable(annotation: Any) -> bool:
    try:
        return TypeAdapter(annotation).validate_python(None) is None
    except ValidationError:
        return False


def least(annotation: Any) -> Any:
    """The smallest value of a type of the metadata: null wherever that is one."""
    if is_nullable(annotation):
        return None
    kind = get_origin(annotation) or annotation
    if kind is list:
        return [least(get_args(annotation)[0])]
    if kind is dict:
        return {}
    if issubclass(kind, Model):
        return {name: least(field.annotation) for name, field in kind.model_fields.items()}
    return next(iter(kind)) if issubclass(kind, Enum) else kind(1)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_what_may_be_null_may_be_left_out(model: type[Model]) -> None:
    needed = [name for name, field in model.model_fields.items() if field.is_required()]
    assert [name for name in needed if is_nullable(model.model_fields[name].annotation)] == []


@pytest.mark.parametrize("kind", list(Kind))
def test_metadata_full_of_nulls_are_read_back_as_they_were_written(kind: Kind) -> None:
    model = metadata.model_of(kind, {})
    written = model.model_validate(least(model))
    assert None in written.model_dump().values()
    assert model.model_validate(written.wire()) == written


def test_a_sound_in_the_place_of_a_video_is_read_back_too() -> None:
    model = metadata.model_of(Kind.VIDEO, {"kindByContent": "audio"})
    written = model.model_validate(least(model) | {"kind_by_content": "audio"})
    assert model.model_validate(written.wire()) == written
