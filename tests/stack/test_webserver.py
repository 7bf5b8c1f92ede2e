"""The stack's Dagster as a person uses it in a browser, and as a page of another site would like to use it."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from dreamlake_pipeline.stack import dagster_home
from dreamlake_pipeline.stack.processes import CODE_LOCATION
from dreamlake_pipeline.stack.state import Stack
from tests import chromium

# One worker of a parallel run has the stack.
pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack"), pytest.mark.timeout(400)]

Run = Callable[..., subprocess.CompletedProcess[str]]

PATIENCE = 90_000  # milliseconds, for a machine that has other things to do

JOB = {"repositoryName": "__repository__", "repositoryLocationName": CODE_LOCATION, "jobName": "process_batch"}
LAUNCH = """mutation ($asked: ExecutionParams!) { launchRun(executionParams: $asked) {
  __typename ... on LaunchRunSuccess { run { runId } }
  ... on RunConfigValidationInvalid { errors { message reason } } ... on PythonError { message } } }"""
RUNS = "{ runsOrError { ... on Runs { results { runId status runConfigYaml tags { key value } } } } }"
ENV = {"env": "DREAMLAKE_AUTH_SECRET"}


def runs_of(stack: Stack) -> list[dict[str, Any]]:
    return list(dagster_home.query(stack, RUNS)["runsOrError"]["results"])


@pytest.mark.parametrize(
    "config",
    [
        {"resources": {"bss": {"config": {"url": "http://127.0.0.1:9", "token": ENV}}}},
        {"resources": {"object_store": {"config": {"endpoint_url": "http://127.0.0.1:9", "bucket": ENV}}}},
        {"resources": {"folder_tree": {"config": {"postgres_url": ENV}}}},
        {"resources": {"media_tools": {"config": {"scratch": "/etc"}}}},
        {"resources": {"batch_policy": {"config": {"batch_lease": 1}}}},
        {"resources": {"batch_tools": {"config": {"bss": {"url": "http://127.0.0.1:9"}}}}},
        {"resources": {"io_manager": {"config": {"base_dir": "/etc"}}}},
        {"resources": {"redo": {"config": {"only": [ENV]}}}},
        {"ops": {"hls_streams": {"config": {"any": ENV}}}},
        {"loggers": {"console": {"config": {"name": ENV}}}},
    ],
    ids=lambda config: str(next(iter(next(iter(config.values()))))),
)
def test_a_run_whose_config_names_secrets_or_addresses_is_not_created(running_stack: Stack, config: Any) -> None:
    asked = {"selector": JOB, "runConfigData": json.dumps(config)}
    answer = dagster_home.query(running_stack, LAUNCH, asked=asked)["launchRun"]
    assert answer["__typename"] == "RunConfigValidationInvalid" and answer["errors"], answer
    assert [one for one in runs_of(running_stack) if yaml.safe_load(one["runConfigYaml"]) == config] == []


# A token in a URL, a presigned URL of either kind, a JWT.
OPENERS = re.compile(r"token=|X-Amz-|AWSAccessKeyId=|Signature=|eyJ[\w-]{10,}\.")


def test_nothing_that_dagster_keeps_of_a_run_opens_anything(running_stack: Stack, run: Run, tmp_path: Path) -> None:
    """All of its tables, its folder and its logs, and what it gives to download."""
    (tmp_path / "speech.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nHello there.\n")
    ingested = run(running_stack.home, "ingest", str(tmp_path), "--episode", "kept:run-1", "--wait")
    assert ingested.returncode == 0, ingested.stderr
    finished = [one["runId"] for one in runs_of(running_stack) if one["status"] == "SUCCESS"]
    login = {"Authorization": f"Bearer {running_stack.credentials.dagster_secret}"}
    url = running_stack.url_of("dagster-webserver")
    kept = {
        run_id: gzip.decompress(httpx.get(f"{url}/download_debug/{run_id}", headers=login).content).decode()
        for run_id in finished
    }
    with psycopg.connect(running_stack.postgres_url("dagster")) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'dagster'").fetchall()
        for (table,) in tables:
            rows = connection.execute(f'SELECT kept::text FROM dagster."{table}" AS kept').fetchall()
            kept[table] = "\n".join(text for (text,) in rows)
    files = [*running_stack.dagster_home.rglob("*"), *running_stack.logs.glob("*.log")]
    kept |= {str(path): path.read_text(errors="replace") for path in files if path.is_file()}
    assert finished and len(tables) > 10 and "dreamlake" in kept["event_logs"]
    for name, text in kept.items():
        text = re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
        assert OPENERS.findall(text) == [], name
        assert [secret[:4] for secret in astuple(running_stack.credentials) if secret in text] == [], name


def test_nobody_else_reads_what_dagster_keeps_in_files(running_stack: Stack) -> None:
    assert running_stack.dagster_home.stat().st_mode & 0o077 == 0
    assert [path for path in (running_stack.dagster_home / "storage").rglob("*") if path.stat().st_mode & 0o077] == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, chromium.launched(playwright, patience=PATIENCE) as browser:
        yield browser


@pytest.fixture
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """A browser with no session yet."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def person(visitor: BrowserContext, running_stack: Stack) -> BrowserContext:
    """A browser that has followed the link."""
    page = visitor.new_page()
    page.goto(running_stack.login_url)
    page.close()
    return visitor


