"""What a caller of ``s1_mini`` gets, over each way to it."""

import asyncio
import base64
import io
import json
import struct
import wave
from pathlib import Path

import numpy as np
import psutil

from s1_protocol.sound import SAMPLE_RATE_HZ
from tests.triton.callers import answer, kserve_json, post_json, request_http

INFER = "/v2/models/s1_mini/infer"
TEXT = "Hello there."
MAX_COLLECTOR_BYTES = 60e6


def outputs_of(body):
    return {output["name"]: output for output in body["outputs"]}


def test_plain_http(server):
    response = post_json(server.ports.http, INFER, kserve_json(TEXT))
    assert response.status == 200
    outputs = outputs_of(response.json)
    assert outputs["audio"]["datatype"] == "INT16"
    assert outputs["audio"]["shape"] == [1, len(outputs["audio"]["data"])]
    assert outputs["sample_rate"]["data"] == [SAMPLE_RATE_HZ]
    assert outputs["audio_base64"]["data"] == [""]


def test_base64_is_a_whole_wav_file(server):
    response = post_json(server.ports.http, INFER, kserve_json(TEXT, parameters={"audio_base64": True}))
    outputs = outputs_of(response.json)
    with wave.open(io.BytesIO(base64.b64decode(outputs["audio_base64"]["data"][0]))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, SAMPLE_RATE_HZ)
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    assert samples.tolist() == outputs["audio"]["data"]


async def test_same_sound_over_grpc_and_http(server, client):
    over_grpc = (await answer(client, text=TEXT, seed=7, max_frames=12)).as_numpy("audio").reshape(-1)
    response = await asyncio.to_thread(post_json, server.ports.http, INFER, kserve_json(TEXT))
    over_http = np.array(outputs_of(response.json)["audio"]["data"], dtype=np.int16)
    assert np.array_equal(over_grpc, over_http)


async def test_eight_callers_at_once(client):
    together = await asyncio.gather(*[answer(client, text=TEXT, seed=seed, max_frames=20) for seed in range(8)])
    for seed, result in enumerate(together):
        alone = await answer(client, text=TEXT, seed=seed, max_frames=20)
        assert np.array_equal(result.as_numpy("audio").reshape(-1), alone.as_numpy("audio").reshape(-1))


def test_generate(server):
    response = post_json(server.ports.http, "/v2/models/s1_mini/generate", {"text": TEXT, "max_frames": 8})
    assert response.status == 200
    assert len(response.json["audio"]) > 0


def test_sagemaker_ping(server):
    assert request_http(server.ports.sagemaker, "GET", "/ping").status == 200


def test_sagemaker_json(server):
    response = post_json(server.ports.sagemaker, "/invocations", kserve_json(TEXT, parameters={"audio_base64": True}))
    assert response.status == 200
    assert outputs_of(response.json)["audio_base64"]["data"][0].startswith("UklGR")  # RIFF


def test_sagemaker_binary(server):
    text = TEXT.encode()
    data = struct.pack("<I", len(text)) + text
    header = json.dumps(
        {
            "inputs": [
                {
                    "name": "text",
                    "shape": [1, 1],
                    "datatype": "BYTES",
                    "parameters": {"binary_data_size": len(data)},
                },
                {"name": "seed", "shape": [1, 1], "datatype": "INT64", "data": [7]},
                {"name": "max_frames", "shape": [1, 1], "datatype": "INT32", "data": [12]},
            ],
            "outputs": [{"name": "audio", "parameters": {"binary_data": True}}],
        }
    ).encode()
    content_type = f"application/vnd.sagemaker-triton.binary+json;json-header-size={len(header)}"
    response = request_http(
        server.ports.sagemaker, "POST", "/invocations", header + data, {"Content-Type": content_type}
    )
    assert response.status == 200
    size = int({name.lower(): value for name, value in response.headers.items()}["content-type"].rpartition("=")[2])
    audio = outputs_of(json.loads(response.body[:size]))["audio"]
    samples = np.frombuffer(response.body[size:], dtype=np.int16)
    assert audio["shape"] == [1, samples.size]
    plain = outputs_of(post_json(server.ports.http, INFER, kserve_json(TEXT)).json)["audio"]["data"]
    assert np.array_equal(samples, np.array(plain, dtype=np.int16))


def test_collector_processes_are_light(server):
    collectors = [
        process
        for process in psutil.Process(server.process_id).children()
        if any(Path(part).match("s1_mini/1/model.py") for part in process.cmdline())
    ]
    assert len(collectors) == 8
    for process in collectors:
        assert process.memory_info().rss < MAX_COLLECTOR_BYTES
