"""``/model``: stored voices as Fish's clients know them."""

import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, UploadFile
from pydantic import BaseModel, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator

from s1_client import NewRecording
from s1_gateway.errors import invalid
from s1_gateway.fish.errors import Envelope, render
from s1_gateway.metrics import Door
from s1_gateway.routing import described, enveloped
from s1_gateway.state import ChangingVoices, Gateway, Listing, TheGateway
from s1_protocol.voice_record import VoiceRecord

router = APIRouter(
    prefix="/model", tags=["Fish"], route_class=enveloped(render, Door.FISH), responses=described(Envelope)
)

_NOBODY = {"_id": "", "nickname": "", "avatar": ""}
"""Voices have no author here; the SDK wants one."""


def _or_default(value: object, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
    try:
        return check(value)
    except ValueError:
        return Kept.model_fields[info.field_name or ""].default


OrDefault = WrapValidator(_or_default)


class Kept(BaseModel):
    """What is kept with a voice; anybody may have put anything there, and what is not as it should be is nothing."""

    title: Annotated[str, OrDefault] = ""
    description: Annotated[str, OrDefault] = ""
    tags: Annotated[list[str], OrDefault] = []
    visibility: Annotated[Literal["public", "unlist", "private"], OrDefault] = "private"
    created_at: Annotated[datetime, OrDefault] = datetime.fromtimestamp(0, UTC)
    updated_at: Annotated[datetime | None, OrDefault] = None


def describe(voice: VoiceRecord) -> dict[str, Any]:
    """Make Fish's entity of a stored voice; what nobody counts is nought."""
    kept = Kept.model_validate(voice.metadata)
    return {
        "_id": voice.id,
        "type": "tts",
        "title": kept.title or voice.id,
        "description": kept.description,
        "cover_image": "",
        "train_mode": "fast",
        "state": "trained",
        "tags": kept.tags,
        "samples": [
            {"title": "", "text": recording.transcript, "task_id": "", "audio": ""} for recording in voice.recordings
        ],
        "created_at": kept.created_at.isoformat(),
        "updated_at": (kept.updated_at or kept.created_at).isoformat(),
        "languages": [],
        "visibility": kept.visibility,
        "lock_visibility": False,
        "like_count": 0,
        "mark_count": 0,
        "shared_count": 0,
        "task_count": 0,
        "liked": False,
        "marked": False,
        "author": _NOBODY,
    }


@router.get("")
async def list_models(
    gateway: TheGateway,
    _caller: Listing,
    page_size: Annotated[int, Query(ge=1, le=100)] = 10,
    page_number: Annotated[int, Query(ge=1, le=10_000)] = 1,
    title: str | None = None,
    tag: Annotated[list[str] | None, Query()] = None,
) -> dict[str, Any]:
    """List stored voices by id; those of a title or of tags if they are asked for."""
    ids = await gateway.client.voices.list()
    start = (page_number - 1) * page_size
    if not title and not tag:
        shown = await _show_all(gateway, ids[start : start + page_size])
        return {"total": len(ids), "items": shown}
    chosen = [
        model
        for model in await _show_all(gateway, ids)
        if (title or "").lower() in model["title"].lower() and set(tag or ()) <= set(model["tags"])
    ]
    return {"total": len(chosen), "items": chosen[start : start + page_size]}


async def _show_all(gateway: Gateway, ids: Sequence[str]) -> list[dict[str, Any]]:
    return [describe(await gateway.client.voices.show(voice_id)) for voice_id in ids]


@router.get("/{voice_id}")
async def show_model(voice_id: str, gateway: TheGateway, _caller: Listing) -> dict[str, Any]:
    """Describe a stored voice."""
    return describe(await gateway.client.voices.show(voice_id))


@router.post("", status_code=201)
async def add_model(
    gateway: TheGateway,
    _caller: ChangingVoices,
    title: Annotated[str, Form(min_length=1, max_length=255)],
    voices: Annotated[list[UploadFile], Form(description="sound files")],
    texts: Annotated[list[str] | None, Form(description="what is said in each of them, in the same order")] = None,
    description: Annotated[str, Form(max_length=4096)] = "",
    tags: Annotated[list[str] | None, Form(max_length=64)] = None,
    visibility: Annotated[str, Form(pattern="^(public|unlist|private)$")] = "private",
    cover_image: UploadFile | None = None,
) -> dict[str, Any]:
    """Store a voice under a new id; it can be used at once."""
    _refuse_picture(cover_image)
    given = [text for text in texts or [] if text.strip()]
    if len(given) != len(voices):
        raise invalid("texts", f"got {len(given)} for {len(voices)} files; allowed: what is said in each of voices")
    recordings = [NewRecording(await file.read(), text) for file, text in zip(voices, given, strict=True)]
    metadata = {
        "title": title,
        "description": description,
        "tags": list(tags or []),
        "visibility": visibility,
        "created_at": int(time.time()),
    }
    added = await gateway.client.voices.add(secrets.token_hex(16), recordings, metadata)
    gateway.voice_names.forget()
    return describe(added)


@router.patch("/{voice_id}")
async def change_model(
    voice_id: str,
    gateway: TheGateway,
    _caller: ChangingVoices,
    title: Annotated[str | None, Form(min_length=1, max_length=255)] = None,
    description: Annotated[str | None, Form(max_length=4096)] = None,
    tags: Annotated[list[str] | None, Form(max_length=64)] = None,
    visibility: Annotated[str | None, Form(pattern="^(public|unlist|private)$")] = None,
    cover_image: UploadFile | None = None,
) -> dict[str, Any]:
    """Change what is told of a stored voice; what is not named stays, and so does its sound."""
    _refuse_picture(cover_image)
    given = {"title": title, "description": description, "tags": tags, "visibility": visibility}
    named = {name: value for name, value in given.items() if value is not None}
    if not named:
        raise invalid(None, f"got nothing to change; allowed: {', '.join(given)}")
    changed = await gateway.client.voices.change(voice_id, metadata={**named, "updated_at": int(time.time())})
    return describe(changed)


@router.delete("/{voice_id}")
async def remove_model(voice_id: str, gateway: TheGateway, _caller: ChangingVoices) -> None:
    """Remove a stored voice."""
    await gateway.client.voices.remove(voice_id)
    gateway.voice_names.forget()


def _refuse_picture(cover_image: UploadFile | None) -> None:
    if cover_image is not None:
        raise invalid("cover_image", "got a picture; allowed: none, as no pictures are kept here")
