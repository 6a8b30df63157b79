"""``WS /tts/websocket``."""

from fastapi import APIRouter
from starlette.websockets import WebSocket

from s1_gateway.auth import Caller
from s1_gateway.cartesia.errors import render
from s1_gateway.cartesia.session import CartesiaSession
from s1_gateway.metrics import Door
from s1_gateway.sockets import Socket, serve_socket
from s1_gateway.state import Gateway

router = APIRouter()


@router.websocket("/tts/websocket")
async def stream(websocket: WebSocket) -> None:
    """Speak Cartesia's protocol."""
    await serve_socket(websocket, Door.CARTESIA, render, _serve)


async def _serve(socket: Socket, gateway: Gateway, caller: Caller) -> None:
    await CartesiaSession(socket, gateway, caller).run()
