"""``/v1/references``: stored voices as fish-speech's own server has them."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, UploadFile
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from s1_client import NewRecording
from s1_gateway.bodies import json_body
from s1_gateway.errors import GatewayError, Reason, invalid
from s1_gateway.fish.errors import Envelope, render
from s1_gateway.fish.packing import pack, read_body
from s1_gateway.metrics import Door
from s1_gateway.routing import described, enveloped
from s1_gateway.state import ChangingVoices, Listing, TheGateway

router = APIRouter(
    prefix="/v1/references", tags=["Fish"], route_class=enveloped(render, Door.FISH), responses=described(Envelope)
)


class NamedReference(BaseModel):
    """Body of a deletion."""

    reference_id: str = Field(min_length=1, max_length=255)


class RenamedReference(BaseModel):
    """Body of a change."""

    old_reference_id: str = Field(min_length=1, max_length=255)
    new_reference_id: str = Field(min_length=1, max_length=255)
    text: str | None = Field(default=None, min_length=1, description="what is said in it, if that changes; ours")


def _answer(request: Request, content: dict[str, Any]) -> Response:
    """Answer in JSON to who accepts it, else in msgpack, as fish-speech does."""
    accepted = request.headers.get("accept", "")
    if "json" in accepted or "msgpack" not in accepted:
        return JSONResponse(content)
    return Response(pack(content), media_type="application/msgpack")


@router.post("/add")
async def add_reference(
    request: Request,
    gateway: TheGateway,
    _caller: ChangingVoices,
    id: Annotated[str, Form(min_length=1, max_length=255)],  # the protocol's name
    audio: UploadFile,
    text: Annotated[str, Form(min_length=1, description="what is said in it")],
) -> Response:
    """Store a voice; one of the same id is not replaced."""
    if id in await gateway.client.voices.list():
        raise GatewayError(Reason.CONFLICT, f"id: there is a reference {id!r:.80} already", field="id")
    await gateway.client.voices.add(id, [NewRecording(await audio.read(), text)])
    gateway.voice_names.forget()
    return _answer(request, {"success": True, "message": "stored", "reference_id": id})


@router.get("/list")
async def list_references(request: Request, gateway: TheGateway, _caller: Listing) -> Response:
    """List the ids of stored voices."""
    ids = await gateway.client.voices.list()
    return _answer(request, {"success": True, "reference_ids": ids, "message": f"{len(ids)} references"})


@router.post("/update", openapi_extra=json_body(RenamedReference))
async def change_reference(request: Request, gateway: TheGateway, _caller: ChangingVoices) -> Response:
    """Give a stored voice another id, or with the same one another text; its recording is not encoded again."""
    content = read_body(await request.body(), request.headers.get("content-type", ""))
    change = RenamedReference.model_validate(content)
    old, new = change.old_reference_id, change.new_reference_id
    if new != old and new in await gateway.client.voices.list():
        fault = f"new_reference_id: there is a reference {new!r:.80} already"
        raise GatewayError(Reason.CONFLICT, fault, field="new_reference_id")
    transcripts = [] if change.text is None else [change.text]
    if new == old and not transcripts:
        raise invalid("new_reference_id", "got the old one and no text; allowed: another id, or a text")
    await gateway.client.voices.change(old, transcripts=transcripts, new_id=None if new == old else new)
    gateway.voice_names.forget()
    told = {"success": True, "message": "changed", "old_reference_id": old, "new_reference_id": new}
    return _answer(request, told)


@router.delete("/delete", openapi_extra=json_body(NamedReference))
async def remove_reference(request: Request, gateway: TheGateway, _caller: ChangingVoices) -> Response:
    """Remove a stored voice."""
    content = read_body(await request.body(), request.headers.get("content-type", ""))
    reference_id = NamedReference.model_validate(content).reference_id
    await gateway.client.voices.remove(reference_id)
    gateway.voice_names.forget()
    return _answer(request, {"success": True, "message": "removed", "reference_id": reference_id})
