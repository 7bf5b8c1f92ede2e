"""Bearer tokens: who is let in, and how far."""

from __future__ import annotations

import base64
import hmac
import json
import time
from datetime import UTC, datetime

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamlake_pipeline.auth import CLOCK_SKEW, Principal, Scope, issue_token, token_id, verify_token
from dreamlake_pipeline.errors import Code, DreamlakeError

SECRET = "a secret for tests only, 32 bytes or more"
ASSET = "a" * 24


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


def test_what_was_accepted_is_refused_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a token claims is remembered; whether it holds is found out each time, and by which keys too."""
    token, now = issue(ttl=60), time.time()
    assert verify_token(SECRET, token).sub == "robot"
    with pytest.raises(DreamlakeError):
        verify_token(SECRET[::-1], token)
    monkeypatch.setattr(time, "time", lambda: now + 60 + CLOCK_SKEW + 1)
    assert "expired" in str(refusal(token))


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


_GOOD = {"sub": "robot", "scope": "read"}
_NO_TIMES = [1e30, -1, "soon", "1", True, [], {}, float("nan"), float("inf"), 10**400]


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"sub": "robot"},
        {"scope": "read"},
        {"sub": "robot", "scope": "admin"},
        *(_GOOD | {claim: value} for claim in ("exp", "nbf", "iat") for value in _NO_TIMES),
        *(_GOOD | {"sub": value} for value in (7, None, [], {}, True, "", "x" * 256)),
        *(_GOOD | {"scope": value} for value in (7, None, [], {}, True, "READ")),
        *(_GOOD | {"namespaces": value} for value in ("*", None, 7, {}, [7], [None], [["*"]], ["A"], [""], ["**"])),
        *(_GOOD | {"jti": value} for value in (7, [], {}, True, "", "a b", "x" * 129)),
        *(_GOOD | {"scope": "play", "asset": value} for value in (7, None, [], "", "../x", "A" * 24)),
        {"sub": "robot", "scope": "play"},
        _GOOD | {"asset": ASSET},
        _GOOD | {"aud": "another service"},
    ],
    ids=repr,
)
def test_well_signed_nonsense_is_refused(claims: dict[str, object]) -> None:
    refusal(jwt.encode(claims, SECRET, algorithm="HS256") if "exp" not in claims else _signed(claims))


_HEADER = {"alg": "HS256", "typ": "JWT"}


def _signed(claims: object, header: object = None) -> str:
    """What `jwt.encode` refuses to make."""
    parts = [json.dumps(part).encode() for part in (_HEADER if header is None else header, claims)]
    head = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    signature = hmac.digest(SECRET.encode(), head.encode(), "sha256")
    return f"{head}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


@pytest.mark.parametrize(
    "token",
    [
        *(_signed(claims) for claims in ([], "robot", 7, None, [_GOOD])),
        *(_signed(_GOOD, header) for header in ([], 7, "HS256", {"alg": 7}, {"alg": ["HS256"]}, {"typ": "JWT"})),
        _signed(_GOOD, {"alg": "HS256", "crit": ["b64"], "b64": False}),
        _signed(_GOOD | {"more": "x" * 20_000}),
        base64.urlsafe_b64encode(b"[" * 3000).decode() + ".e30.AAAA",
        "." * 5000,
    ],
    ids=lambda token: token[:20],
)
def test_tokens_of_odd_forms_are_refused(token: str) -> None:
    refusal(token)


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
    for principal in (caller(Scope.READ, "*"), caller(Scope.WRITE, "lab"), caller(Scope.PLAY, "*", asset=ASSET)):
        with pytest.raises(DreamlakeError) as caught:
            principal.require_service()
        assert caught.value.code is Code.FORBIDDEN


def test_a_playback_token_reaches_one_asset_and_nothing_else() -> None:
    player = caller(Scope.PLAY, "lab", asset=ASSET)
    player.require_play(ASSET)
    with pytest.raises(DreamlakeError, match="another file"):
        player.require_play("b" * 24)
    for scope in (Scope.READ, Scope.WRITE):
        assert not allowed(player, "lab", scope)
        with pytest.raises(DreamlakeError, match="only plays"):
            player.require_any(scope)


def test_keys_are_rotated_without_a_moment_at_which_a_token_is_refused() -> None:
    old, new = SECRET, "the next secret, of 32 bytes or more, too"
    before, after = issue(Scope.READ, "lab"), issue_token(new, sub="a", namespaces=[], scope=Scope.READ, ttl=60)
    for token in (before, after):
        assert verify_token([new, old], token).token_id == verify_token([old, new], token).token_id
    with pytest.raises(DreamlakeError):
        verify_token([new], before)
    with pytest.raises(DreamlakeError):
        verify_token([old], after)
    with pytest.raises(DreamlakeError, match="expired"):
        verify_token([new, old], issue(ttl=-CLOCK_SKEW - 5))


def test_a_token_has_one_id_however_its_signature_is_spelled() -> None:
    token = issue(Scope.READ, "lab")
    assert token_id(token) == verify_token(SECRET, token).token_id
    old = jwt.encode({"sub": "robot", "scope": "read"}, SECRET)
    other = f"{old.rpartition('.')[0]}.{issue().rpartition('.')[2]}"
    assert token_id(old) == token_id(other) == verify_token(SECRET, old).token_id
    assert token_id(old).startswith("sha256:")
    for text in ("", "a.b.c", "6b0cfb853f63a552ed01e219"):
        with pytest.raises(ValueError, match="no token"):
            token_id(text)


def test_what_is_given_ends_with_the_token() -> None:
    assert caller(Scope.READ, "lab").seconds_left(10_000) in range(50, 61)
    assert verify_token(SECRET, issue(ttl=None)).seconds_left(10_000) == 10_000
    assert verify_token(SECRET, issue(ttl=-30)).seconds_left(10_000) == 1
