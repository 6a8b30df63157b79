"""OpenAI's speech API, as the SDK, Pipecat, LiveKit, Open WebUI, Home Assistant and others speak it."""
