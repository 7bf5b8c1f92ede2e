"""What is kept of a log for who may read a file: few lines, of bounded length, and no secret."""

from __future__ import annotations

import pytest

from dreamlake_pipeline.api.pipeline import MOST_LOG_CHARS, MOST_LOG_LINES
from dreamlake_pipeline.auth import Scope, issue_token
from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.processing.excerpt import excerpt_of

SECRET = "Zq7-of-a-secret/that+is=long"
KEPT = "moov atom not found"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("DREAMLAKE_AUTH_SECRETS", f"the-first-of-two-keys-of-32-bytes,{SECRET}2")
    monkeypatch.setenv("DREAMLAKE_POSTGRES_URL", "postgresql://dream:of%2Fsheep@db:5432/lake")


TOKEN = issue_token("k" * 32, sub="a", namespaces=["*"], scope=Scope.WRITE, ttl=60)

LINES = {
    "a secret of S3": f"signed with {SECRET}.",
    "a key of a list": "verified by the-first-of-two-keys-of-32-bytes",
    "a password of a database": "could not connect as dream, of/sheep",
    "a presigned URL": "GET https://s3:9000/lake/a.mp4?X-Amz-Signature=5e1f0a9d&X-Amz-Credential=AKIA1/2026: 403",
    "a playback token": f"http://bss/videos/1/stream/master.m3u8?token={TOKEN}",
    "a user in a URL": "https://ann:5e1f0a9d@proxy.example/path",
    "a bearer token": f"Authorization: Bearer {TOKEN}",
    "a token in a message": f"the token {TOKEN} has ended",
    "basic credentials": "Authorization: Basic 5e1f0a9d5e1f0a9d",
    "a key in JSON": '{"api_key": "5e1f0a9d", "size": 1}',
    "a password as a parameter": "connect(host=db password=5e1f0a9d)",
}
GONE = [SECRET, "the-first-of-two", "of/sheep", "5e1f0a9d", "AKIA1", TOKEN, TOKEN.split(".")[1]]


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
@pytest.mark.parametrize("is_expected", [True, False], ids=["said by ffmpeg", "in a traceback"])
def test_no_secret_is_in_an_excerpt(line: str, is_expected: bool) -> None:
    fault: Exception = RuntimeError(f"{line}\n{KEPT}")
    if is_expected:
        fault = DreamlakeError(Code.MEDIA_CORRUPT, "It is damaged.", log=[line, KEPT])
    excerpt = "\n".join(excerpt_of(fault))
    assert KEPT in excerpt and not [secret for secret in GONE if secret in excerpt], excerpt


def test_what_a_person_needs_stays() -> None:
    lines = [
        "[mov,mp4 @ 0x5581] [error] moov atom not found",
        "File https://s3:9000/lake/videos/a.mp4, 3 of 4 frames",
        "ValueError: field 'token' has 3 values; keys: a, b",
    ]
    assert excerpt_of(DreamlakeError(Code.MEDIA_CORRUPT, "It is damaged.", log=lines)) == lines


def test_an_excerpt_has_few_lines_of_bounded_length_that_a_terminal_obeys_in_nothing() -> None:
    lines = [f"{at} " + "\x1b[2J" * 2000 for at in range(1000)]
    excerpt = excerpt_of(DreamlakeError(Code.MEDIA_CORRUPT, "It is damaged.", log=lines))
    assert len(excerpt) == MOST_LOG_LINES and excerpt[-1].startswith("999 \\x1b")
    assert all(len(line) <= MOST_LOG_CHARS and "\x1b" not in line for line in excerpt)


def test_an_error_that_has_no_log_has_no_excerpt() -> None:
    assert excerpt_of(DreamlakeError(Code.TEXT_INVALID, "No cue.")) == []
    assert excerpt_of(DreamlakeError(Code.TEXT_INVALID, "No cue.", log=7)) == []
