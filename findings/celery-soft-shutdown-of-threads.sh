#!/usr/bin/env bash
# Celery's soft shutdown does not end a worker whose pool is threads.
#
# One would guess: with `worker_soft_shutdown_timeout = 2` and `REMAP_SIGTERM=SIGQUIT` in the environment, SIGTERM waits 2 s
# for running tasks, gives the rest back to the broker and ends the worker. With either pool the worker itself says
# "Initiating Soft Shutdown, terminating in 2.0 seconds".
#
# What happens (celery 5.7.0, Python 3.11, 2026-11-28): with `--pool prefork` it does so. With `--pool threads` the handler
# ends in NotImplementedError ("does not implement kill_job") after the 2 s; the process then waits for the task, however
# long that takes. Whoever runs it is killed by SIGKILL at the end of the grace period, without giving anything back.
#
# It exits with 0 while both still hold, and with 1 when the behaviour has changed.
set -eu

PYTHON=${PYTHON:-python3}
TASK_S=12
folder=$(mktemp -d)
worker=""
trap '[ -z "$worker" ] || kill -9 "$worker" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
"$PYTHON" -m venv env
env/bin/pip install --quiet celery==5.7.0 kombu==5.7.0
mkdir messages control

cat > tasks.py <<'PROGRAM'
import time

from celery import Celery

app = Celery("tasks", broker="filesystem://")
app.conf.update(
    broker_transport_options={"data_folder_in": "messages", "data_folder_out": "messages", "control_folder": "control"},
    task_acks_late=True,
    task_ignore_result=True,
    worker_soft_shutdown_timeout=2.0,
)


@app.task
def slow(seconds):
    open("begun", "w").close()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.1)
    open("finished", "w").close()
PROGRAM

ends_of() { # POOL: prints how a worker ends that gets SIGTERM during a task
    rm -f begun finished messages/*
    REMAP_SIGTERM=SIGQUIT env/bin/celery -A tasks worker --pool "$1" --concurrency 2 --without-mingle --without-gossip \
        --loglevel WARNING > "log-$1" 2>&1 &
    worker=$!
    env/bin/python -c "import tasks; tasks.slow.delay($TASK_S)"
    while [ ! -e begun ]; do sleep 0.1; done
    kill -TERM "$worker"
    wait "$worker" || true
    worker=""
    if [ -e finished ]; then echo "waited for the task"; else echo "ended before the task"; fi
}

prefork=$(ends_of prefork)
threads=$(ends_of threads)
fault=$(grep -o "NotImplementedError.*" log-threads | tail -1 || true)
echo "soft shutdown of 2 s, a task of $TASK_S s:"
echo "  prefork: the worker $prefork"
echo "  threads: the worker $threads; ${fault:-no error}"
if [ "$prefork" = "ended before the task" ] && [ "$threads" = "waited for the task" ] && [ -n "$fault" ]; then
    exit 0
fi
echo "the behaviour has changed"
exit 1
