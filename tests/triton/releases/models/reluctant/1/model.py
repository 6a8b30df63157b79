"""Says that it is not ready while the file that RELUCTANT names is there."""

import os


class TritonPythonModel:
    def is_ready(self):
        return not os.path.exists(os.environ["RELUCTANT"])

    def execute(self, requests):
        raise NotImplementedError
