"""`PROJECT[@NAMESPACE][:EPISODE]`: where files go, as a person writes it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import Code, DreamlakeError
from ..names import check_episode, check_owner, check_project

FORM = "PROJECT[@NAMESPACE][:EPISODE]"


@dataclass(frozen=True, slots=True)
class Target:
    """A project of a namespace, and an episode of it; files without an episode belong to the project itself."""

    project: str
    namespace: str
    episode: str | None = None

    def below(self, folder: str) -> Target:
        """The episode of a first-level folder: its name, after the target's own episode if there is one."""
        return replace(self, episode=check_episode(f"{self.episode}/{folder}" if self.episode else folder))

    def __str__(self) -> str:
        return f"{self.project}@{self.namespace}" + (f":{self.episode}" if self.episode else "")


def parse_target(text: str, *, namespace: str) -> Target:
    """The target that `text` names; `namespace` is used where it names none.

    Projects and namespaces contain neither `@` nor `:`, so the first of each is the separator and an
    episode may contain both. Raises DreamlakeError(INVALID_NAME, or USAGE for another form).
    """
    place, colon, episode = text.partition(":")
    project, at, owner = place.partition("@")
    if "/" in place.strip("/"):
        before, _, after = place.strip("/").partition("/")
        raise DreamlakeError(
            Code.USAGE,
            f"{text!r} is not of the form {FORM}.",
            hint=f"An episode comes after a colon: {before}:{after}{colon}{episode}",
        )
    if not project or (at and not owner) or (colon and not episode):
        raise DreamlakeError(Code.USAGE, f"{text!r} is not of the form {FORM}.", hint="Example: robot@lab:run-001")
    return Target(
        check_project(project), check_owner(owner if at else namespace), check_episode(episode) if colon else None
    )
