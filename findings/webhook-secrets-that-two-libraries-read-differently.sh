#!/usr/bin/env bash
# openai and standardwebhooks: a webhook secret without "whsec_", or one of token_urlsafe, is another key than one thinks.
#
# One would guess that OpenAI's SDK and the standard's library verify the same signatures, and that a secret from
# secrets.token_urlsafe is a good one behind "whsec_". Without the prefix, openai takes the text itself as the key and
# standardwebhooks decodes it as base64: a sender with the one is never verified by the other. Behind the prefix both decode
# with Python's lenient base64, which leaves out every "-" and "_" without a word: most secrets of token_urlsafe are then refused
# with an error about base64's length or shrink to a shorter key, which senders in other languages, that read URL-safe base64 or
# refuse it, do not have. Make secrets as "whsec_" + b64encode(token_bytes(32)).
#
# openai 3.57.0, standardwebhooks 1.1.0. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q openai==3.57.0 standardwebhooks==1.1.0
"$folder/venv/bin/python" - <<'PYTHON'
import base64
import binascii
import random
import sys
from collections import Counter
from datetime import datetime, timezone

from openai import OpenAI
from standardwebhooks import Webhook

BODY = '{"type": "audio.speech.job.completed"}'
client = OpenAI(api_key="unused")


def verdicts(secret: str) -> dict[str, bool]:
    """What both say of a message that standardwebhooks signed with this very secret."""
    now = datetime.now(timezone.utc).replace(microsecond=0)
    webhook = Webhook(secret)
    signature = webhook.sign("msg_1", now, BODY)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    told = {}
    for name, verify in {
        "standardwebhooks": lambda: webhook.verify(BODY, headers),
        "openai": lambda: client.webhooks.verify_signature(BODY, headers, secret=secret),
    }.items():
        try:
            verify()
            told[name] = True
        except Exception:
            told[name] = False
    return told


plain = base64.b64encode(bytes(range(24))).decode()
without, with_prefix = verdicts(plain), verdicts("whsec_" + plain)
print(f"secret without a prefix: {without}")
print(f"the same behind whsec_:  {with_prefix}")

draw = random.Random(1)
kinds: Counter[str] = Counter()
for _ in range(2000):
    key = draw.randbytes(32)  # as secrets.token_urlsafe(32) does
    text = base64.urlsafe_b64encode(key).rstrip(b"=").decode()
    try:
        read = Webhook("whsec_" + text)._whsecret
    except binascii.Error:
        kinds["refused"] += 1
    else:
        kinds["the key that was meant" if read == key else "another, shorter key"] += 1
print(f"2000 secrets of token_urlsafe(32) behind whsec_: {dict(kinds)}")
is_same = without == {"standardwebhooks": True, "openai": False} and all(with_prefix.values())
sys.exit(0 if is_same and kinds["refused"] > 200 and kinds["another, shorter key"] > 200 else 1)
PYTHON
