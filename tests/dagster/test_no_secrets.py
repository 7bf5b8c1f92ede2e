"""Nothing that a run leaves in Dagster opens anything: no token, no presigned URL, no secret of its process."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest
from dagster._core.debug import DebugRunPayload
from dagster._serdes import serialize_value

# A token in a URL, a presigned URL of either kind, a JWT, and credentials within a URL.
OPENERS = re.compile(
    r"token=|X-Amz-|AWSAccessKeyId=|Signature=|eyJ[\w-]{10,}\.|://[^/\s@\"]+:[^/\s@\"]+@", re.IGNORECASE
)


@pytest.fixture
def secrets(world: Any) -> list[str]:
    """The values of all that the run's process knows and others must not."""
    return [os.environ["AWS_SECRET_ACCESS_KEY"], os.environ["AWS_ACCESS_KEY_ID"], world.token, world.postgres_url]


def what_is_kept(world: Any, run_id: str) -> str:
    """Everything that Dagster keeps of a run: run, tags, config, events, metadata, checks, snapshots; and its logs."""
    run = world.instance.get_run_by_id(run_id)
    kept = serialize_value(DebugRunPayload.build(world.instance, run))
    logs = world.instance.compute_log_manager
    for entry in world.instance.all_logs(run_id):
        captured = entry.dagster_event and entry.dagster_event.event_specific_data
        if key := getattr(captured, "file_key", None):
            data = logs.get_log_data([run_id, "compute_logs", key])
            kept += ((data.stdout or b"") + (data.stderr or b"")).decode(errors="replace")
    return kept


def opens_something(kept: str, secrets: list[str]) -> list[str]:
    """What of it opens something; pictures in data URIs are random letters."""
    text = re.sub(r"base64,[A-Za-z0-9+/=]+", "", kept)
    return [text[max(0, m.start() - 60) : m.end() + 20] for m in OPENERS.finditer(text)] + [
        secret[:4] for secret in secrets if secret in text
    ]


def test_what_is_looked_for_would_be_found() -> None:
    for url in (
        "http://x/videos/1/stream/master.m3u8?token=eyJhbGciOiJIUzI1NiJ9.e30.x",
        "http://x/b/k?X-Amz-Signature=aa",
        "http://x/b/k?AWSAccessKeyId=A&Signature=b",
        "postgresql://user:word@h/d",
    ):
        assert opens_something(url, []), url
    assert opens_something("the secret is abcdefgh", ["abcdefgh"]) == ["abcd"]


def test_a_run_over_files_of_every_kind_keeps_no_secret(
    world: Any, samples: dict[str, bytes], secrets: list[str]
) -> None:
    names = {f"/all/{name}": data for name, data in samples.items()}
    world.upload(names | {"/all/swapped.csv": b"a,b\n1,2\n"})
    result = world.run(world.form_batch())
    kept = what_is_kept(world, result.run_id)
    assert "dreamlake play " in kept and len(kept) > 50_000
    assert opens_something(kept, secrets) == []


@pytest.mark.parametrize("gone", ["bss", "object_store", "folder_tree"])
def test_a_run_whose_services_are_gone_keeps_no_secret_either(
    world: Any, samples: dict[str, bytes], secrets: list[str], gone: str
) -> None:
    """Messages of libraries like to name the URL that they could not reach."""
    from dreamlake_pipeline.resources import BssResource, FolderTreeResource, ObjectStoreResource

    broken = {
        "bss": BssResource(url="http://127.0.0.1:9", token=world.token),
        "object_store": ObjectStoreResource(
            bucket=world.store.bucket,
            endpoint_url="http://127.0.0.1:9",
            aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        ),
        "folder_tree": FolderTreeResource(postgres_url="postgresql://somebody:a-password@127.0.0.1:9/nowhere"),
    }
    world.upload({"/a.srt": samples["speech.srt"], "/a.wav": samples["tone.wav"]})
    partition = world.form_batch()
    world.replaced = {gone: broken[gone]}
    result = world.run(partition, raise_on_error=False)
    kept = what_is_kept(world, result.run_id)
    assert opens_something(kept, [*secrets, "a-password"]) == []
