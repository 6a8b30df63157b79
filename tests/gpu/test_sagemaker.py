"""The SageMaker container on CUDA, at full size and without stand-ins: speech, load, memory, and figures.

Figures go to ``sagemaker.json`` in the folder ``GPU_RESULTS``, else in pytest's temporary folder, and are printed.
"""

import json
import os
import shutil
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from perf.conditions import Conditions

from s1_client import SpeechOptions
from s1_client.audio import Speech
from s1_client.sagemaker_wire import EventJoiner, make_binary_request, make_stream_request, read_binary_answer
from s1_protocol.sound import FRAME_SAMPLES
from s1_training.development.checkpoint import write_dev_checkpoint
from s1_tts.serving.repository import PACKAGED_REPOSITORY
from tests.sagemaker_container import Served, serving
from tests.triton.callers import request_http
from tests.triton.script import is_running

TEXT = "This is a sentence of a length that many sentences have, no more and no less."
NUM_CALLERS = 20
NUM_ROUNDS = 10
STREAMING_SINCE = (2, 56)
"""Version of Triton 25.03, whose SageMaker port can stream."""


@dataclass
class Load:
    """One container under test, and what it was like before it was there."""

    served: Served
    device: torch.device
    used_before_bytes: int
    max_frames: int
    figures: dict[str, object] = field(default_factory=dict)

    def used_bytes(self) -> int:
        return used_bytes(self.device, self.served)

    def speak(self, seed: int) -> Speech:
        options = SpeechOptions(seed=seed, max_frames=self.max_frames)
        body = make_binary_request(TEXT, options, want_wav=False)
        headers = {"Content-Type": body.content_type}
        answer = request_http(self.served.sagemaker_port, "POST", "/invocations", body.content, headers)
        assert answer.status == 200, answer.body
        types = {name.lower(): value for name, value in answer.headers.items()}
        return read_binary_answer(answer.body, types["content-type"])

    def speak_all(self) -> list[Speech]:
        """Twenty callers at once."""
        with ThreadPoolExecutor(NUM_CALLERS) as callers:
            return list(callers.map(self.speak, range(NUM_CALLERS)))


def used_bytes(device: torch.device, served: Served | None = None) -> int:
    """Memory of the whole device that is taken; in a rehearsal, that of the server's processes."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return total - free
    if served is None:
        return 0
    processes = [served.server(), *served.server().children(recursive=True)]
    return sum(process.memory_full_info().uss for process in processes)


@pytest.fixture(scope="module")
def model_folder(device: torch.device, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("sagemaker") / "model"
    shutil.copytree(PACKAGED_REPOSITORY, folder, ignore=shutil.ignore_patterns("__pycache__"))
    write_dev_checkpoint(folder / "checkpoint", "full" if device.type == "cuda" else "tiny", seed=0)
    yield folder
    shutil.rmtree(folder)  # 3.6 GB


@pytest.fixture(scope="module")
def load(device: torch.device, model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    folder = tmp_path_factory.mktemp("container")
    before = used_bytes(device)
    environment = {**os.environ, "S1_DEVICE": str(device)}
    with serving(model_folder, environment, folder / "log.txt") as served:
        running = Load(served, device, before, max_frames=200 if device.type == "cuda" else 30)
        yield running
    results = Path(os.environ.get("GPU_RESULTS", folder)) / "sagemaker.json"
    results.write_text(
        json.dumps({"conditions": asdict(Conditions.describe(device)), **running.figures}, indent=2) + "\n"
    )
    print(f"\n{results}:\n{results.read_text()}")


def test_speech_from_invocations(load: Load) -> None:
    assert request_http(load.served.sagemaker_port, "GET", "/ping").status == 200
    speech = load.speak(seed=1)
    assert 0 < speech.samples.size <= load.max_frames * FRAME_SAMPLES
    assert speech.samples.size % FRAME_SAMPLES == 0
    assert np.abs(speech.samples).max() > 0


def test_twenty_callers_at_once_and_the_memory_afterwards(load: Load) -> None:
    """A second load of the same size finds all that it needs among what the first one has returned."""
    load.speak_all()
    after_first = load.used_bytes()
    started_s = time.perf_counter()
    speeches = load.speak_all()
    wall_s = time.perf_counter() - started_s
    assert all(speech.samples.size for speech in speeches)
    after_second = load.used_bytes()
    assert after_second <= after_first + max(64 << 20, after_first // 50)
    audio_s = sum(speech.duration_s for speech in speeches)
    load.figures |= {
        "callers": NUM_CALLERS,
        "audio_s": round(audio_s, 2),
        "wall_s": round(wall_s, 3),
        "audio_s_per_s": round(audio_s / wall_s, 2),
        "memory_mb": {"loaded": after_first >> 20, "after_second_load": after_second >> 20},
    }


def test_first_audio(load: Load) -> None:
    """Over the container's inner HTTP port, whose stream is what the SageMaker port sends from Triton 25.03 on."""
    times_s = [time_to_first_event(load, "/v2/models/s1_mini_stream/generate_stream") for _ in range(NUM_ROUNDS)]
    load.figures["first_audio_ms"] = {
        "median": round(statistics.median(times_s) * 1000, 1),
        "worst": round(max(times_s) * 1000, 1),
        "requests": NUM_ROUNDS,
        "measured_at": "HTTP port, generate_stream, one caller",
    }
    assert min(times_s) > 0


def time_to_first_event(load: Load, path: str, port: int | None = None) -> float:
    body = make_stream_request(TEXT, SpeechOptions(seed=1, max_frames=load.max_frames)).content
    connection = HTTPConnection("127.0.0.1", port or load.served.http_port, timeout=60)
    joiner = EventJoiner()
    started_s = time.perf_counter()
    connection.request("POST", path, body)
    response = connection.getresponse()
    try:
        while part := response.read1():
            if any(event["audio"] for event in joiner.feed(part)):
                return time.perf_counter() - started_s
        pytest.fail("the stream ended without sound")
    finally:
        connection.close()


def test_stream_on_the_sagemaker_port(load: Load, model_folder: Path, tmp_path: Path) -> None:
    version = request_http(load.served.http_port, "GET", "/v2").json["version"]
    if tuple(map(int, version.split(".")[:2])) < STREAMING_SINCE:
        pytest.skip(f"generate_stream on the SageMaker port needs Triton 25.03 (2.56.0); this is {version}")
    environment = {
        **os.environ,
        "S1_DEVICE": str(load.device),
        "SAGEMAKER_TRITON_INFERENCE_TYPE": "generate_stream",
    }
    with serving(model_folder, environment, tmp_path / "log.txt") as streaming:
        time_s = time_to_first_event(load, "/invocations", streaming.sagemaker_port)
    load.figures["first_audio_on_the_sagemaker_port_ms"] = round(time_s * 1000, 1)


def test_memory_is_given_back_when_the_container_stops(load: Load) -> None:
    """Comes last, since it stops the container."""
    processes = psutil.Process(load.served.process.pid).children(recursive=True)
    assert load.served.stop() == 0
    assert [process for process in processes if is_running(process)] == []
    if load.device.type == "cuda":
        assert used_bytes(load.device) <= load.used_before_bytes + (64 << 20)
