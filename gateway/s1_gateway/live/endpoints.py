"""``WS /v1/audio/stream`` and ``/ws/tts``."""

from fastapi import APIRouter
from starlette.websockets import WebSocket

from s1_gateway.auth import Caller
from s1_gateway.live.errors import render
from s1_gateway.live.session import LiveSession
from s1_gateway.metrics import Door
from s1_gateway.sockets import Socket, serve_socket
from s1_gateway.state import Gateway

router = APIRouter()


@router.websocket("/v1/audio/stream")
@router.websocket("/ws/tts")
async def stream(websocket: WebSocket) -> None:
    """Speak our own protocol."""
    await serve_socket(websocket, Door.LIVE, render, _serve)


async def _serve(socket: Socket, gateway: Gateway, caller: Caller) -> None:
    await LiveSession(socket, gateway, caller).run()
