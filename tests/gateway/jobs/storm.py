"""A storm: many jobs while everything around them fails, and what must hold when it is over."""

import io
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import numpy as np
import numpy.typing as npt
import soundfile
from standardwebhooks import Webhook, WebhookVerificationError

from s1_gateway.jobs.webhooks import signing_secret
from tests.gateway.jobs.conftest import SECRET, Place, Receiver, eventually
from tests.gateway.jobs.faulty_s3 import FaultyS3
from tests.gateway.jobs.storm_figures import StormFigures

Samples = npt.NDArray[np.int16]

WORKERS = 2
STREAMS = 4
BAD_EVERY = 20
JOBS_A_ROUND = 150
"""In a round everything happens once."""

FAULT_S = 1.5
"""How long a fault lasts that ends by itself."""

OVER_S = 900
"""Only so that a storm that goes wrong comes to an end."""

HOOK_OUTCOMES = ("delivered", "retried", "failed")

HOPELESS = {"voice_id": "nobody-has-it", "text": "Nobody can say this."}
"""Taken, as only the server knows its voices, and then refused."""


@dataclass
class VerifyingReceiver(Receiver):
    """Verifies each message when it comes: later its signature is too old."""

    faults: list[str] = field(default_factory=list)

    def take(self, headers: dict[str, str], body: bytes) -> None:
        """Take a message as it comes."""
        try:
            Webhook(signing_secret(SECRET, "anybody")).verify(body, headers)
        except WebhookVerificationError as error:
            self.faults.append(f"{error}: {headers} {body!r}")
        super().take(headers, body)


