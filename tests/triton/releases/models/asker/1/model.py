"""Calls the speaker and tells what comes back, in words."""

import threading
from queue import Empty, SimpleQueue

import numpy as np
import triton_python_backend_utils as pb_utils

WAIT_S = 3.0


class TritonPythonModel:
    def execute(self, requests):
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        question = pb_utils.get_input_tensor_by_name(request, "question").as_numpy().item().decode()
        told = getattr(self, question)()
        tensor = pb_utils.Tensor("told", np.array([told.encode()], np.object_))
        return pb_utils.InferenceResponse([tensor])

    def code_of_an_error(self):
        """The code with which the speaker refuses."""
        (response,) = list(call(count=1, fail_at=0))
        names = [
            name
            for name in ("INTERNAL", "UNAVAILABLE")
            if response.error().code() == getattr(pb_utils.TritonError, name)
        ]
        return " ".join(names)

    def late_error(self):
        """Whether an error after the first number comes."""
        found = SimpleQueue()

        def listen():
            for response in call(count=2, fail_at=1):
                if response.has_error():
                    found.put(response.error().message())

        threading.Thread(target=listen, daemon=True).start()
        try:
            return found.get(timeout=WAIT_S)
        except Empty:
            return "nothing came"

    def can_cancel(self):
        """Whether the responses can be cancelled."""
        responses = call(count=1)
        list(responses)
        return str(hasattr(responses, "cancel"))

    def has_parameters(self):
        """Whether a response takes parameters."""
        try:
            pb_utils.InferenceResponse([], parameters='{"a": 1}')
        except TypeError:
            return "False"
        return "True"


def call(**fields):
    inputs = [pb_utils.Tensor(name, np.array([value], np.int32)) for name, value in fields.items()]
    request = pb_utils.InferenceRequest(model_name="speaker", requested_output_names=["number"], inputs=inputs)
    return request.exec(decoupled=True)
