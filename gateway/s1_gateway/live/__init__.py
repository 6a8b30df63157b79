"""Our own WebSocket: ``{"text": ...}`` in, binary sound out, ``{"done": true}`` at the end."""
