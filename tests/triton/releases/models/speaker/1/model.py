"""Says numbers, one every 50 ms, from a thread of its own; fails at one of them if asked to."""

import threading
import time

import numpy as np
import triton_python_backend_utils as pb_utils

PAUSE_S = 0.05


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            count = int(pb_utils.get_input_tensor_by_name(request, "count").as_numpy().item())
            told = pb_utils.get_input_tensor_by_name(request, "fail_at")
            fail_at = -1 if told is None else int(told.as_numpy().item())
            sender = request.get_response_sender()
            threading.Thread(target=say, args=(sender, count, fail_at), daemon=True).start()


def say(sender, count, fail_at):
    for number in range(count):
        last = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL if number in (count - 1, fail_at) else 0
        if number == fail_at:
            error = pb_utils.TritonError("no more numbers", pb_utils.TritonError.UNAVAILABLE)
            sender.send(pb_utils.InferenceResponse(error=error), flags=last)
            return
        tensor = pb_utils.Tensor("number", np.array([number], np.int32))
        sender.send(pb_utils.InferenceResponse([tensor]), flags=last)
        time.sleep(PAUSE_S)
