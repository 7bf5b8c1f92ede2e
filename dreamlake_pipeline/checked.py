"""Arguments of public methods, held against their annotations: what is of another type raises DreamlakeError(USAGE).

So whoever calls a method catches DreamlakeError alone. The annotations are those that type checkers read.
"""

from __future__ import annotations

import functools
import inspect
import math
import sys
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from numbers import Integral, Real
from types import FunctionType, SimpleNamespace
from typing import Any, TypeVar, cast

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

from .errors import Code, DreamlakeError
from .nearest import did_you_mean, nearest
from .problems import problem_of

Class = TypeVar("Class", bound=type)
Method = TypeVar("Method", bound=Callable[..., Any])

_ANY_CLASS = ConfigDict(arbitrary_types_allowed=True)
_LONGEST = 80  # characters of a value that an error shows


def checked(cls: Class) -> Class:
    """A class whose public methods check their arguments."""
    for name, member in list(vars(cls).items()):
        if isinstance(member, FunctionType) and not name.startswith("_"):
            setattr(cls, name, checking(member))
    return cls


def checked_requests(cls: Class) -> Class:
    """The same for a class whose methods send what they are given: a value that breaks a rule of the request's model
    raises DreamlakeError(INVALID_REQUEST)."""
    for name, member in list(vars(cls).items()):
        if isinstance(member, FunctionType) and not name.startswith("_"):
            setattr(cls, name, checking(_refusing(member)))
    return cls


def _refusing(method: Method) -> Method:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except ValidationError as fault:
            problem = fault.errors(include_url=False)[0]
            field = ".".join(map(str, problem["loc"]))
            message = f"{field} cannot be {_shown(problem['input'])}: {problem_of(problem)}."
            raise DreamlakeError(Code.INVALID_REQUEST, message) from None

    return cast("Method", call)


def checking(method: Method) -> Method:
    """A method that checks its arguments before it does anything."""
    assert isinstance(method, FunctionType), "a function of a class's body"
    signature = inspect.signature(method)

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = _bound(method, signature, args, kwargs)
        return method(*given.args, **given.kwargs)

    return cast("Method", call)


def _bound(
    method: FunctionType, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> inspect.BoundArguments:
    """The arguments by the names of their parameters. Raises USAGE for what is missing, unknown or of another type."""
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as fault:
        raise DreamlakeError(Code.USAGE, f"{_name(method)}: {fault}.", hint=_hint(signature, kwargs)) from None
    wanted = _adapters(method)
    for name, value in bound.arguments.items():
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            if unknown := [option for option in value if option not in wanted]:
                message = f"{_name(method)}: there is no argument {unknown[0]!r}."
                hint = did_you_mean(nearest(unknown[0], [*wanted, *signature.parameters]))
                raise DreamlakeError(Code.USAGE, message, hint=hint)
            bound.arguments[name] = {
                option: _fitting(method, option, its, *wanted[option]) for option, its in value.items()
            }
        elif name in wanted:  # all but self
            bound.arguments[name] = _fitting(method, name, value, *wanted[name])
    return bound


def _fitting(method: FunctionType, name: str, value: Any, text: str, adapter: TypeAdapter[Any]) -> Any:
    """The value, if it is of the type; a member of an enum may be given by its text."""
    plain = _plain(value)
    if isinstance(plain, float) and math.isnan(plain):
        raise DreamlakeError(Code.USAGE, f"{_name(method)}: {name} is not a number.")
    try:
        adapter.validate_python(plain, strict=True)
        return value
    except ValidationError:
        try:
            if isinstance(value, str) and isinstance(found := adapter.validate_python(value), Enum):
                return found
        except ValidationError:
            pass
    what = f"{_shown(value)}, a {type(value).__name__}"
    raise DreamlakeError(Code.USAGE, f"{_name(method)}: {name} is {what}, and not {text}.")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _plain(value: Any) -> Any:
    """A number of any library, such as numpy's, as Python's own."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


@functools.cache
def _adapters(method: FunctionType) -> dict[str, tuple[str, TypeAdapter[Any]]]:
    """For each parameter that has an annotation, its text and what checks it; options in the place of their **."""
    texts = {name: text for name, text in method.__annotations__.items() if name != "return"}
    hints = _resolved(texts, vars(sys.modules[method.__module__]))
    for name, hint in list(hints.items()):
        if typing.get_origin(hint) is typing.Unpack:
            options = typing.get_args(hint)[0]
            texts |= options.__annotations__
            hints |= typing.get_type_hints(options)
            del texts[name], hints[name]
    return {name: (_text(texts[name]), _adapter(hint)) for name, hint in hints.items()}


def _resolved(texts: Mapping[str, str], names: dict[str, Any]) -> dict[str, Any]:
    return typing.get_type_hints(SimpleNamespace(__annotations__=dict(texts)), names)


def _adapter(hint: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(hint, config=_ANY_CLASS)
    except PydanticUserError:  # of a type that has a configuration of its own
        return TypeAdapter(hint)


def _text(annotation: Any) -> str:
    return annotation.__forward_arg__ if isinstance(annotation, typing.ForwardRef) else str(annotation)


def _name(method: FunctionType) -> str:
    return f"{method.__qualname__.removesuffix('.__init__')}()"


def _hint(signature: inspect.Signature, kwargs: Mapping[str, Any]) -> str | None:
    unknown = [name for name in kwargs if name not in signature.parameters]
    return did_you_mean(nearest(unknown[0], signature.parameters)) if unknown else None
