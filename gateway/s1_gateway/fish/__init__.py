"""Fish Audio's API, as its SDK, Pipecat and LiveKit speak it, with the voice routes of fish-speech's own server."""
