"""The end of a model's process whose device is lost."""

import logging
import os
from typing import TYPE_CHECKING, NoReturn

from s1_tts.cuda import EXIT_DEVICE_LOST

if TYPE_CHECKING:
    from s1_tts.triton.sender import Sender


def end_process(sender: "Sender", log: logging.Logger) -> NoReturn:
    """End this process, once all that is said has been sent: only a new process can use the device again.

    Triton does not start it anew; the process that started the server sees that a model's process is gone.

    Args:
        sender: Of the model.
        log: Its log.
    """
    try:
        sender.close()
    finally:  # whatever became of what was said: a process that stays helps nobody
        log.critical("the device is lost: this process ends with code %d", EXIT_DEVICE_LOST)
        os._exit(EXIT_DEVICE_LOST)
