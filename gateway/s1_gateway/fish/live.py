"""``WS /v1/tts/live``."""

from fastapi import APIRouter
from starlette.websockets import WebSocket

from s1_gateway.auth import Caller
from s1_gateway.fish.errors import render
from s1_gateway.fish.session import FishSession
from s1_gateway.metrics import Door
from s1_gateway.sockets import Socket, serve_socket
from s1_gateway.state import Gateway

router = APIRouter()


@router.websocket("/v1/tts/live")
async def stream(websocket: WebSocket) -> None:
    """Speak Fish's protocol."""
    await serve_socket(websocket, Door.FISH_LIVE, render, _serve)


async def _serve(socket: Socket, gateway: Gateway, caller: Caller) -> None:
    await FishSession(socket, gateway, caller).run()
