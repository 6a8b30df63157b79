#!/usr/bin/env bash
# elevenlabs: construct_event() of a webhook's body as bytes says that the signature is wrong, whatever it is.
#
# One would guess that the raw body can be given as a web framework hands it over (bytes, as OpenAI's and the standard's
# libraries take it), or that bytes raise a TypeError. construct_event() puts the body into an f-string: the signature is
# computed over the text "b'{...}'", and every message of ElevenLabs is refused with "Signature hash does not match the expected
# signature hash for payload", which sends one looking for a wrong secret. Decode first: construct_event(body.decode(), ...).
#
# elevenlabs 2.78.0. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q elevenlabs==2.78.0
"$folder/venv/bin/python" - <<'PYTHON'
import hashlib
import hmac
import sys
import time

from elevenlabs.client import ElevenLabs

SECRET = "wsec_of_a_test"
body = b'{"type": "post_call_transcription", "data": {}}'
now = str(int(time.time()))
digest = hmac.new(SECRET.encode(), now.encode() + b"." + body, hashlib.sha256).hexdigest()
client = ElevenLabs(api_key="unused")


def told(raw: object) -> str:
    try:
        client.webhooks.construct_event(raw, f"t={now},v0={digest}", SECRET)
    except Exception as error:
        return f"{type(error).__name__}: {getattr(error, 'body', error)}"
    return "verified"


as_text, as_bytes = told(body.decode()), told(body)
print(f"str:   {as_text}")
print(f"bytes: {as_bytes}")
sys.exit(0 if as_text == "verified" and "does not match" in as_bytes else 1)
PYTHON
