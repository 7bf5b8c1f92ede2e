"""`dreamlake token`: bearer tokens for people and robots."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from .options import AsJson, parse_duration

token = typer.Typer(help="Make bearer tokens.", no_args_is_help=True)

_SECRET = "DREAMLAKE_AUTH_SECRET"  # noqa: S105 - the variable's name


@token.callback()
def _root() -> None:
    pass


@token.command()
def create(
    namespaces: Annotated[
        list[str],
        typer.Option("--namespace", "-n", metavar="NS", help="What it reaches, `*` for all; may be given again."),
    ],
    read_only: Annotated[bool, typer.Option("--read-only", help="It may read and nothing else.")] = False,
    ttl: Annotated[
        float,
        typer.Option(
            "--ttl",
            metavar="DURATION",
            help="How long it is valid: 12h, 90d.",
            parser=parse_duration,
            show_default="90d",
        ),
    ] = 90 * 86_400.0,
    subject: Annotated[str, typer.Option("--subject", help="Whom it speaks for, in logs.")] = "cli",
    as_json: AsJson = False,
) -> None:
    """Sign a token with DREAMLAKE_AUTH_SECRET, or with the secret of the embedded stack."""
    from datetime import UTC, datetime, timedelta

    from ..auth import EVERY_NAMESPACE, Scope, issue_token
    from ..errors import Code, DreamlakeError
    from ..names import check_owner
    from .connection import stack_variables
    from .output import print_json

    for namespace in namespaces:
        if namespace != EVERY_NAMESPACE:
            check_owner(namespace)
    secret = os.environ.get(_SECRET) or stack_variables().get(_SECRET)
    if not secret:
        raise DreamlakeError(Code.USAGE, f"{_SECRET} is not set.", hint="It is the key that the services verify with.")
    scope = Scope.READ if read_only else Scope.WRITE
    signed = issue_token(secret, sub=subject, namespaces=namespaces, scope=scope, ttl=ttl)
    if as_json:
        expires = datetime.now(UTC) + timedelta(seconds=ttl)
        print_json(
            {
                "token": signed,
                "namespaces": namespaces,
                "scope": str(scope),
                "expiresAt": expires.isoformat(timespec="seconds").replace("+00:00", "Z"),
            }
        )
    else:
        typer.echo(signed)
