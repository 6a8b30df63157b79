"""A log that cannot be written loses lines, which are counted, and holds up nobody."""

import io
import subprocess
import sys
import threading

from s1_tts.serving.log_writer import WAITING_LINES, LogWriter
from s1_tts.serving.server_log import ServerLog

TIMEOUT_S = 30.0
NUM_LINES = 20_000  # more than a pipe and the writer's queue hold together
TALKER = f"for number in range({NUM_LINES}): print('a line of the log, number', number)"


class FullDisk(io.StringIO):
    """Fails until there is room again."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = True

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(28, "No space left on device")
        return super().write(text)


class NobodyReads(io.StringIO):
    """Takes a line and does not come back before it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.is_let_go = threading.Event()

    def write(self, text: str) -> int:
        self.is_let_go.wait(TIMEOUT_S)
        return super().write(text)


def talk(target: io.StringIO) -> tuple[subprocess.Popen[str], ServerLog]:
    process = subprocess.Popen([sys.executable, "-c", TALKER], stdout=subprocess.PIPE, text=True)
    return process, ServerLog(process, target)


def test_a_server_goes_on_when_its_log_cannot_be_written() -> None:
    process, log = talk(FullDisk())
    assert process.wait(TIMEOUT_S) == 0
    log.join(TIMEOUT_S)
    assert log.num_lost == NUM_LINES


def test_a_server_goes_on_when_nobody_reads_its_log() -> None:
    target = NobodyReads()
    process, log = talk(target)
    assert process.wait(TIMEOUT_S) == 0
    target.is_let_go.set()
    log.join(TIMEOUT_S)
    told = [line for line in target.getvalue().splitlines() if line.startswith("a line")]
    assert len(told) + log.num_lost == NUM_LINES
    assert log.num_lost <= NUM_LINES - WAITING_LINES


def test_lines_that_were_lost_are_told_when_there_is_room_again() -> None:
    target = FullDisk()
    writer = LogWriter(target)
    for number in range(3):
        writer.write(f"{number}\n")
    while writer.num_lost < 3:
        threading.Event().wait(0.001)
    target.is_full = False
    writer.write("again\n")
    writer.close(TIMEOUT_S)
    assert target.getvalue() == "3 lines of the log could not be written\nagain\n"
