"""An examination of a server: facts, each with what to do if it is not as it should be."""

import asyncio
import http.client
import os
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.error import URLError

from tritonclient.utils import InferenceServerException

from s1_client.address import is_local, proxy_variable
from s1_client.client import AsyncS1Client
from s1_client.connection import RPC_ERRORS, message_of
from s1_client.errors import S1ClientError, ServerError
from s1_client.metrics import MetricsPage
from s1_client.options import SpeechOptions
from s1_client.report import SpeechTimes
from s1_protocol.errors import ErrorCode
from s1_protocol.names import InfoLabel, ModelName, ServiceClass
from s1_protocol.notices import NOISE_NOTICE
from s1_protocol.tensors import CHUNK_OUTPUTS, SPEECH_INPUTS, TensorSpec
from s1_protocol.version import UNKNOWN, package_version

METRICS_PORT = 8002

PROBE_TEXT = "One."
PROBE_FRAMES = 8
PROBE_TIMEOUT_S = 3.0
ENOUGH_SHM_MB = 128.0
"""Below it, four recordings of the largest size do not fit."""
PROBE_DEADLINE_MS = 2000
"""A server that cannot begin to speak within this time refuses the probe, and is busy."""


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
        client: Connected to it and to no other.
        metrics_url: Its metrics page.
    """

    def __init__(self, client: AsyncS1Client, metrics_url: str) -> None:
        self._client = client
        (connection,) = client.connections
        self._url = connection.url
        self._connection = connection
        self._probe: dict[str, Any] = {"headers": connection.headers, "client_timeout": PROBE_TIMEOUT_S}
        self._metrics_url = metrics_url

    async def findings(self) -> list[Finding]:
        """Examine. The first finding says whether a server answers, and is the only one if none does."""
        server = await self._server()
        if not server.is_usable:
            return [server]
        return [server, *await self._models(), await self._interface(), *await self._engine(), await self._speech()]

    async def probe(self) -> Finding:
        """Let the server speak a word, ahead of those that wait, and say whether it did.

        A server that refuses it because it is busy is well: its language model has answered.
        """
        options = SpeechOptions(
            seed=0, max_frames=PROBE_FRAMES, service=ServiceClass.CALL, deadline_ms=PROBE_DEADLINE_MS
        )
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                async for _ in self._client.stream(PROBE_TEXT, options):
                    pass
        except ServerError as error:
            if error.code is not ErrorCode.UNAVAILABLE or "shutting down" in str(error):
                return Finding(Verdict.BAD, "speech", str(error), "the server's log has the details")
            return Finding(Verdict.NOTICE, "speech", str(error), "it is busy; add a server, or slots with S1_MAX_SLOTS")
        except TimeoutError:
            fact = f"none within {PROBE_TIMEOUT_S:g} s"
            return Finding(Verdict.BAD, "speech", fact, "the server's log has the details")
        except S1ClientError as error:
            return Finding(Verdict.BAD, "speech", str(error), "the server's log has the details")
        return Finding(Verdict.GOOD, "speech", "it speaks")

    async def _server(self) -> Finding:
        url = self._url
        try:
            metadata = await self._connection.triton.get_server_metadata(**self._probe)
        except RPC_ERRORS as error:
            advice = (
                "start one with `make serve` and wait until its models are loaded, or give the address of its gRPC "
                "port with --url; with TLS, see --tls and --root-certificates"
            )
            variable = proxy_variable(url)
            if variable is not None:
                advice = (
                    f"{variable} sends gRPC through the proxy {without_secret(os.environ[variable])}: unset it, or "
                    f"name the host in no_proxy, if the server is to be reached straight; else {advice}"
                )
            return Finding(Verdict.BAD, "server", f"none answers at {url} ({message_of(error)})", advice)
        return Finding(Verdict.GOOD, "server", f"{metadata.name} {metadata.version} at {url}")

    async def _models(self) -> list[Finding]:
        findings = []
        for name in ModelName:
            try:
                is_ready = await self._connection.triton.is_model_ready(name.value, **self._probe)
            except InferenceServerException as error:
                fact = f"the server does not say ({error.message()})"
                advice = "is this address a Triton server's, and open to this caller?"
                findings.append(Finding(Verdict.BAD, name.value, fact, advice))
                continue
            if is_ready:
                findings.append(Finding(Verdict.GOOD, name.value, "ready"))
            else:
                advice = "wait until it is loaded; the server's log says so, and why if it is not"
                findings.append(Finding(Verdict.BAD, name.value, "not ready", advice))
        return findings

    async def _interface(self) -> Finding:
        """Compare the tensors of the stream with those this client knows."""
        subject = f"tensors of {ModelName.STREAM.value}"
        try:
            metadata = await self._connection.triton.get_model_metadata(ModelName.STREAM.value, **self._probe)
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
            reason = error.reason if isinstance(error, URLError) and error.reason else error
            return [Finding(Verdict.NOTICE, "engine", f"no metrics at {self._metrics_url} ({reason})", advice)]
        return serving_facts(MetricsPage.read(page))

    async def _speech(self) -> Finding:
        times = SpeechTimes()
        try:
            async for chunk in self._client.stream(PROBE_TEXT, SpeechOptions(seed=0, max_frames=PROBE_FRAMES)):
                times.add_chunk(chunk)
        except S1ClientError as error:
            return Finding(Verdict.BAD, "speech", str(error), "the server's log has the details")
        first_ms = times.arrivals_s[0] * 1000
        return Finding(Verdict.GOOD, "speech", f"{times.audio_s:.2f} s of audio, the first after {first_ms:.0f} ms")


def serving_facts(metrics: MetricsPage) -> list[Finding]:
    """Report the model of a server and how busy it is, from its metrics."""
    if not metrics.of("s1_lm_slots"):
        return [Finding(Verdict.NOTICE, "engine", "its metrics do not tell", "is this another server's page?")]
    info = metrics.of("s1_server_info")
    if not info:
        fact = "its metrics name no version, checkpoint and device: it is older than this client"
        return [Finding(Verdict.NOTICE, "engine", fact, "update the server; its log tells them"), _load(metrics)]
    labels = info[0].labels
    return [_version(labels), _checkpoint(labels), _device(labels), _load(metrics), *_shared_memory(metrics)]


def _version(labels: Mapping[str, str]) -> Finding:
    served, ours = labels.get(InfoLabel.VERSION, UNKNOWN), package_version()
    if UNKNOWN in {served, ours} or served == ours:
        return Finding(Verdict.GOOD, "version", f"s1-tts {served}")
    advice = "use a client and a server of the same version"
    return Finding(Verdict.NOTICE, "version", f"the server's s1-tts is {served}, this client's {ours}", advice)


def _checkpoint(labels: Mapping[str, str]) -> Finding:
    name = labels.get(InfoLabel.CHECKPOINT, UNKNOWN)
    if labels.get(InfoLabel.DEVELOPMENT) != "true":
        return Finding(Verdict.GOOD, "checkpoint", name)
    advice = "for words, download the published weights: scripts/download_checkpoint.py"
    return Finding(Verdict.NOTICE, "checkpoint", f"{name}. {NOISE_NOTICE}", advice)


def _device(labels: Mapping[str, str]) -> Finding:
    device = labels.get(InfoLabel.DEVICE, UNKNOWN)
    fact = f"{device}, computing in {labels.get(InfoLabel.DTYPE, UNKNOWN)}"
    if device == "cpu":
        return Finding(Verdict.NOTICE, "device", fact, "fine for a trial; for calls, serve on a GPU")
    return Finding(Verdict.GOOD, "device", fact)


def _load(metrics: MetricsPage) -> Finding:
    slots, active, waiting = (
        int(metrics.total(f"s1_lm_{name}")) for name in ("slots", "active_sequences", "waiting_sequences")
    )
    fact = f"{active} of {slots} slots in use, {waiting} waiting"
    if waiting:
        return Finding(Verdict.NOTICE, "load", fact, "requests wait; add a server, or slots with S1_MAX_SLOTS")
    return Finding(Verdict.GOOD, "load", fact)


def _shared_memory(metrics: MetricsPage) -> list[Finding]:
    """Room that the server has for tensors; recordings need most of it."""
    if not metrics.of("s1_shm_free_bytes"):
        return []
    free_mb = metrics.total("s1_shm_free_bytes") / 1e6
    fact = f"{free_mb:.0f} MB free in /dev/shm"
    if free_mb < ENOUGH_SHM_MB:
        advice = (
            "recordings will fail; give the server more (--shm-size 1536m) and a smaller S1_RECORDINGS_MB, "
            "and restart it"
        )
        return [Finding(Verdict.NOTICE, "shared memory", fact, advice)]
    return [Finding(Verdict.GOOD, "shared memory", fact)]


def _differences(kind: str, known: tuple[TensorSpec, ...], served: Any) -> list[str]:
    datatypes = {tensor.name: tensor.datatype for tensor in served}
    faults = []
    for spec in known:
        wanted = "BYTES" if spec.dtype == "STRING" else spec.dtype
        found = datatypes.get(spec.name.value)
        if found != wanted:
            faults.append(f"{kind} {spec.name.value} is {found or 'missing'}, not {wanted}")
    return faults


def without_secret(address: str) -> str:
    """An address without the name and password that may stand in it."""
    scheme, separator, rest = address.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]


def _fetch(url: str) -> str:
    host = urllib.parse.urlsplit(url).netloc
    straight = [urllib.request.ProxyHandler({})] if is_local(host if ":" in host else f"{host}:80") else []
    with urllib.request.build_opener(*straight).open(url, timeout=PROBE_TIMEOUT_S) as answer:
        page: bytes = answer.read()
    return page.decode("utf-8", "replace")
