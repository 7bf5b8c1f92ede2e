"""Bearer tokens: who is let in, and how far."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamlake_pipeline.auth import CLOCK_SKEW, Principal, Scope, issue_token, verify_token
from dreamlake_pipeline.errors import Code, DreamlakeError

SECRET = "a secret for tests only, 32 bytes or more"


def issue(scope: Scope = Scope.WRITE, *namespaces: str, ttl: float | None = 60, asset: str | None = None) -> str:
    return issue_token(SECRET, sub="robot", namespaces=list(namespaces), scope=scope, ttl=ttl, asset=asset)


def caller(scope: Scope, *namespaces: str, asset: str | None = None) -> Principal:
    return verify_token(SECRET, issue(scope, *namespaces, asset=asset))


def refusal(token: str) -> DreamlakeError:
    with pytest.raises(DreamlakeError) as caught:
        verify_token(SECRET, token)
    assert caught.value.code is Code.UNAUTHENTICATED
    assert len(token) < 20 or token not in str(caught.value)
    return caught.value


def allowed(principal: Principal, namespace: str, scope: Scope) -> bool:
    try:
        principal.require(namespace, scope)
    except DreamlakeError as error:
        if error.code is not Code.FORBIDDEN:
            raise
        return False
    return True


def test_a_token_says_who_and_how_far() -> None:
    principal = verify_token(SECRET, issue(Scope.READ, "lab", "demo"))
    assert (principal.sub, principal.namespaces, principal.scope) == ("robot", ("lab", "demo"), Scope.READ)
    assert principal.expires_at is not None
    assert 0 < (principal.expires_at - datetime.now(UTC)).total_seconds() <= 60
    assert verify_token(SECRET, issue(ttl=None)).expires_at is None


def test_an_expired_token_is_refused_and_says_so() -> None:
    assert "expired" in str(refusal(issue(ttl=-CLOCK_SKEW - 5)))


@pytest.mark.parametrize("claim", ["iat", "nbf", "exp"])
@pytest.mark.parametrize("is_within", [True, False])
def test_clocks_may_differ_a_little(claim: str, is_within: bool) -> None:
    # `exp` may lie in the past by so much, the others in the future.
    skew = (CLOCK_SKEW - 5 if is_within else CLOCK_SKEW + 5) * (-1 if claim == "exp" else 1)
    token = jwt.encode({"sub": "robot", "scope": "read", claim: int(time.time()) + skew}, SECRET)
    if is_within:
        assert verify_token(SECRET, token).sub == "robot"
    else:
        refusal(token)


def _unsigned(claims: dict[str, object]) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def test_forged_tokens_are_refused() -> None:
    claims = {"sub": "robot", "namespaces": ["*"], "scope": "write", "exp": time.time() + 60}
    header, body, signature = issue(Scope.READ, "lab").split(".")
    other_body = jwt.encode(claims, SECRET).split(".")[1]
    refusal(jwt.encode(claims, "another secret of 32 bytes or more"))
    refusal(jwt.encode(claims, SECRET * 2, algorithm="HS512"))
    refusal(_unsigned(claims))
    refusal(f"{header}.{other_body}.{signature}")
    refusal(f"{header}.{body}.")


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"sub": "robot"},
        {"scope": "read"},
        {"sub": "robot", "scope": "admin"},
        {"sub": "robot", "scope": "read", "namespaces": "*"},
        {"sub": "robot", "scope": "read", "exp": "soon"},
        {"sub": 7, "scope": "read"},
    ],
)
def test_well_signed_nonsense_is_refused(claims: dict[str, object]) -> None:
    refusal(jwt.encode(claims, SECRET))


@given(token=st.text())
def test_any_text_is_refused(token: str) -> None:
    refusal(token)


def test_scopes_and_namespaces() -> None:
    reader, writer, service = caller(Scope.READ, "lab"), caller(Scope.WRITE, "lab"), caller(Scope.WRITE, "*")
    assert allowed(reader, "lab", Scope.READ) and not allowed(reader, "lab", Scope.WRITE)
    assert allowed(writer, "lab", Scope.READ) and allowed(writer, "lab", Scope.WRITE)
    for principal in (reader, writer):
        assert not allowed(principal, "demo", Scope.READ)
        assert not allowed(principal, "*", Scope.READ)
    assert allowed(service, "anything", Scope.WRITE)
    assert not allowed(caller(Scope.WRITE), "lab", Scope.READ)


def test_pipeline_routes_are_for_a_writer_of_every_namespace() -> None:
    caller(Scope.WRITE, "*").require_service()
    for principal in (caller(Scope.READ, "*"), caller(Scope.WRITE, "lab"), caller(Scope.PLAY, "*", asset="a")):
        with pytest.raises(DreamlakeError) as caught:
            principal.require_service()
        assert caught.value.code is Code.FORBIDDEN


def test_a_playback_token_reaches_one_asset_and_nothing_else() -> None:
    player = caller(Scope.PLAY, "lab", asset="one")
    player.require_play("lab", "one")
    with pytest.raises(DreamlakeError, match="another file"):
        player.require_play("lab", "two")
    for scope in (Scope.READ, Scope.WRITE):
        assert not allowed(player, "lab", scope)
    caller(Scope.READ, "lab").require_play("lab", "one")
    with pytest.raises(DreamlakeError, match="does not reach"):
        caller(Scope.READ, "demo").require_play("lab", "one")
