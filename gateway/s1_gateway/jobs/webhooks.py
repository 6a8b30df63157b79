"""Telling a caller that a job is over: signed as Standard Webhooks says, again and again until it arrives."""

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import urllib3
from standardwebhooks import Webhook

from s1_client.job_records import WebhookAttempt
from s1_gateway.job_settings import JobSettings
from s1_gateway.jobs.addresses import AddressError, check_address, resolve
from s1_gateway.jobs.ledger import Ledger
from s1_gateway.jobs.records import Job

log = logging.getLogger(__name__)

WAITS_S: Final = (5, 300, 1800, 7200, 18_000, 36_000)
"""Between tries: they end after 17.5 hours."""

_GONE: Final = 410
_LONGEST_WAIT_S: Final = 36_000.0


def signing_secret(secret: str, token: str) -> str:
    """Make the secret of a token: each has its own, and none is stored.

    Args:
        secret: The gateway's.
        token: Name of the token.
    """
    digest = hmac.new(secret.encode(), b"s1-webhook:" + token.encode(), hashlib.sha256).digest()
    return "whsec_" + base64.b64encode(digest).decode()


def message_of(job: Job) -> str:
    """Write what a receiver gets: thin, so that nothing secret is in it and it is never outdated."""
    data: dict[str, object] = {"id": job.id, "status": job.state, "batch_id": job.batch}
    if job.error is not None:
        data["error"] = {"code": job.error.code, "message": job.error.message}
    over_s = job.completed_s or job.created_s
    return json.dumps(
        {
            "id": f"evt_{job.id}",
            "object": "event",
            "type": f"audio.speech.job.{job.state}",
            "created_at": int(over_s),
            "timestamp": datetime.fromtimestamp(over_s, UTC).isoformat(),
            "data": data,
        }
    )


class Teller:
    """Sends webhooks. Its :meth:`call` blocks; a thread calls it.

    Args:
        settings: Of jobs.
    """

    def __init__(self, settings: JobSettings) -> None:
        self._settings = settings

    async def tell(self, ledger: Ledger, job_id: str, *, call_in_thread: "CallInThread") -> None:
        """Try once to tell the caller of a job, and remember how it went.

        Args:
            ledger: Of jobs.
            job_id: Which.
            call_in_thread: Runs :meth:`call`.
        """
        job = await ledger.find(job_id)
        if job is None or job.webhook is None or not job.state.is_over:
            await ledger.forget_hook(job_id)
            return
        now_s = await ledger.now_s()  # a worker's own clock may be off by more than receivers allow
        status, outcome, wait_s = await call_in_thread(self, job, now_s)
        next_s: float | None = None
        is_told = status is not None and 200 <= status < 300
        if not is_told and status != _GONE and len(job.webhook_attempts) < len(WAITS_S):
            next_s = max(float(WAITS_S[len(job.webhook_attempts)]), wait_s)
        await ledger.told(job, WebhookAttempt(round(now_s, 3), outcome), next_s)
        await ledger.count(f"webhook:{'delivered' if is_told else 'failed' if next_s is None else 'retried'}")

    def call(self, job: Job, at_s: float) -> tuple[int | None, str, float]:
        """Call the receiver.

        Args:
            job: Which is over.
            at_s: When, Unix time: it is signed, and receivers refuse what is older than five minutes.

        Returns:
            The status that came, if one did; what is remembered of it; how long the receiver asks to be left alone.
        """
        try:
            target = check_address(job.webhook or "", is_private_allowed=self._settings.webhook_private)
            address = resolve(target, is_private_allowed=self._settings.webhook_private)
        except AddressError as error:
            return None, str(error), 0.0
        timeout = urllib3.Timeout(connect=5, read=self._settings.webhook_timeout_s)
        options: dict[str, Any] = {"timeout": timeout, "retries": False, "maxsize": 1}
        pool = (
            urllib3.HTTPSConnectionPool(
                address, target.port, server_hostname=target.host, assert_hostname=target.host, **options
            )
            if target.is_tls
            else urllib3.HTTPConnectionPool(address, target.port, **options)
        )
        with pool:
            try:
                answer = pool.urlopen(
                    "POST",
                    target.path,
                    body=message_of(job).encode(),
                    headers=self._headers(job, f"{target.host}:{target.port}", at_s),
                    redirect=False,
                    preload_content=False,
                )
                answer.close()
            except urllib3.exceptions.HTTPError as error:
                return None, type(error).__name__, 0.0
        return answer.status, f"status {answer.status}", _asked_wait_s(answer.headers.get("retry-after"))

    def _headers(self, job: Job, host: str, at_s: float) -> dict[str, str]:
        message_id = f"msg_{job.id}"  # the same at every try: receivers know by it what they had
        at = datetime.fromtimestamp(at_s, UTC)
        secret = signing_secret(self._settings.webhook_secret or "", job.token)
        return {
            "host": host,
            "content-type": "application/json",
            "user-agent": "s1-gateway",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign(message_id, at, message_of(job)),
        }


CallInThread = Callable[[Teller, Job, float], Awaitable[tuple[int | None, str, float]]]
"""Runs :meth:`Teller.call` where it holds nothing up."""


def _asked_wait_s(told: str | None) -> float:
    return min(float(told), _LONGEST_WAIT_S) if told and told.isdecimal() else 0.0
