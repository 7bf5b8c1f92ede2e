"""A node of a cluster: whether it may process files for the pipeline whose BSS it reaches."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from functools import partial

from ..remote.http import ServiceClient
from ..remote.pipeline import PipelineClient
from ..settings import Settings
from . import bucket, machine, postgres, services
from .finding import Finding, guarded, ok, wrong
from .installation import without_secrets

# What a run reads from the environment of its node. None of them is told to Ray, whose dashboard would show it.
VARIABLES = (
    "DREAMLAKE_BSS_URL",
    "DREAMLAKE_REMOTE",
    "DREAMLAKE_API_KEY",
    "DREAMLAKE_POSTGRES_URL",
    "DREAMLAKE_BUCKET",
    "DAGSTER_POSTGRES_URL",
)


def check() -> Iterator[Finding]:
    """Everything that a run on this node needs. Raises DreamlakeError(USAGE) for a setting that cannot be used."""
    for finding in _check(Settings()):
        yield without_secrets(finding)


def _check(settings: Settings) -> Iterator[Finding]:
    yield _ray()
    if missing := [name for name in VARIABLES if not os.environ.get(name)]:
        yield wrong("environment", f"{', '.join(missing)} not set", "Give this node the pipeline's environment")
        return
    yield from guarded("build", partial(_build, settings))
    yield from guarded("ffmpeg", partial(machine.check_ffmpeg, settings))
    yield from guarded("scratch", partial(machine.check_scratch, settings, must_be_local=True))
    yield machine.check_open_files()
    yield from guarded("postgres", partial(postgres.check, settings.require("postgres_url")))
    yield from guarded("dagster tables", partial(postgres.check_dagster, os.environ["DAGSTER_POSTGRES_URL"]))
    yield from guarded("bucket", partial(bucket.check, settings.bucket))
    yield from guarded("services", partial(services.check, settings, is_pipeline=True))


def _ray() -> Finding:
    if importlib.util.find_spec("ray") is None:
        return wrong("ray", "Ray is not installed on this machine", "pip install 'dreamlake-pipeline[ray]'")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return ok("ray", f"Ray {version('ray')}")
    except PackageNotFoundError:
        return ok("ray", "Ray, of no known version")


def _build(settings: Settings) -> Iterator[Finding]:
    """Results of the same bytes are shared and named by what they were made with: nodes with another ffmpeg or version
    would make others."""
    from ..processing.build import differences, own_build

    here = own_build()
    with ServiceClient("BSS", settings.require("bss_url"), settings.require("api_key")) as http:
        there = PipelineClient(http).build().build
    if there is None:
        yield wrong(
            "build",
            "BSS does not know yet what the pipeline makes results with",
            "Start Dagster's code location and daemon first, and wait for a tick of the staging sensor",
        )
        return
    same = f"dreamlake-pipeline {there.version}, and the ffmpeg of {settings.bss_url}'s pipeline"
    found = [
        wrong("build", what, f"Install here what the pipeline has: {there.version}")
        for what in differences(here, there)
    ]
    yield from found or [ok("build", same)]
