"""Cartesia's protocol: its WebSocket, on which a bot is interrupted without reconnecting, and the same over HTTP."""
