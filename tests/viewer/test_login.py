"""Logging in: by the form, by a link that works once; how long it lasts, and what it leaves behind."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from http.cookies import SimpleCookie
from urllib.parse import quote, urlsplit

import httpx
import jwt
import pytest
from fastapi.testclient import TestClient
from starlette import types

from dreamlake_pipeline.api.server import Me
from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.errors import DreamlakeError
from dreamlake_pipeline.settings import Settings
from dreamlake_pipeline.viewer.app import create_app
from dreamlake_pipeline.viewer.attempts import Attempts
from dreamlake_pipeline.viewer.onetime import Login, OnceCodes
from tests.conftest import SECRET
from tests.viewer.conftest import VIEWER_SECRET, Seen, viewer_settings

# A page that shows something with any key that reaches the namespace: an episode that is not there says so.
PAGE = "/p/lab/cups/e/run-1?t=2.5"


def cookie_of(answer: httpx.Response) -> tuple[str, dict[str, str]]:
    """Value and attributes of the cookie that an answer sets."""
    [morsel] = SimpleCookie(answer.headers["set-cookie"]).values()
    return morsel.value, {name: str(value) for name, value in morsel.items() if value}


def test_without_a_session_the_form_is_shown_and_leads_back(viewer: Seen) -> None:
    with viewer.browser() as browser:
        refused = browser.get(PAGE)
        assert (refused.status_code, refused.headers["location"]) == (
            303,
            f"/login?next={quote(PAGE, safe='')}",
        )
        form = browser.get(refused.headers["location"]).text
        assert f'value="{PAGE}"' in form
        done = browser.post("/login", data={"key": viewer.services.token("*"), "next": PAGE})
        assert (done.status_code, done.headers["location"]) == (303, PAGE)


def test_the_cookie_is_for_this_site_alone_and_for_no_script(viewer: Seen) -> None:
    key = viewer.services.token("*")
    with viewer.browser() as browser:
        _, attributes = cookie_of(browser.post("/login", data={"key": key}))
    assert attributes["httponly"] and attributes["samesite"] == "strict" and attributes["path"] == "/"
    assert "domain" not in attributes
    assert 0 < int(attributes["max-age"]) <= 600, "it ends with the key"


def test_over_tls_the_cookie_is_sent_over_tls_alone(viewer: Seen) -> None:
    settings = viewer_settings(viewer.services, viewer_url="https://viewer.example.com/")
    with TestClient(create_app(settings), follow_redirects=False) as client:
        done = client.post("/login", data={"key": viewer.services.token("*")})
        assert cookie_of(done)[1]["secure"]
        made = client.post("/login/links", json={}, headers={"Authorization": f"Bearer {viewer.services.token('*')}"})
    assert made.json()["url"].startswith("https://viewer.example.com/login/once/")


def test_the_key_is_in_no_address_and_no_page(viewer: Seen) -> None:
    key = viewer.services.token("*")
    with viewer.browser(key) as browser:
        for path in ("/login", PAGE, "/nowhere"):
            answer = browser.get(path)
            assert key not in answer.text + str(answer.headers), path
    link = viewer.link(PAGE, key=key)
    assert key not in link
    with viewer.browser() as browser:
        assert key not in browser.get(link).text


def test_a_wrong_key_is_told_so_and_may_be_corrected(viewer: Seen) -> None:
    with viewer.browser() as browser:
        refused = browser.post("/login", data={"key": "no key", "next": PAGE})
        assert refused.status_code == 401
        assert "set-cookie" not in refused.headers
        assert "The token is not valid here." in refused.text and f'value="{PAGE}"' in refused.text
        assert browser.post("/login", data={"key": ""}).status_code == 401
        assert browser.post("/login", data={"key": "bäd\n"}).status_code == 401


def test_a_playback_token_is_no_key(viewer: Seen) -> None:
    token = issue_token(SECRET, sub="x", namespaces=[], scope=Scope.PLAY, ttl=60, asset="0" * 24)
    with viewer.browser() as browser:
        assert browser.post("/login", data={"key": token}).status_code == 403


def test_after_many_wrong_keys_an_address_waits(viewer: Seen) -> None:
    key = viewer.services.token("*")
    with TestClient(create_app(viewer_settings(viewer.services)), follow_redirects=False) as client:
        for _ in range(20):
            assert client.post("/login", data={"key": "wrong"}).status_code == 401
        refused = client.post("/login", data={"key": key})
        assert refused.status_code == 429 and 0 < int(refused.headers["retry-after"]) <= 301
        asked = client.post("/login/links", json={}, headers={"Authorization": f"Bearer {key}"})
        assert asked.status_code == 503


def test_attempts_count_by_the_network_that_somebody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    attempts = Attempts()
    for host in range(20):
        attempts.fail(f"2001:db8:0:1::{host:x}")
    assert attempts.wait_of("2001:db8:0:1:ffff::1") == 300
    assert attempts.wait_of("2001:db8:0:2::1") == attempts.wait_of("::ffff:10.0.0.1") == 0
    now += 301
    assert attempts.wait_of("2001:db8:0:1::1") == 0


def test_a_link_logs_in_once(viewer: Seen) -> None:
    link = viewer.link(PAGE)
    with viewer.browser() as browser:
        assert browser.head(link).status_code == 405, "a look at it does not use it up"
        first = browser.get(link)
        assert (first.status_code, first.headers["location"]) == (303, PAGE)
        assert cookie_of(first)[1]["samesite"] == "strict"
        assert browser.get("/login").text.count("You are logged in as test") == 1
    with viewer.browser() as other:
        again = other.get(link)
        assert again.status_code == 410 and "set-cookie" not in again.headers
        assert "dreamlake open" in again.text
        assert other.get("/login/once/made-up").status_code == 410


def test_a_link_is_good_for_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    codes = OnceCodes(VIEWER_SECRET)
    login = Login("key", Me(sub="x", namespaces=["*"], scope="read", expires_at=None), "/")
    old, new = codes.make(login), codes.make(login)
    now += 599
    assert codes.take(old) == login
    now += 2
    assert codes.take(new) is None
    for number in range(1100):
        new = codes.make(login._replace(key=f"key {number}"))
    assert len(codes._logins) == 1000 and codes.take(new) == login._replace(key="key 1099")


class Balancer:
    """Two processes of a viewer behind one address: a request goes where `choose` says, by its number."""

    def __init__(self, viewer: Seen, choose: Callable[[int], int]) -> None:
        self.apps = [create_app(viewer_settings(viewer.services)) for _ in range(2)]
        self.choose, self.asked = choose, 0

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        app = self.apps[self.choose(self.asked)]
        self.asked += 1
        await app(scope, receive, send)


@pytest.mark.parametrize("turns", ["AB", "ABBBBA", "ABAB", "AA"])
def test_a_link_works_once_behind_a_balancer_whichever_process_it_reaches_first(viewer: Seen, turns: str) -> None:
    balancer = Balancer(viewer, lambda asked: "AB".index(turns[asked % len(turns)]))
    client = TestClient(balancer, headers={"Accept": "text/html"})  # neither process is started, nor ended
    headers = {"Authorization": f"Bearer {viewer.services.token('*')}"}
    link = client.post("/login/links", json={"next": "/projects.json"}, headers=headers).json()["url"]
    assert "projects" in client.get(link).json()
    client.cookies.clear()
    balancer.choose = lambda asked: asked % 2
    again = client.get(link)
    assert again.status_code == 410 and "set-cookie" not in again.headers


def test_a_link_whose_process_cannot_be_reached_says_so_after_some_rounds(viewer: Seen) -> None:
    balancer = Balancer(viewer, lambda asked: min(asked, 1))
    client = TestClient(balancer, headers={"Accept": "text/html"})  # neither process is started, nor ended
    headers = {"Authorization": f"Bearer {viewer.services.token('*')}"}
    link = client.post("/login/links", json={"next": "/"}, headers=headers).json()["url"]
    first = client.get(link, follow_redirects=False)
    assert first.status_code == 303 and first.headers["connection"] == "close" and "set-cookie" not in first.headers
    ended = client.get(link)
    assert ended.status_code == 410 and balancer.asked < 20
    assert "does not lead to" in ended.text
    # What nobody made, or is too old, is not sent round.
    code, process, until, signature = urlsplit(link).path.rpartition("/")[2].split(".")
    for other in (
        f"x{code}.{process}.{until}.{signature}",
        f"{code}.{process}.1.{signature}",
        "a.b.c.d",
        "é.é",
        "x",
    ):
        answer = client.get(f"/login/once/{quote(other)}", follow_redirects=False)
        assert answer.status_code == 410 and "does not lead to" not in answer.text


def test_a_code_of_another_process_is_one_for_as_long_as_it_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    login = Login("key", Me(sub="x", namespaces=["*"], scope="read", expires_at=None), "/")
    one, other, stranger = OnceCodes(VIEWER_SECRET), OnceCodes(VIEWER_SECRET), OnceCodes(VIEWER_SECRET[::-1])
    code = one.make(login)
    assert other.is_of_another(code) and not one.is_of_another(code) and not stranger.is_of_another(code)
    now += 601
    assert not other.is_of_another(code)


@pytest.mark.parametrize(
    "next",
    [
        "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
        "javascript:alert(1)",
        "/%0d%0aSet-Cookie:x", " /x", "x", "", "/login?next=/", "/logout", "/\u202eevil", "/ok\r\nx: y",
    ],
)  # fmt: skip
def test_a_login_leads_to_pages_of_the_viewer_alone(viewer: Seen, next: str) -> None:
    key = viewer.services.token("*")
    with viewer.browser() as browser:
        led = browser.post("/login", data={"key": key, "next": next}).headers["location"]
        page = browser.get(viewer.link(next, key=key)).headers["location"]
        form = browser.get("/login", params={"next": next}).text
    local = re.compile(r"/(?![/\\])[\x21-\x7e]*")
    assert local.fullmatch(led) and not urlsplit(led).netloc
    assert "evil.example" not in led + page + form
    assert led == page == ("/%0d%0aSet-Cookie:x" if next.startswith("/%0d") else "/")


def test_a_session_ends_with_its_key(viewer: Seen) -> None:
    # Tokens are good for a minute longer, since clocks differ; the session is not.
    key = issue_token(SECRET, sub="test", namespaces=["*"], scope=Scope.WRITE, ttl=1)
    with viewer.browser(key) as browser:
        [cookie] = browser.cookies.jar
        late = {"verify_exp": False}  # it may have ended by now
        claims = jwt.decode(str(cookie.value), VIEWER_SECRET, ["HS256"], late, audience=cookie.name)
        assert claims["exp"] <= time.time() + 1
        cookie.expires = None  # a browser whose clock is late
        ended = jwt.encode(claims | {"exp": int(time.time()) - 1}, VIEWER_SECRET, "HS256")
        cookie.value = ended
        refused = browser.get(PAGE)
        assert refused.status_code == 303 and refused.headers["location"].startswith("/login?next=%2Fp%2Flab")
        assert browser.get(PAGE.replace("?", ".json?")).status_code == 401, "of data, programs are told by JSON"


def test_a_key_that_the_services_refuse_ends_the_session(viewer: Seen) -> None:
    """As a revoked one: the index says so at the next page."""
    other = issue_token("another secret, of 32 bytes or more", sub="x", namespaces=["*"], scope=Scope.WRITE, ttl=60)
    with viewer.browser(viewer.services.token("*")) as browser:
        [cookie] = browser.cookies.jar
        claims = jwt.decode(str(cookie.value), VIEWER_SECRET, algorithms=["HS256"], audience=cookie.name)
        cookie.value = jwt.encode(claims | {"key": other}, VIEWER_SECRET, "HS256")
        refused = browser.get(PAGE)
        assert refused.status_code == 303 and refused.headers["location"].startswith("/login?next=")
        assert cookie_of(refused)[0] == "", "the browser forgets it"


@pytest.mark.parametrize("change", ["signature", "audience", "none", "empty"])
def test_a_forged_cookie_is_no_session(viewer: Seen, change: str) -> None:
    with viewer.browser(viewer.services.token("*")) as browser:
        [cookie] = browser.cookies.jar
        claims = jwt.decode(str(cookie.value), VIEWER_SECRET, algorithms=["HS256"], audience=cookie.name)
        cookie.value = {
            "signature": jwt.encode(claims, "another secret, of 32 bytes or more", "HS256"),
            "audience": jwt.encode(claims | {"aud": "dreamlake-dagster-1"}, VIEWER_SECRET, "HS256"),
            "none": jwt.encode(claims, None, "none"),
            "empty": "",
        }[change]
        assert browser.get(PAGE).status_code == 303


def test_logging_out_needs_the_form_of_this_session(viewer: Seen) -> None:
    key = viewer.services.token("*")
    with viewer.browser(key) as browser, viewer.browser(key) as other:
        token = re.findall(r'name="csrf" value="([0-9a-f]{64})"', browser.get("/login").text)[0]
        for wrong in ("", "0" * 64, re.findall(r'name="csrf" value="([0-9a-f]{64})"', other.get("/login").text)[0]):
            assert browser.post("/logout", data={"csrf": wrong}).status_code == 403
        assert "You are logged in" in browser.get("/login").text
        done = browser.post("/logout", data={"csrf": token})
        assert (done.status_code, done.headers["location"]) == (303, "/login")
        assert "You are logged in" not in browser.get("/login").text


def test_a_key_that_no_cookie_can_hold_is_refused(viewer: Seen) -> None:
    key = viewer.services.token(*(f"namespace-{number:04}-of-somebody" for number in range(200)))
    with viewer.browser() as browser:
        refused = browser.post("/login", data={"key": key})
        assert refused.status_code == 401 and "too long for a browser" in refused.text
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        viewer.link(key=key)


@pytest.mark.parametrize("lacks", ["viewer_secret", "remote", "bss_url"])
def test_what_it_lacks_is_named(lacks: str) -> None:
    given = {"viewer_secret": VIEWER_SECRET, "remote": "http://index", "bss_url": "http://bss"} | {lacks: None}
    with pytest.raises(DreamlakeError, match=f"DREAMLAKE_{lacks.upper()} is not set"):
        create_app(Settings(**given))


def test_a_url_that_is_none_is_named() -> None:
    with pytest.raises(DreamlakeError, match="DREAMLAKE_BSS_URL cannot be used"):
        create_app(Settings(viewer_secret=VIEWER_SECRET, remote="http://index", bss_url="bss:8001"))