def test_a_person_logs_in_by_the_link_that_status_prints(
    visitor: BrowserContext, running_stack: Stack, run: Run
) -> None:
    printed = run(running_stack.home, "status").stdout
    [link] = re.findall(r"http://\S+/login\?secret=\S+", printed)
    url, page = str(running_stack.url_of("dagster-webserver")), visitor.new_page()
    refused = page.goto(f"{url}/runs")
    assert refused is not None and refused.status == 401
    assert "dreamlake status" in page.inner_text("body")
    page.goto(link)
    page.wait_for_selector("text=Runs")
    assert page.url.startswith(url) and "secret" not in page.url
    [cookie] = visitor.cookies()
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    assert page.evaluate("document.cookie") == ""


def test_a_run_is_watched_while_it_goes_on(
    person: BrowserContext, running_stack: Stack, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "speech.srt").write_text(f"1\n00:00:00,500 --> 00:00:01,500\nHello {time.time()}.\n")
    tag = {"key": "dreamlake/project", "value": "watched"}
    assert run(running_stack.home, "ingest", str(tmp_path), "--episode", "watched:run-1").returncode == 0
    deadline = time.monotonic() + 60
    while not (new := [one["runId"] for one in runs_of(running_stack) if tag in one["tags"]]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    page, frames = person.new_page(), []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))))
    page.goto(f"{running_stack.url_of('dagster-webserver')}/runs/{new[0]}")
    page.wait_for_selector("text=RUN_SUCCESS")
    assert any("pipelineRunLogs" in frame for frame in frames)


