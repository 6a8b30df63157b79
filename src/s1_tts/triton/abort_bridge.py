"""The way of an abort to the models that work for a caller: stop what has no listener.

A caller that leaves an ensemble is seen by the codec only, and a caller of the collector by the collector only;
Triton does not tell the step that is running. Both send the language model a request of its own; the collector sends
one to the voices, too, where its caller may still wait.
"""

import logging
import threading
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue

import triton_python_backend_utils as pb_utils

from s1_protocol.names import Field, ModelName
from s1_tts.triton.spent_answers import SpentAnswers
from s1_tts.triton.triton_requests import to_triton
from s1_tts.wire.abort_order import AbortOrder, merge
from s1_tts.wire.seal import Seal

log = logging.getLogger(__name__)

GATHER_S = 0.005
"""Time in which further aborts join the first: many callers often leave at once."""


ANSWERS = {ModelName.LLAMA: Field.STREAM_ID, ModelName.VOICE: Field.VOICES}
"""Outputs that are asked for, since one has to be; an abort is answered without any."""


class AbortBridge:
    """Sends aborts from a thread of its own, many streams in one request.

    One after the other they would hold up their sender: each takes up to the language model's queue delay.

    Args:
        seal: Put on the orders.
        models: Who gets them, one after the other.
    """

    def __init__(self, seal: Seal, models: Sequence[ModelName] = (ModelName.LLAMA,)) -> None:
        self._seal = seal
        self._models = models
        self._orders: SimpleQueue[AbortOrder | None] = SimpleQueue()
        self._spent = SpentAnswers()
        self._thread = threading.Thread(target=self._run, name="s1-abort-bridge", daemon=True)
        self._thread.start()

    def abort(self, order: AbortOrder) -> None:
        """Queue an abort; never waits. Streams that have ended already are passed over at the other end."""
        self._orders.put(order)

    def close(self) -> None:
        """Send what is queued and stop."""
        self._orders.put(None)
        self._thread.join()

    def _run(self) -> None:
        is_open = True
        while is_open:
            orders = [self._orders.get()]
            deadline_s = time.monotonic() + GATHER_S
            while orders[-1] is not None:
                try:
                    orders.append(self._orders.get(timeout=max(0.0, deadline_s - time.monotonic())))
                except Empty:
                    break
            is_open = orders[-1] is not None
            try:
                for order in merge([order for order in orders if order is not None]):
                    for model in self._models:
                        self._deliver(order, model)
            except Exception:
                log.exception("aborts could not be sent")

    def _deliver(self, order: AbortOrder, model: ModelName) -> None:
        request = pb_utils.InferenceRequest(
            model_name=model,
            requested_output_names=[ANSWERS[model]],
            inputs=to_triton(self._seal.put_on(order.write())),
        )
        try:
            for response in self._spent.read(request):
                if response.has_error():
                    log.warning("an abort was not taken: %s", response.error().message())
        except Exception:
            # While the server shuts down the model may be gone, and its streams with it.
            log.warning("an abort could not be sent", exc_info=True)
