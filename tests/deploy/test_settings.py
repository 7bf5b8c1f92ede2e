"""What an installation is told by a variable or does by a program of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from dreamlake_pipeline.errors import Code, DreamlakeError
from dreamlake_pipeline.settings import Settings
from tests.certificates import Authority
from tests.conftest import free_port
from tests.tlsproxy import TlsProxy

# boto3 as libraries use it that know nothing of ours; httpx by what it makes of its environment.
_ASK = """
import dreamlake_pipeline, boto3, httpx, os, ssl
boto3.client("s3").list_buckets()
httpx.get(os.environ["AWS_ENDPOINT_URL"], verify=ssl.create_default_context())
"""


def _python(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("SSL_CERT_FILE", "AWS_CA_BUNDLE")}
    return subprocess.run(
        [sys.executable, *arguments], env=kept | variables, capture_output=True, text=True, timeout=120
    )


def test_one_variable_has_a_private_authority_trusted_by_libraries_too(tmp_path: Path, s3_server: str) -> None:
    authority, front = Authority(tmp_path), free_port()
    url = f"https://localhost:{front}"
    back = int(s3_server.rpartition(":")[2])
    with TlsProxy({front: [back]}, authority.issue("localhost"), fault_every=0):
        without = _python("-c", _ASK, AWS_ENDPOINT_URL=url)
        assert without.returncode == 1 and "CERTIFICATE_VERIFY_FAILED" in without.stderr
        told = _python("-c", _ASK, AWS_ENDPOINT_URL=url, DREAMLAKE_CA_FILE=str(authority.file))
        assert told.returncode == 0, told.stderr


def test_what_libraries_are_told_themselves_stays() -> None:
    told = _python(
        *("-c", "import dreamlake_pipeline, os; print(os.environ['SSL_CERT_FILE'], os.environ['AWS_CA_BUNDLE'])"),
        DREAMLAKE_CA_FILE="/ours.pem",
        AWS_CA_BUNDLE="/theirs.pem",
    )
    assert told.stdout.split() == ["/ours.pem", "/theirs.pem"]


def test_a_file_that_is_not_there_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMLAKE_CA_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(DreamlakeError, match=r"DREAMLAKE_CA_FILE cannot be used: .*no file that can be read") as said:
        Settings()
    assert said.value.code is Code.USAGE
    monkeypatch.setenv("DREAMLAKE_CA_FILE", "")
    assert Settings().ca_file is None


def test_schemas_are_upgraded_by_a_program_of_its_own(database: str) -> None:
    for service, schema in (("bss", "bss"), ("server", "dreamlake")):
        done = _python("-m", "dreamlake_pipeline.migrations", service, DREAMLAKE_POSTGRES_URL=database)
        assert (done.returncode, done.stderr) == (0, "")
        with psycopg.connect(database) as connection:
            found = connection.execute(f"SELECT count(*) FROM {schema}.alembic_version").fetchone()
        assert found == (1,)
    told = _python("-m", "dreamlake_pipeline.migrations", "bss")
    assert (told.returncode, told.stderr.count("\n")) == (1, 1) and "DREAMLAKE_POSTGRES_URL is not set" in told.stderr
