"""The stream with nothing but NVIDIA's client: ``pip install "tritonclient[grpc]"``.

    python client/examples/minimal_grpc.py localhost:8001 "Hello there." hello.wav

What ``s1_client`` adds: checks for gaps and stalls, retries, deadlines, bounded buffers, cancelling, typed errors.
"""

import queue
import sys
import wave

import numpy as np
import tritonclient.grpc as grpcclient

url, text, path = sys.argv[1:]

text_input = grpcclient.InferInput("text", [1, 1], "BYTES")
text_input.set_data_from_numpy(np.array([[text.encode()]], dtype=object))

answers: queue.Queue = queue.Queue()
with grpcclient.InferenceServerClient(url) as client, wave.open(path, "wb") as file:
    file.setnchannels(1)
    file.setsampwidth(2)
    file.setframerate(44_100)
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    client.async_stream_infer("s1_mini_stream", [text_input])
    is_last = False
    while not is_last:
        result, error = answers.get(timeout=60)
        if error is not None:
            raise error
        file.writeframes(result.as_numpy("audio").tobytes())
        is_last = bool(result.as_numpy("is_last").item())
