"""The chart's engine runs with a root file system that cannot be written, and with the volumes of its pod alone."""

import os
import shlex
import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes import ROOT, environment, main_container, pod, size_bytes, workloads

PROGRAMS = Path(sysconfig.get_path("scripts"))
HERE = shlex.quote(str(ROOT))
PLACES = {"/models": "/mnt/models", "/voices": "/mnt/voices"}
"""Where the image has folders of its own and this machine has none."""

CAN_MOUNT = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0
pytestmark = pytest.mark.skipif(not CAN_MOUNT, reason="needs root and the right to mount, in a namespace of its own")


def mounts() -> Iterator[str]:
    """Commands that make the pod's volumes, and then leave nothing else to write to."""
    volumes = {volume["name"]: volume for volume in pod(workloads("laptop")["s1-calls"])["volumes"]}
    yield "mount --make-rprivate /"
    yield "mount -t tmpfs tmpfs /mnt && mkdir /mnt/models /mnt/voices /mnt/project"
    yield f"mount --bind {HERE} /mnt/project && mount -o remount,bind,ro /mnt/project"
    yield "mount -t tmpfs tmpfs /home && mkdir /home/triton-server"
    for mount in main_container("laptop", "s1-calls")["volumeMounts"]:
        place, volume = PLACES.get(mount["mountPath"], mount["mountPath"]), volumes[mount["name"]]
        if "emptyDir" in volume:
            yield f"mount -t tmpfs -o size={size_bytes(volume['emptyDir']['sizeLimit']):.0f} tmpfs {place}"
            if ROOT.is_relative_to(place):  # a checkout in /tmp is there all the same
                yield f"mkdir -p {HERE} && mount --bind /mnt/project {HERE} && mount -o remount,bind,ro {HERE}"
        else:
            assert mount["readOnly"]
            yield f"mount --bind {shlex.quote(str(ROOT / 'checkpoints'))} {place} && mount -o remount,bind,ro {place}"
    for place in ("/mnt", "/home", "/"):
        yield f"mount -o remount,bind,ro {place}"


def test_it_speaks_and_stops(tmp_path):
    told = {**environment(main_container("laptop", "s1-calls")), "HOME": "/home/triton-server", "TMPDIR": "/tmp"}
    told = {
        name: value.replace("/models/", "/mnt/models/").replace("/voices", PLACES["/voices"])
        for name, value in told.items()
    }
    ports = [f"--{name}-port=0" for name in ("http", "grpc", "metrics")]
    serve = shlex.join([str(PROGRAMS / "s1-tts-serve"), *ports])
    script = "\n".join(
        ["set -eu", *mounts(), "! touch /written /mnt/models/written 2> /dev/null", "cd /", f"exec {serve}"]
    )
    keeps = {name: value for name, value in os.environ.items() if not name.startswith(("S1_", "XDG_", "TRITON_"))}
    command = ["unshare", "-m", "bash", "-c", script]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, env=keeps | told, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            lines = iter(process.stdout.readline, "")
            ready = next((line for line in lines if line.startswith("ready on")), None)
            assert ready is not None, (tmp_path / "log").read_text()[-2000:]
            port = ready.partition("grpc ")[2].partition(",")[0]
            probe = [PROGRAMS / "s1-tts", "doctor", "--probe", "--url", f"127.0.0.1:{port}"]
            assert subprocess.run(probe, capture_output=True, check=False).returncode == 0
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()
