#!/usr/bin/env bash
# openai: webhooks.unwrap() makes an event of a kind that it does not know into an event of quite another kind.
#
# One would guess that unwrap() of a signed event whose type is newer than the SDK, or another server's that signs as OpenAI
# does, raises or gives some generic event. It gives an instance of the first class of its list,
# AgentEnvironmentExpiredWebhookEvent, whose type says "audio.speech.job.completed" although the class declares one literal
# for it. Code that tells events apart by isinstance, or a match statement over classes, takes the wrong branch; only event.type
# is right. Verify with verify_signature() and read the JSON yourself where a server sends events of its own.
#
# openai 3.57.0. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q openai==3.57.0 standardwebhooks==1.1.0
"$folder/venv/bin/python" - <<'PYTHON'
import base64
import json
import sys
from datetime import datetime, timezone

from openai import OpenAI
from openai.types.webhooks import AgentEnvironmentExpiredWebhookEvent
from standardwebhooks import Webhook

secret = "whsec_" + base64.b64encode(bytes(range(24))).decode()
client = OpenAI(api_key="unused", webhook_secret=secret)


def unwrapped(kind: str) -> object:
    body = json.dumps({"id": "evt_1", "object": "event", "created_at": 1, "type": kind, "data": {"id": "x_1"}})
    now = datetime.now(timezone.utc).replace(microsecond=0)
    signature = Webhook(secret).sign("msg_1", now, body)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    return client.webhooks.unwrap(body, headers)


for kind in ("batch.completed", "audio.speech.job.completed"):
    print(f"{kind}: {type(unwrapped(kind)).__name__}")
event = unwrapped("audio.speech.job.completed")
print(event)
sys.exit(0 if isinstance(event, AgentEnvironmentExpiredWebhookEvent) and event.type == "audio.speech.job.completed" else 1)
PYTHON