class Stranger(BaseHTTPRequestHandler):
    """A page of somebody else, on another port."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>stranger</title><body></body>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def stranger() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


# Each tries to execute a mutation, or to get at something, with whatever the browser sends along.
ATTACKS = {
    "fetch of JSON": """fetch(url + "/graphql", {method: "POST", credentials: "include", body: JSON.stringify({query}),
        headers: {"Content-Type": "application/json"}})""",
    "fetch of text": """fetch(url + "/graphql", {method: "POST", credentials: "include", mode: "no-cors",
        body: JSON.stringify({query}), headers: {"Content-Type": "text/plain"}})""",
    "fetch by GET": """fetch(url + "/graphql?query=" + encodeURIComponent(query),
        {credentials: "include", mode: "no-cors"})""",
    "beacon": """navigator.sendBeacon(url + "/graphql", new Blob([JSON.stringify({query})], {type: "text/plain"}))""",
    "picture": """(document.body.append(Object.assign(new Image(),
        {src: url + "/graphql?query=" + encodeURIComponent(query)})), true)""",
    "script": """(document.body.append(Object.assign(document.createElement("script"),
        {src: url + "/graphql?query=" + encodeURIComponent(query)})), true)""",
    "frame": """(document.body.append(Object.assign(document.createElement("iframe"),
        {src: url + "/graphql?query=" + encodeURIComponent(query)})), true)""",
    "form": """(() => { const form = document.createElement("form"), field = document.createElement("input");
        Object.assign(form, {method: "POST", enctype: "text/plain", target: "elsewhere",
            action: url + "/graphql?query=" + encodeURIComponent(query)});
        form.append(Object.assign(field, {name: '{"query": "' + query.replaceAll('"', '\\\\"') + '", "a": "',
            value: '"}'}));
        document.body.append(Object.assign(document.createElement("iframe"), {name: "elsewhere"}), form);
        form.submit(); return true })()""",
    "window": """(window.open(url + "/graphql?query=" + encodeURIComponent(query)), true)""",
    "WebSocket": """new Promise((done, failed) => {
        const socket = new WebSocket(url.replace("http", "ws") + "/graphql", "graphql-ws");
        socket.onerror = () => failed("refused");
        socket.onopen = () => done("open") })""",
    "report": """fetch(url + "/report_asset_materialization/attacked", {method: "POST", credentials: "include",
        mode: "no-cors"})""",
}


def limits(stack: Stack) -> set[str]:
    found = dagster_home.query(stack, "{ instance { concurrencyLimits { concurrencyKey } } }")
    return {one["concurrencyKey"] for one in found["instance"]["concurrencyLimits"]}


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_pages_of_others_do_nothing_with_a_persons_session(
    person: BrowserContext, running_stack: Stack, stranger: int, name: str
) -> None:
    """On another port of the same host, to which the browser sends the cookie, and on another host."""
    url = str(running_stack.url_of("dagster-webserver"))
    page = person.new_page()
    for attack, script in ATTACKS.items():
        page.goto(f"http://{name}:{stranger}/")
        key = re.sub(r"\W", "-", f"{name}-{attack}")
        query = f'mutation {{ setConcurrencyLimit(concurrencyKey: "{key}", limit: 7) }}'
        came = page.evaluate(f"([url, query]) => Promise.resolve({script}).then(String, String)", [url, query])
        if attack == "WebSocket":
            assert came == "refused"
        page.wait_for_timeout(300)
    assert limits(running_stack) == set()
    reported = """{ assetOrError(assetKey: {path: ["attacked"]}) {
        ... on Asset { assetMaterializations(limit: 1) { timestamp } } } }"""
    assert not dagster_home.query(running_stack, reported)["assetOrError"].get("assetMaterializations")

    # What was tried does work where it may: on a page of Dagster's own.
    own = person.new_page()
    own.goto(url)
    query = 'mutation { setConcurrencyLimit(concurrencyKey: "own", limit: 7) }'
    own.evaluate(f"([url, query]) => {ATTACKS['fetch of JSON']}.then(String)", [url, query])
    assert limits(running_stack) == {"own"}
    dagster_home.query(running_stack, 'mutation { deleteConcurrencyLimit(concurrencyKey: "own") }')


def test_pages_of_others_show_it_in_no_frame(person: BrowserContext, running_stack: Stack, stranger: int) -> None:
    page = person.new_page()
    page.goto(f"http://127.0.0.1:{stranger}/")
    for path in ("/", "/login", "/healthz", "/graphql"):
        shown = _framed(page, f"{running_stack.url_of('dagster-webserver')}{path}")
        assert "dagster" not in shown.lower() and "ok" not in shown.split(), path


def _framed(page: Page, url: str) -> str:
    page.evaluate(
        """url => new Promise(done => { document.body.replaceChildren(Object.assign(
            document.createElement("iframe"), {src: url, onload: done, onerror: done})); setTimeout(done, 3000) })""",
        url,
    )
    [frame] = page.main_frame.child_frames
    return "" if frame.url.startswith("chrome-error:") else str(frame.evaluate("document.body.innerText"))


@pytest.mark.parametrize("path", ["/runs", "the login"])
def test_a_link_on_a_page_of_others_leads_to_dagster(
    visitor: BrowserContext, running_stack: Stack, stranger: int, path: str
) -> None:
    """The cookie is not sent with it, nor after the login's redirection: the guard's page opens the address anew."""
    url = str(running_stack.url_of("dagster-webserver"))
    page = visitor.new_page()
    if path == "/runs":
        page.goto(running_stack.login_url)
    page.goto(f"http://localhost:{stranger}/")
    target = running_stack.login_url if path == "the login" else f"{url}{path}"
    page.evaluate("url => { location.href = url }", target)
    page.wait_for_selector("text=Runs")
    assert page.url.startswith(url) and "secret" not in page.url
