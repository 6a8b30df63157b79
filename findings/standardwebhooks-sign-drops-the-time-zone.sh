#!/usr/bin/env bash
# standardwebhooks: sign() takes a datetime and drops its time zone, so that what it signs does not verify.
#
# One would guess that sign(id, datetime, body) signs the moment that the datetime means: datetime.now(ZoneInfo(...)) is
# as good as datetime.now(UTC). It puts UTC in place of whatever zone is there. A sender that uses its own zone signs a time
# hours away from the webhook-timestamp that it sends (int(now.timestamp())), and no receiver accepts the message: "No
# matching signature found", which sounds like a wrong secret. A naive datetime.now() is right on servers whose
# clock runs in UTC and wrong on a laptop. svix signs through the same code. Give it datetime.now(timezone.utc), or a
# datetime of the very header: datetime.fromtimestamp(int(header), timezone.utc).
#
# standardwebhooks 1.1.0, svix 2.9.1. Run on 2026-11-28.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q standardwebhooks==1.1.0 svix==2.9.1 tzdata==2025.2
"$folder/venv/bin/python" - <<'PYTHON'
import base64
import os
import sys
import time
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import standardwebhooks
import svix.webhooks

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
BODY = '{"type": "audio.speech.job.completed", "data": {"id": "job_1"}}'


def verifies(package, now: datetime) -> bool:
    webhook = package.Webhook(SECRET)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": webhook.sign("msg_1", now, BODY),
    }
    try:
        webhook.verify(BODY, headers)
    except Exception as error:
        print(f"  {error}")
        return False
    return True


found = {}
for zone in ("UTC", "Asia/Tokyo"):
    os.environ["TZ"] = zone
    time.tzset()
    moments = {
        "now(timezone.utc)": datetime.now(timezone.utc),
        "now(ZoneInfo('Asia/Tokyo'))": datetime.now(ZoneInfo("Asia/Tokyo")),
        "now()": datetime.now(),
    }
    for name, now in moments.items():
        for package in (standardwebhooks, svix.webhooks):
            verified = verifies(package, now)
            found[zone, name, package.__name__] = verified
            print(f"clock in {zone}, datetime.{name}, {package.__name__}: {'verifies' if verified else 'does not verify'}")

right = {key for key, verified in found.items() if verified}
expected = {(zone, "now(timezone.utc)", package) for zone in ("UTC", "Asia/Tokyo") for package in ("standardwebhooks", "svix.webhooks")}
expected |= {("UTC", "now()", package) for package in ("standardwebhooks", "svix.webhooks")}
sys.exit(0 if right == expected else 1)
PYTHON
