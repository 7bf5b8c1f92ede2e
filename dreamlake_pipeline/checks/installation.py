"""All that can be looked at from the environment of this process, in the order in which parts depend on each other."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from urllib.parse import urlsplit

from ..settings import Settings
from .finding import Finding, guarded, left_out

_SECRET_NAMES = re.compile(r"SECRET|PASSWORD|API_KEY|TOKEN|POSTGRES_URL|ACCESS_KEY")
_LEAST_SECRET = 6  # characters; a shorter one would be found in words


def check() -> Iterator[Finding]:
    """Everything that the environment names. Raises DreamlakeError(USAGE) for a setting that cannot be used."""
    settings = Settings()
    for finding in _check(settings):
        yield without_secrets(finding)


def _check(settings: Settings) -> Iterator[Finding]:
    # Imported here: a machine that is only a client's waits for none of them.
    from . import machine, services

    dagster_url = os.environ.get("DAGSTER_POSTGRES_URL")
    is_pipeline = bool(dagster_url)
    if url := settings.optional("postgres_url"):
        from . import postgres

        yield from guarded("postgres", partial(postgres.check, url))
    else:
        yield left_out("postgres", "DREAMLAKE_POSTGRES_URL")
    if dagster_url:
        from . import postgres

        yield from guarded("dagster tables", partial(postgres.check_dagster, dagster_url))
    else:
        yield left_out("dagster tables", "DAGSTER_POSTGRES_URL")
    if "bucket" in settings.model_fields_set:
        from . import bucket

        yield from guarded("bucket", partial(bucket.check, settings.bucket, origin=_origin(settings.viewer_url)))
    else:
        yield left_out("bucket", "DREAMLAKE_BUCKET")
    yield from guarded("services", partial(services.check, settings, is_pipeline=is_pipeline))
    for part, page in (("viewer", settings.viewer_url), ("dagster", settings.dagster_url)):
        if page:
            yield from guarded(part, partial(services.check_page, part, page))
    if is_pipeline:
        if os.environ.get("DAGSTER_HOME"):
            yield from guarded("dagster.yaml", partial(machine.check_dagster_yaml, settings))
        yield from guarded("machine", partial(machine.check, settings))


def _origin(url: str | None) -> str | None:
    return f"{urlsplit(url).scheme}://{urlsplit(url).netloc}" if url else None


def without_secrets(finding: Finding, environment: Mapping[str, str] = os.environ) -> Finding:
    """The finding, in which no value of a secret variable occurs: libraries quote what they were given."""
    secrets: set[str] = set()
    for name, value in environment.items():
        if not _SECRET_NAMES.search(name):
            continue
        if "://" in value:
            # Of a URL, the password alone is one.
            try:
                secrets.add(urlsplit(value).password or "")
            except ValueError:
                secrets.add(value)
        else:
            secrets |= {value, *value.split(",")}
    what, hint = finding.what, finding.hint
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _LEAST_SECRET:
            what, hint = what.replace(secret, "***"), hint.replace(secret, "***")
    return Finding(finding.level, finding.part, what, hint)
