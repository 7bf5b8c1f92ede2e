"""The page of a file, and its bytes."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from ... import layout
from ...admission import new_router
from ...errors import Code, DreamlakeError
from ...ids import is_id
from ...kinds import Kind
from ...viewerpaths import file_path
from ..context import Id, Lake, Visitor, viewer_of
from ..file import find_file, view_of_file
from ..urls import data_path, is_data

router = new_router()


@router.get("/f/{file_id}")
def file(request: Request, session: Visitor, services: Lake, file_id: str) -> Response:
    """By its id in the index; one of a record of BSS leads there. With `.json` behind it, the view model."""
    viewer, as_data = viewer_of(request), is_data(request)
    name = file_id.removesuffix(".json") if as_data else file_id
    if not is_id(name):
        raise DreamlakeError(Code.NOT_FOUND, f"{name[:80]!r} is no id of a file.", hint="Ids have 24 digits of 0-9a-f.")
    asset, record = find_file(services, name)
    if asset is not None and asset.id != name:
        page = file_path(asset.id)
        return RedirectResponse(data_path(page) if as_data else page, 307)
    view = view_of_file(services, asset, record, can_write=session.can_write, dagster_url=viewer.dagster_url)
    if as_data:
        return JSONResponse(view)
    return viewer.pages.render(request, "file.html", session=session, view=view)


@router.get("/download/{kind}/{record_id}")
def raw(session: Visitor, services: Lake, kind: Kind, record_id: Id) -> Response:
    """The file as it was uploaded: a redirect to the object store."""
    return RedirectResponse(services.bss.raw_url(kind, record_id), 307)


@router.get("/download/{kind}/{record_id}/{filename}")
def made(session: Visitor, services: Lake, kind: Kind, record_id: Id, filename: str) -> Response:
    """A file that was made of it: a redirect to the object store."""
    if filename not in layout.RESULT_FILES[kind]:
        raise DreamlakeError(Code.NOT_FOUND, f"Files of this kind have no {filename[:80]!r}.")
    return RedirectResponse(services.bss.result_url(kind, record_id, filename), 307)
