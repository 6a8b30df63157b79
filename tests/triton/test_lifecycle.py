"""Servers start, stop and fail, and leave nothing behind. Through the script, as a user runs it."""

import asyncio
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import tritonclient.grpc.aio as grpcclient

from tests.triton.callers import answer, collect, stream, until
from tests.triton.script import SCRIPT, STOP_LIMIT_S, Remains, free_ports, serving

LONG = "This sentence is said again and again. " * 40


def run_to_failure(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


async def test_stop_with_streams_running(checkpoint, server):
    """The callers are told, and everything is gone; a second server beside it does not notice."""
    with serving(checkpoint) as script:
        assert "noise" in script.first_line
        ports = r"http \d+, grpc \d+, metrics \d+"
        assert re.fullmatch(rf"ready on 127\.0\.0\.1: {ports}; try: s1-tts say .*\n", script.ready_line)
        remains = Remains.of(script)
        beside = psutil.Process(server.process_id)
        assert not any(f"prefix-name={remains.shm_prefix}" in part for part in beside.cmdline())
        client = grpcclient.InferenceServerClient(script.grpc_url)
        one_answer = asyncio.create_task(answer(client, text=LONG, max_frames=20_000))
        readers = [stream(client, text=LONG, max_frames=20_000, seed=seed) for seed in range(3)]
        for reader in readers:
            await anext(reader)
        assert await until(lambda: script.num_active() == 4)
        script.process.send_signal(signal.SIGINT)

        async def read_on(reader):
            async for _ in reader:
                pass

        ends = await asyncio.gather(*map(read_on, readers), one_answer, return_exceptions=True)
        assert all("the server is shutting down" in str(end) for end in ends)
        assert await asyncio.to_thread(script.process.wait, STOP_LIMIT_S) == 0
        await client.close()
        remains.assert_gone()
        async with grpcclient.InferenceServerClient(f"127.0.0.1:{server.ports.grpc}") as other:
            assert (await collect(other, text="Hello.", seed=1, max_frames=6))[-1].is_last


def test_no_checkpoint_folder(tmp_path):
    failed = run_to_failure("--checkpoint", str(tmp_path / "nowhere"))
    assert failed.returncode == 1
    assert failed.stderr == f"error: checkpoint: no folder {tmp_path / 'nowhere'}\n"


def test_a_checkpoint_that_lacks_files_is_told_before_anything_starts(checkpoint, tmp_path):
    folder = Path(shutil.copytree(checkpoint, tmp_path / "lacking"))
    for name in ("model.pth", "codec.pth"):
        (folder / name).unlink()
    failed = run_to_failure("--checkpoint", str(folder))
    assert failed.returncode == 1
    assert failed.stderr == (
        f"error: checkpoint: {folder} lacks codec.pth, model.pth; a checkpoint's folder holds config.json, "
        "special_tokens.json, tokenizer.tiktoken, codec.pth, model.pth\n"
    )


def test_a_broken_checkpoint_is_told_in_the_models_own_words(checkpoint, tmp_path):
    folder, log = Path(shutil.copytree(checkpoint, tmp_path / "broken")), tmp_path / "log.txt"
    (folder / "config.json").write_text("{")
    failed = run_to_failure("--checkpoint", str(folder), *free_ports(), "--log", str(log))
    assert failed.returncode == 1
    assert re.search(r"^(error: )?s1_llama: .*config\.json", failed.stderr, re.MULTILINE), failed.stderr
    assert "Traceback" not in failed.stderr


def test_wrong_setting_is_told_before_anything_starts(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("S1_MAX_SLOT", "4")
    log = tmp_path / "log.txt"
    failed = run_to_failure("--checkpoint", str(checkpoint), *free_ports(), "--log", str(log))
    assert failed.returncode == 1
    assert failed.stderr == "error: unknown setting S1_MAX_SLOT; did you mean S1_MAX_SLOTS?\n"
    assert not log.exists()


def test_port_that_is_taken(checkpoint):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failed = run_to_failure("--checkpoint", str(checkpoint), "--grpc-port", str(port), "--http-port", "0")
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"error: grpc port {port} on 127.0.0.1 cannot be used: ")
