"""`dreamlake token`: bearer tokens for people and robots."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from ..visible import visible
from .options import AsJson, parse_duration

token = typer.Typer(help="Make bearer tokens, and revoke them.", no_args_is_help=True)

_SECRETS = ("DREAMLAKE_AUTH_SECRETS", "DREAMLAKE_AUTH_SECRET")


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
    """Sign a token with DREAMLAKE_AUTH_SECRET (the first key of DREAMLAKE_AUTH_SECRETS), or with the secret of the
    embedded stack."""
    from datetime import UTC, datetime, timedelta

    from ..auth import Scope, issue_token, token_id
    from ..names import EVERY_NAMESPACE, check_owner
    from .output import print_json

    for namespace in namespaces:
        if namespace != EVERY_NAMESPACE:
            check_owner(namespace)
    scope = Scope.READ if read_only else Scope.WRITE
    signed = issue_token(_signing_key(), sub=subject, namespaces=namespaces, scope=scope, ttl=ttl)
    if as_json:
        expires = datetime.now(UTC) + timedelta(seconds=ttl)
        print_json(
            {
                "token": signed,
                "id": token_id(signed),
                "namespaces": namespaces,
                "scope": str(scope),
                "expiresAt": expires.isoformat(timespec="seconds").replace("+00:00", "Z"),
            }
        )
    else:
        typer.echo(signed)


@token.command()
def revoke(
    ids: Annotated[
        list[str],
        typer.Argument(metavar="ID|TOKEN...", help="The id that `--json` gave (its claim `jti`), or the token itself."),
    ],
    any_id: Annotated[
        bool, typer.Option("--any-id", help="The ids are of tokens that another program signed, and of any form.")
    ] = False,
) -> None:
    """End tokens before they expire, at both services, within seconds; with them, the playback URLs they made.

    DREAMLAKE_API_KEY must write in every namespace, or be the token that is to end.
    """
    from .connection import connect
    from .output import note, plural

    chosen = [_id_of(text, any_id=any_id) for text in ids]
    with connect() as lake:
        lake.revoke_tokens(chosen)
    note(f"{plural(len(chosen), 'token')} revoked, at both services within seconds.")


@token.command("list")
def list_revoked(as_json: AsJson = False) -> None:
    """The tokens that were revoked. Tokens that are valid are kept nowhere but with those who have them."""
    from .connection import connect
    from .output import print_json

    with connect() as lake:
        for one in lake.revoked_tokens():
            if as_json:
                print_json(one.token.wire() | {"services": list(one.services)})
            else:
                revoked = f"{one.token.revoked_at:%Y-%m-%d %H:%M} by {visible(one.token.revoked_by)}"
                where = "" if len(one.services) > 1 else f", at {one.services[0]} only: revoke it again"
                typer.echo(f"{one.token.id}  {revoked}{where}")


def _id_of(text: str, *, any_id: bool) -> str:
    """The id of a token, given by itself or as the token. Raises DreamlakeError(USAGE) for what is neither; with
    `any_id`, for what no token can have as its id."""
    from ..auth import is_own_token_id, is_token_id, token_id
    from ..errors import Code, DreamlakeError

    is_token = text.startswith("ey") and text.count(".") == 2
    try:
        found = token_id(text) if is_token else text
    except ValueError:
        found = ""
    if not is_token_id(found):
        raise DreamlakeError(
            Code.USAGE, "That is neither the id of a token nor a token.", hint="`token create --json` shows the id."
        )
    if not (is_token or any_id or is_own_token_id(found)):
        # BSS keeps no list of the tokens that are valid: a word that is the id of none would be revoked, and end none.
        raise DreamlakeError(
            Code.USAGE,
            f"`{found}` is not the id of a token of `dreamlake token create`, which has 24 digits such as "
            "6b0cfb853f63a552ed01e219: nothing was revoked.",
            hint="Give the token itself, or the id that `token create --json` showed. If another program signed the "
            "token, and gave it this id: --any-id.",
        )
    return found


def _signing_key() -> str:
    """The key of the environment, else of the embedded stack. Raises DreamlakeError(USAGE) when there is none."""
    from ..settings import Settings
    from .connection import stack_variables

    if any(os.environ.get(name) for name in _SECRETS):
        return Settings().token_keys()[0]
    given = {
        name.removeprefix("DREAMLAKE_").lower(): value for name in _SECRETS if (value := stack_variables().get(name))
    }
    return Settings(**given).token_keys()[0]
