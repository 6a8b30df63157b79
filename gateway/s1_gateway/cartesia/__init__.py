"""Cartesia's WebSocket, as Pipecat and LiveKit speak it: on it a bot is interrupted without reconnecting."""