@dataclass
class Storm:
    """What is there to be hit.

    Args:
        place: Redis, gateway, workers.
        receiver: Of webhooks.
        s3: Keeps the sound.
        lose_server: Kills the server, and waits until it is back.
        choose: Chance, with a seed.
    """

    place: Place
    receiver: VerifyingReceiver
    s3: FaultyS3
    lose_server: Callable[[], None]
    choose: random.Random
    listening: ExitStack = field(default_factory=ExitStack)
    sent: dict[str, dict[str, object]] = field(default_factory=dict)
    happened: Counter[str] = field(default_factory=Counter)
    begun_s: float = field(default_factory=time.monotonic)

    def run(self, bodies: list[dict[str, object]], *, is_short: bool = False) -> None:
        """Submit jobs while everything is hit in turn, and wait until all are over.

        Args:
            bodies: Of jobs; each 20th is replaced by one that must fail.
            is_short: Whether a small number of jobs sees the worst only: what ends processes.
        """
        hits = [self.kill_a_worker, self.stop_all_workers, self.kill_server, self.restart_redis, self.fail_s3]
        hits += [self.hang_s3, self.refuse_webhooks, self.hang_webhooks, self.leave_webhooks]
        num_rounds = max(1, len(bodies) // JOBS_A_ROUND)
        if is_short and len(bodies) < JOBS_A_ROUND:
            hits = [self.kill_a_worker, self.kill_server, self.restart_redis, self.fail_s3]
        turns = [hit for _ in range(num_rounds) for hit in self.choose.sample(hits, len(hits))]
        told = [HOPELESS if number % BAD_EVERY == BAD_EVERY - 1 else body for number, body in enumerate(bodies)]
        for number, hit in enumerate(turns):
            self.keep_workers()
            submitting = threading.Thread(target=self._submit_all, args=(told[number :: len(turns)], number))
            submitting.start()
            hit()
            self.happened[hit.__name__] += 1
            submitting.join()
        self.keep_workers()
        eventually(self._is_all_over, OVER_S)

    def _submit_all(self, bodies: list[dict[str, object]], turn: int) -> None:
        for number, body in enumerate(bodies):
            job_id = self._submit({**body, "webhook_url": self.receiver.url}, f"storm-{turn}-{number}")
            self.sent[job_id] = body

    def _submit(self, body: dict[str, object], key: str) -> str:
        """Submit as a caller who does not give up: again with the same key, whatever the answer was."""
        while True:
            url = f"{self.place.gateway.url}/v1/audio/speech/async"
            answer = self.place.http.post(url, json=body, headers={"Idempotency-Key": key})
            if answer.status_code == 202:
                return str(answer.json()["job_id"])
            assert answer.status_code == 503, answer.text
            time.sleep(0.1)

    # what happens

    def keep_workers(self) -> None:
        """Start workers in the place of those that ended, as a supervisor does."""
        self.place.workers[:] = [worker for worker in self.place.workers if worker.poll() is None]
        while len(self.place.workers) < WORKERS:
            self.place.start_worker(jobs_streams=STREAMS)

    def kill_a_worker(self) -> None:
        """As out of memory does."""
        self._wait_for_work()
        worker = self.choose.choice(self.place.workers)
        worker.kill()
        worker.wait()

    def stop_all_workers(self) -> None:
        """As a new version does."""
        self._wait_for_work()
        self.place.stop_workers()

    def kill_server(self) -> None:
        """It comes back."""
        self._wait_for_work()
        self.lose_server()

    def restart_redis(self) -> None:
        """It comes back with its file."""
        self._wait_for_work()
        self.place.redis.stop(self.choose.choice([signal.SIGTERM, signal.SIGKILL]))
        time.sleep(FAULT_S)
        self.place.redis.start()

    def fail_s3(self) -> None:
        """It answers 500, until some of it was felt."""
        num_before = self.s3.num_failed
        self.s3.is_failing = True
        eventually(lambda: self.s3.num_failed > num_before, 120)
        self.s3.is_failing = False

    def hang_s3(self) -> None:
        """It answers nothing for a while."""
        self.s3.hang()
        eventually(lambda: self.s3.hanging, 120)
        time.sleep(FAULT_S)
        self.s3.release()

    def refuse_webhooks(self) -> None:
        """The receiver is broken."""
        self.receiver.answers += [500] * 10

    def hang_webhooks(self) -> None:
        """The receiver takes messages and says nothing."""
        self.receiver.answers += [None] * 5

    def leave_webhooks(self) -> None:
        """The receiver is gone."""
        self.listening.close()
        time.sleep(FAULT_S)
        self.listening.enter_context(self.receiver.listening())

    # what is seen

    def _wait_for_work(self) -> None:
        with self.place.redis.client() as client:
            eventually(lambda: client.zcard("s1:jobs:running"), 120)

    def _is_all_over(self) -> bool:
        with self.place.redis.client() as client:
            names = ("waiting:single", "waiting:batch", "running")
            return not any(client.zcard(f"s1:jobs:{name}") for name in names)

    def assert_well(self, server: str, direct: Callable[[dict[str, object]], Samples]) -> StormFigures:
        """Assert that every job ended as it must, once, and that its caller was told.

        Args:
            server: Who spoke, for the figures.
            direct: Asks the server itself; gives the samples.
        """
        shown = {job_id: self.place.show(job_id) for job_id in self.sent}
        num_bad = sum(body is HOPELESS for body in self.sent.values())
        expected = Counter(completed=len(shown) - num_bad, failed=num_bad)
        failed = [each for each in shown.values() if each["status"] == "failed"]
        assert Counter(each["status"] for each in shown.values()) == expected, failed
        assert {each["error"]["code"] for each in failed} == {"not_found"}
        for job_id, body in self.sent.items():
            if body is not HOPELESS:
                np.testing.assert_array_equal(samples_of(self.place.content(job_id)), direct(body), f"{job_id} {body}")
        client = self.place.redis.client()
        counts = client.hgetall("s1:jobs:counts")
        assert int(counts["completed"]) == expected["completed"], counts  # none is said to be done twice
        assert int(counts["failed"]) == num_bad, counts
        assert client.zcard("s1:jobs:of:anybody") == len(shown)  # nothing else was made by a submission that failed
        assert client.get("s1:jobs:characters") == "0"
        self._assert_told(shown)
        return StormFigures(
            server=server,
            jobs=len(shown),
            ended=dict(expected),
            hits=dict(self.happened),
            lost=int(counts.get("lost", 0)),
            retried=int(counts.get("retried", 0)),
            most_attempts=max(job["attempts"] for job in shown.values()),
            equal=len(shown) - num_bad,
            messages=len(self.receiver.came),
            hook_tries={name: int(client.hget("s1:jobs:counts", f"webhook:{name}") or 0) for name in HOOK_OUTCOMES},
            took_s=round(time.monotonic() - self.begun_s, 1),
        )

    def _assert_told(self, shown: dict[str, dict[str, Any]]) -> None:
        self.receiver.answers.clear()

        def are_told() -> bool:
            client = self.place.redis.client()
            for job_id in client.zrange("s1:jobs:hooks", 0, -1):  # a wait of minutes is not waited for
                if self.place.show(job_id)["webhook"]["attempts"]:
                    client.zadd("s1:jobs:hooks", {job_id: 0}, xx=True)
            time.sleep(0.5)
            return not client.zcard("s1:jobs:hooks")

        eventually(are_told, 300)
        for job_id, job in shown.items():
            messages = self.receiver.of(job_id)
            assert messages, f"nobody was told of {job_id}"
            assert {each["type"] for each in messages} == {f"audio.speech.job.{job['status']}"}
        assert not self.receiver.faults


def samples_of(data: bytes) -> Samples:
    """Samples of a wav file."""
    samples, _ = soundfile.read(io.BytesIO(data), dtype="int16")
    return np.asarray(samples, dtype=np.int16)


def said_by_gateway(place: Place, body: dict[str, object]) -> Samples:
    """What the gateway says at once."""
    told = {"model": "tts-1", "voice": "default", "response_format": "wav", "input": body["text"], **body}
    answer = httpx2.post(f"{place.gateway.url}/v1/audio/speech", json=told, timeout=60)
    assert answer.status_code == 200, answer.text
    return samples_of(answer.content)


@contextmanager
def storm_at(place: Place, s3: FaultyS3, lose_server: Callable[[], None]) -> Iterator[Storm]:
    """Open a receiver, and make everything ready to be hit."""
    storm = Storm(place, VerifyingReceiver(0), s3, lose_server, random.Random(5))  # noqa: S311, RUF100  # not a secret
    with storm.listening:
        storm.listening.enter_context(storm.receiver.listening())
        yield storm
    storm.receiver.released.set()
