"""Every setting, defined once: name, type, default and meaning.

Values come from the environment (`DREAMLAKE_…`) and are read when a process asks for `Settings()`,
never at import. The embedded stack sets all of them for its own processes. S3 itself is configured by
boto3's own variables (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .errors import Code, DreamlakeError
from .ladder import check_ladder, parse_ladder
from .problems import problem_of
from .slots import Launcher, most_runs

ENV_PREFIX = "DREAMLAKE_"
_SECRET_BYTES = 32
_LONGEST_URL = 7 * 86_400  # what SigV4 allows (X-Amz-Expires, "Authenticating Requests: Using Query Parameters")


class Settings(BaseSettings):
    """All settings. A process reads those that concern it; what it cannot do without it asks for by `require`.

    Raises DreamlakeError(USAGE) that names the variable whose value cannot be used.
    """

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="ignore")

    # Where things are
    home: Path = Field(
        default_factory=lambda: Path.home() / ".dreamlake",
        description="State of the embedded stack; the CLI finds a running stack there by itself.",
    )
    cache: Path = Field(
        default_factory=lambda: _cache_folder(),
        description="What the CLI remembers of files that it has hashed, that failed or, for `watch`, that were sent: "
        "`$DREAMLAKE_HOME/cache` where `DREAMLAKE_HOME` is set. It may be deleted at any time.",
    )
    remote: str | None = Field(None, description="URL of DreamLake Server.")
    bss_url: str | None = Field(None, description="URL of BSS.")
    dagster_url: str | None = Field(None, description="URL of the Dagster UI, for links.")
    viewer_url: str | None = Field(
        None,
        description="URL under which browsers reach the viewer: for the links of `dreamlake open`, of `dreamlake play` "
        "and of runs in Dagster. With `https://`, its cookie is sent over TLS alone.",
    )
    dagster_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Further addresses that Dagster's webserver answers under, as browsers name them: `host` or "
        "`host:port`, with commas between them. `127.0.0.1`, `localhost` and `[::1]` with its port always are.",
    )
    api_key: SecretStr | None = Field(None, description="Bearer token of the CLI and of the pipeline.")
    postgres_url: SecretStr | None = Field(
        None,
        description="`postgresql://user:password@host:port/database`, with the database user of this process: `bss` "
        "for BSS, `dreamlake` for DreamLake Server and for the pipeline, which writes its index.",
    )
    database_connections: int = Field(
        8, ge=1, description="Connections to Postgres that each service keeps open; under load, twice as many."
    )
    bucket: str = Field("dreamlake", description="The one S3 bucket.")
    namespace: str = Field("local", description="Namespace that the CLI uses when `--episode` names none.")

    log_format: Literal["text", "json"] = Field(
        "text", description="Whether what the processes log is a line of text or a JSON object a line."
    )

    ca_file: Path | None = Field(
        None,
        description="A file of certificates (PEM) of the authorities that are trusted, for a private one: "
        "`SSL_CERT_FILE` and `AWS_CA_BUNDLE` in one, where these are not set themselves.",
    )

    # Secrets
    auth_secret: SecretStr | None = Field(
        None, description="Key that signs and verifies tokens (HS256), 32 bytes or more."
    )
    auth_secrets: Annotated[tuple[SecretStr, ...] | None, NoDecode] = Field(
        None,
        description="Several such keys, separated by commas or as a JSON list, in the place of the one: the first "
        "signs, all verify. So a key is replaced: put the new one first, and take the old one away when its tokens "
        "have ended.",
    )
    dagster_secret: SecretStr | None = Field(
        None,
        description="What logs in to Dagster's webserver, 32 bytes or more: `/login?secret=…` in a browser, a bearer "
        "token of programs. Without it, the webserver does not start.",
    )
    viewer_secret: SecretStr | None = Field(
        None,
        description="Key that signs the viewer's sessions (HS256), 32 bytes or more; the same for all its replicas. "
        "Without it, the viewer does not start.",
    )

    metrics_token: SecretStr | None = Field(
        None,
        description="What `/metrics` of both services asks for (`Authorization: Bearer …`). Without it, `/metrics` "
        "answers on the service's own port alone, and not through a proxy.",
    )

    # Uploads and playback
    part_size: int = Field(
        8 * 2**20, ge=5 * 2**20, description="Bytes of a multipart part; files up to this size go by one PUT."
    )
    url_ttl: int = Field(
        6 * 3600,
        ge=60,
        le=_LONGEST_URL,
        description="Seconds for which a presigned or playback URL is valid, 7 days at most.",
    )

    # Deletion
    deleted_kept: float = Field(
        7,
        ge=0,
        le=3650,
        allow_inf_nan=False,
        description="Days for which a deleted file can be restored; afterwards, garbage collection frees it.",
    )
    garbage_wait: int = Field(
        6 * 3600,
        ge=0,
        description="Seconds for which garbage collection leaves what nothing refers to any more: players follow an "
        "earlier playlist for as long as its URLs are valid (`DREAMLAKE_URL_TTL`).",
    )

    # The pipeline
    sensor_interval: int = Field(1, ge=1, description="Seconds between two ticks of the staging sensor.")
    sensor_wait: float = Field(
        4.4,
        ge=0,
        le=50,
        description="Seconds, from its beginning, for which a tick of the staging sensor waits for a batch. The "
        "daemon looks every second which sensor is due: a little less than a multiple of that leaves a short gap.",
    )
    staging_grace: int = Field(
        10,
        ge=0,
        description="Seconds after which a staged object that nobody registered is registered by the sensor.",
    )
    processing_grace: int = Field(
        30,
        ge=0,
        description="Seconds after which a registered file whose processing nobody asked for is queued.",
    )
    batch_files: int = Field(2000, ge=1, description="Most files in a batch.")
    batch_bytes: int = Field(64 * 2**30, ge=1, description="Most bytes in a batch.")
    batch_settle: int = Field(
        2,
        ge=0,
        description="Seconds without a new file after which a batch is formed, so that a bulk ingest makes large ones. "
        "Files of a project that has no batch at work wait for nothing.",
    )
    batch_lease: int = Field(
        120, ge=10, description="Seconds without a heartbeat after which a batch is offered again."
    )
    batch_turn: int = Field(
        60,
        ge=1,
        description="Seconds after which a run that works on the files of one kind makes room for another owner who "
        "waits: it ends what it has begun, and the others go back to the queue.",
    )
    launcher: Launcher = Field(
        "fork",
        description="Where runs work: `fork` on the daemon's machine, `ray` on the nodes of a Ray cluster, `composite` "
        "the small batches here and the large ones there, `k8s` and `ecs` in pods and tasks. `dreamlake dagster-yaml` "
        "writes it into Dagster's configuration.",
    )
    slots: int = Field(
        2,
        ge=1,
        description="Runs that the machines work on at a time, and that one owner has at once: the cores of all that "
        "execute runs, by `DREAMLAKE_WORKERS`. Dagster's limits (`dreamlake dagster-yaml`) and the next two settings "
        "follow from it: every process of Dagster has the same.",
    )
    batch_open: int = Field(
        default_factory=lambda known: 1 + most_runs(known["slots"], known["launcher"]),
        ge=1,
        description="Most batches that are offered or worked on at a time; the others wait in BSS, where they cost "
        "nothing. By default one more than the runs that Dagster lets run at once, which keeps all of them busy.",
    )
    batch_open_per_owner: int = Field(
        default_factory=lambda known: 1 + known["slots"],
        ge=1,
        description="Most of these that are one owner's: with fewer than `DREAMLAKE_BATCH_OPEN`, a place is left for "
        "the others. By default one more than the runs that Dagster lets one owner have at once.",
    )
    batch_attempts: int = Field(
        3, ge=1, description="Runs at one file alone that may be killed or crash before it fails."
    )
    ladder: Annotated[tuple[int, ...] | None, NoDecode] = Field(
        None,
        description="Heights of further, smaller streams of every video, such as `1080,720,480`, "
        "where neither the file nor its project has a ladder of its own; none by default.",
    )
    definitions: str = Field(
        "dreamlake_pipeline.definitions",
        description="Module of the code location that the embedded stack's Dagster loads.",
    )
    workers: int = Field(2, ge=1, description="Files of a batch that are processed side by side.")
    file_seconds: int = Field(
        6 * 3600,
        ge=10,
        description="Most seconds that the processing of one file may take; a file that takes longer fails.",
    )
    cage: Literal["auto", "require"] = Field(
        "auto",
        description="Whether worker processes may read files in a cage that lacks layers which this system does not "
        "have (`auto`; they are named), or nothing is processed then (`require`).",
    )
    ffmpeg: Path | None = Field(None, description="The ffmpeg to run; by default the one that imageio-ffmpeg carries.")
    scratch: Path | None = Field(None, description="Folder for temporary files of processing; the system's by default.")
    worker_socket: Path | None = Field(
        None,
        description="Unix socket of the process that workers are forked from; without one each is started by itself, "
        "which takes longer.",
    )
    ray_address: str | None = Field(
        None,
        description="URL of the dashboard of a Ray cluster's head, as in `http://head:8265`: its job API starts runs.",
    )
    run_socket: Path | None = Field(
        None, description="Unix socket of the process that runs are forked from; `$DAGSTER_HOME/runs.sock` by default."
    )

    @field_validator("auth_secret", "dagster_secret", "viewer_secret")
    @classmethod
    def _is_long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        """RFC 7518, 3.2: a key for HS256 has 256 bits or more. An empty variable counts as unset."""
        if secret and secret.get_secret_value() and len(secret.get_secret_value().encode()) < _SECRET_BYTES:
            raise ValueError(f"it needs {_SECRET_BYTES} bytes or more")
        return secret

    @field_validator("ca_file", mode="before")
    @classmethod
    def _is_a_file(cls, value: Any) -> Any:
        """OpenSSL takes a file that is not there for an empty list. An empty variable counts as unset."""
        if value and not os.access(value, os.R_OK):
            raise ValueError(f"{value} is no file that can be read")
        return value or None

    @field_validator("dagster_hosts", mode="before")
    @classmethod
    def _read_hosts(cls, value: Any) -> Any:
        """Names between commas, with or without blanks; an empty variable counts as unset."""
        return [host.strip() for host in value.split(",") if host.strip()] if isinstance(value, str) else value or ()

    @field_validator("auth_secrets", mode="before")
    @classmethod
    def _read_secrets(cls, value: Any) -> Any:
        """An empty variable counts as unset. What is wrong with a list is said without the keys that are in it."""
        if not value:
            return None
        if isinstance(value, str):
            value = _json_list(value) if value.lstrip().startswith("[") else value.split(",")
        keys = [key.get_secret_value() if isinstance(key, SecretStr) else key for key in value]
        if any(not isinstance(key, str) or len(key.strip().encode()) < _SECRET_BYTES for key in keys):
            raise ValueError(f"each of its keys needs {_SECRET_BYTES} bytes or more")
        return [key.strip() for key in keys]

    @field_validator("ladder", mode="before")
    @classmethod
    def _read_ladder(cls, value: Any) -> Any:
        """An empty variable counts as unset."""
        if not value:
            return None
        try:
            return parse_ladder(value) if isinstance(value, str) else check_ladder(value)
        except DreamlakeError as error:
            raise ValueError(error.message.removesuffix(".")) from None

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            variable = f"{ENV_PREFIX}{problem['loc'][0]}".upper()
            message = f"{variable} cannot be used: {problem_of(problem)}."
            raise DreamlakeError(Code.USAGE, message) from None

    def token_keys(self) -> tuple[str, ...]:
        """The keys that verify tokens, the first of which signs. Raises DreamlakeError(USAGE) when there is none."""
        if self.auth_secrets:
            return tuple(key.get_secret_value() for key in self.auth_secrets)
        return (self.require("auth_secret"),)

    def optional(self, field: str) -> str | None:
        """The value of a secret that may be left out; an empty variable counts as unset."""
        value: SecretStr | None = getattr(self, field)
        return value.get_secret_value() or None if value else None

    def require(self, field: str) -> str:
        """The value of a text setting that this process cannot do without.

        Raises DreamlakeError(USAGE) that names the variable.
        """
        value = getattr(self, field)
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")
        if not text:
            raise DreamlakeError(
                Code.USAGE,
                f"{ENV_PREFIX}{field.upper()} is not set.",
                hint="Start the embedded stack with `dreamlake up`, or set the variable.",
            )
        return text


def _cache_folder() -> Path:
    """Whoever says where state goes means all of it; else the folder that the system has for caches (XDG)."""
    if home := os.environ.get(f"{ENV_PREFIX}HOME"):
        return Path(home) / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dreamlake"


def _json_list(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list) or not found:
        raise ValueError("it is no JSON list of keys")
    return found
