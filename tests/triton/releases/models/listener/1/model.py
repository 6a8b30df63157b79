"""Repeats a number."""

import triton_python_backend_utils as pb_utils

END = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            number = pb_utils.get_input_tensor_by_name(request, "number").as_numpy()
            response = pb_utils.InferenceResponse([pb_utils.Tensor("heard", number)])
            request.get_response_sender().send(response, flags=END)
