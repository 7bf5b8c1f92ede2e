"""`PROJECT[@NAMESPACE][:EPISODE][/PATH]`: a project, an episode, a folder or a file, as a person writes it.

An episode may hold `/`, so that one text has several readings: `cups:run/001/a.mp4` may be the file `/a.mp4` of episode
`run/001`, or `/001/a.mp4` of episode `run`. Which of them is meant, what is stored decides (lookup.py).
"""

from __future__ import annotations

from ..errors import Code, DreamlakeError
from ..names import check_episode, check_folder, check_owner, check_project, folder_of
from ..remote.bss import Place

FORM = "PROJECT[@NAMESPACE][:EPISODE][/PATH]"
EXAMPLE = "robot@lab:run-001/camera/front.mp4"


def readings(text: str, *, namespace: str) -> list[Place]:
    """All that `text` may name, the longest episode first; `namespace` is used where it names none.

    A path of a project without an episode is one of the files that belong to the project itself. Raises USAGE for
    another form, INVALID_NAME.
    """
    head, separator, rest = _cut(text)
    project, at, owner = head.partition("@")
    if not project or (at and not owner) or (separator == ":" and not rest):
        raise DreamlakeError(Code.USAGE, f"{text!r} is not of the form {FORM}.", hint=f"Example: {EXAMPLE}")
    owner, project = check_owner(owner if at else namespace), check_project(project)
    if separator != ":":
        return [Place(owner, project, "", check_folder(f"/{rest}")) if rest.strip("/") else Place(owner, project)]
    found, wrong = [], None
    for cut in (len(rest), *(at for at in range(len(rest) - 1, -1, -1) if rest[at] == "/")):
        try:
            found.append(_place(owner, project, rest[:cut], rest[cut:]))
        except DreamlakeError as error:
            wrong = error
    if wrong is not None and not found:
        raise wrong
    return found


def below(place: Place, path: str) -> Place:
    """A folder or file of a place, by its path with or without the first `/`. Raises INVALID_NAME."""
    folder = folder_of(path)
    if place.path not in (None, "/"):
        folder = place.path if folder == "/" else check_folder(f"{place.path}{folder}")
    return place._replace(episode=place.episode or "", path=folder)


def describe(place: Place) -> str:
    """A place as a person names it, in one word."""
    episode = f":{place.episode}" if place.episode else ""
    return f"{place.project}@{place.owner}{episode}{place.path or ''}"


def has_owner_or_episode(text: str) -> bool:
    """Whether `text` begins as no path does, with `PROJECT@` or `PROJECT:`."""
    head, separator, _ = _cut(text)
    return separator == ":" or "@" in head


def _cut(text: str) -> tuple[str, str, str]:
    """`PROJECT[@NAMESPACE]`, the `:` or `/` that ends it, and the rest; a project holds neither."""
    at = min((place for place in (text.find(":"), text.find("/")) if place >= 0), default=len(text))
    return text[:at], text[at : at + 1], text[at + 1 :]


def _place(owner: str, project: str, episode: str, path: str) -> Place:
    folder = check_folder(path)
    if not episode:
        return Place(owner, project, "", folder)
    return Place(owner, project, check_episode(episode), None if folder == "/" else folder)
