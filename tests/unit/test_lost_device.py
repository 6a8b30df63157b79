"""A model's process whose device is lost says what it has to say, and ends."""

import subprocess
import sys

import pytest

from s1_tts.cuda import EXIT_DEVICE_LOST

CODE = """
import logging, threading
from s1_tts.triton.lost_device import end_process

class Sender:
    def close(self):
        print("all is sent", flush=True)
        {fault}

threading.Thread(target=threading.Event().wait).start()  # as Triton's own threads, it goes on for ever
end_process(Sender(), logging.getLogger())
"""


@pytest.mark.parametrize("fault", ["pass", "raise OSError"])
def test_the_process_ends_with_its_own_code_once_all_is_sent(fault: str) -> None:
    command = [sys.executable, "-c", CODE.format(fault=fault)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == EXIT_DEVICE_LOST
    assert ended.stdout == "all is sent\n"
