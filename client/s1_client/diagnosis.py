"""An examination of a server: facts, each with what to do if it is not as it should be."""

import asyncio
import http.client
import urllib.request
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tritonclient.utils import InferenceServerException

from s1_client.client import AsyncS1Client
from s1_client.errors import S1ClientError
from s1_client.metrics import read_metrics
from s1_client.options import SpeechOptions
from s1_client.report import SpeechTimes
from s1_tts.protocol import CHUNK_OUTPUTS, SPEECH_INPUTS, ModelName, TensorSpec

METRICS_PORT = 8002

PUBLISHED_KV_VALUES = 2 * 28 * 8 * 128
"""Keys and values that the published S1-mini keeps of a token: 28 layers, 8 heads of 128 (its ``config.json``)."""

PROBE_TEXT = "One."
PROBE_FRAMES = 8
PROBE_TIMEOUT_S = 3.0


class Verdict(Enum):
    """How a fact is to be taken."""

    GOOD = "ok"
    NOTICE = "note"
    BAD = "WRONG"


@dataclass(frozen=True)
class Finding:
    """A fact.

    Args:
        verdict: How to take it.
        subject: What it is about.
        fact: What was found.
        advice: What to do.
    """

    verdict: Verdict
    subject: str
    fact: str
    advice: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether the server can be used all the same."""
        return self.verdict is not Verdict.BAD


def metrics_url_of(url: str) -> str:
    """Where a server at this gRPC address has its metrics, unless someone moved them."""
    return f"http://{url.rpartition(':')[0] or url}:{METRICS_PORT}/metrics"


class Diagnosis:
    """Examines a server.

    Args:
        client: Connected to it.
        metrics_url: Its metrics page.
    """

    def __init__(self, client: AsyncS1Client, metrics_url: str) -> None:
        self._client = client
        self._triton = client.connection.triton
        self._probe: dict[str, Any] = {"headers": client.connection.headers, "client_timeout": PROBE_TIMEOUT_S}
        self._metrics_url = metrics_url

    async def findings(self) -> list[Finding]:
        """Examine; the first finding tells whether a server answers, and is alone if none does."""
        server = await self._server()
        if not server.is_usable:
            return [server]
        return [server, *await self._models(), await self._interface(), *await self._engine(), await self._speech()]

    async def _server(self) -> Finding:
        url = self._client.url
        try:
            metadata = await self._triton.get_server_metadata(**self._probe)
        except InferenceServerException as error:
            advice = "start one with `make serve`, or give its address with --url; with TLS, see --root-certificates"
            return Finding(Verdict.BAD, "server", f"none answers at {url} ({error.message()})", advice)
        return Finding(Verdict.GOOD, "server", f"{metadata.name} {metadata.version} at {url}")

    async def _models(self) -> list[Finding]:
        index = await self._triton.get_model_repository_index(**self._probe)
        states = {model.name: (model.state, model.reason) for model in index.models}
        findings = []
        for name in ModelName:
            state, reason = states.get(name.value, ("not in the repository", ""))
            if state == "READY":
                findings.append(Finding(Verdict.GOOD, name.value, "ready"))
            else:
                fact = ": ".join(part for part in (state.lower() or "not loaded", reason) if part)
                findings.append(Finding(Verdict.BAD, name.value, fact, "the server's log says why it was not loaded"))
        return findings

    async def _interface(self) -> Finding:
        """Compare the tensors of the stream with those this client knows."""
        subject = f"tensors of {ModelName.STREAM.value}"
        try:
            metadata = await self._triton.get_model_metadata(ModelName.STREAM.value, **self._probe)
        except InferenceServerException as error:
            return Finding(Verdict.BAD, subject, error.message() or "unknown", "see the models above")
        faults = [
            *_differences("input", SPEECH_INPUTS, metadata.inputs),
            *_differences("output", CHUNK_OUTPUTS, metadata.outputs),
        ]
        if faults:
            return Finding(Verdict.BAD, subject, "; ".join(faults), "use a client and a server of the same version")
        return Finding(Verdict.GOOD, subject, "as this client knows them")

    async def _engine(self) -> list[Finding]:
        """What the server speaks with, as its metrics tell."""
        try:
            page = await asyncio.to_thread(_fetch, self._metrics_url)
        except (OSError, http.client.HTTPException, ValueError) as error:
            advice = "give the address of the metrics with --metrics-url"
            return [Finding(Verdict.NOTICE, "engine", f"no metrics at {self._metrics_url} ({error})", advice)]
        metrics = read_metrics(page)
        if "s1_lm_slots" not in metrics:
            return [Finding(Verdict.NOTICE, "engine", "its metrics do not tell", "is this another server's page?")]
        return [_checkpoint(metrics), _device(metrics), _load(metrics)]

    async def _speech(self) -> Finding:
        times = SpeechTimes()
        try:
            async for chunk in self._client.stream(PROBE_TEXT, SpeechOptions(seed=0, max_frames=PROBE_FRAMES)):
                times.add_chunk(chunk)
        except S1ClientError as error:
            return Finding(Verdict.BAD, "speech", str(error), "the server's log has the details")
        first_ms = times.arrivals_s[0] * 1000
        return Finding(Verdict.GOOD, "speech", f"{times.audio_s:.2f} s of audio, the first after {first_ms:.0f} ms")


def _checkpoint(metrics: dict[str, float]) -> Finding:
    """Tell the kind of checkpoint by the size of its keys and values: the server does not name it."""
    token_bytes = int(metrics["s1_lm_kv_pool_bytes"] / max(metrics["s1_lm_kv_pool_tokens"], 1))
    formats = {2 * PUBLISHED_KV_VALUES: "16-bit", 4 * PUBLISHED_KV_VALUES: "32-bit"}
    if token_bytes in formats:
        return Finding(Verdict.GOOD, "checkpoint", f"of the size of the published S1-mini, {formats[token_bytes]}")
    advice = "for words, download the published weights: scripts/download_checkpoint.py"
    return Finding(Verdict.NOTICE, "checkpoint", "not the published S1-mini: it makes noise, not words", advice)


def _device(metrics: dict[str, float]) -> Finding:
    num_gpus = int(metrics.get("nv_gpu_memory_total_bytes.count", 0))
    if num_gpus:
        return Finding(Verdict.GOOD, "device", f"the server sees {num_gpus} GPU(s)")
    advice = "fine for a trial; for calls, serve on a GPU"
    return Finding(Verdict.NOTICE, "device", "the server sees no GPU and computes on the CPU", advice)


def _load(metrics: dict[str, float]) -> Finding:
    slots, active, waiting = (
        int(metrics.get(f"s1_lm_{name}", 0)) for name in ("slots", "active_sequences", "waiting_sequences")
    )
    fact = f"{active} of {slots} slots in use, {waiting} waiting"
    if waiting:
        return Finding(Verdict.NOTICE, "load", fact, "requests wait; add a server, or slots with S1_MAX_SLOTS")
    return Finding(Verdict.GOOD, "load", fact)


def _differences(kind: str, known: tuple[TensorSpec, ...], served: Any) -> list[str]:
    datatypes = {tensor.name: tensor.datatype for tensor in served}
    faults = []
    for spec in known:
        wanted = "BYTES" if spec.dtype == "STRING" else spec.dtype
        found = datatypes.get(spec.name.value)
        if found != wanted:
            faults.append(f"{kind} {spec.name.value} is {found or 'missing'}, not {wanted}")
    return faults


def _fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PROBE_TIMEOUT_S) as answer:
        page: bytes = answer.read()
    return page.decode("utf-8", "replace")
