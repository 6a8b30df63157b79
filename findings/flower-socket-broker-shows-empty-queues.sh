#!/usr/bin/env bash
# flower on Celery's Redis over a Unix socket: every queue is shown as empty, as it counts in database 0.
#
# One would guess that flower reads the broker's address as Celery does: "redis+socket:///run/redis.sock?virtual_host=1" is
# kombu's own form of it for database 1. flower takes the path and leaves the rest out, so that it asks database 0, without an error:
# five jobs wait, and /api/queues/length and its page of brokers say 0. (A user name in the address is left out as well.) Whoever scales or
# alerts by flower's lengths sees an idle service. Keep Celery in database 0 on a socket, or count by LLEN.
#
# flower 2.2.0, celery 5.7.0, kombu 5.7.0, redis 8.1.0; redis-server 7.0.15, which has to be installed. Run on 2026-11-28.
set -eu
command -v redis-server > /dev/null || { echo "redis-server is not installed"; exit 2; }
folder=$(mktemp -d)
pids=""
trap 'for pid in $pids; do kill $pid 2> /dev/null || true; done; wait; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "celery[redis]==5.7.0" kombu==5.7.0 redis==8.1.0 flower==2.2.0
cd "$folder"
redis-server --port 0 --unixsocket "$folder/redis.sock" --save "" > /dev/null &
pids="$pids $!"
cat > notes.py <<PYTHON
from celery import Celery

app = Celery("notes", broker="redis+socket://$folder/redis.sock?virtual_host=1")


@app.task
def speak():
    pass
PYTHON
until [ -S redis.sock ]; do sleep 0.1; done
"$folder/venv/bin/python" -c "
import redis
from notes import speak

for _ in range(5):
    speak.delay()
print('waiting in database 1:', redis.Redis(unix_socket_path='redis.sock', db=1).llen('celery'))
"
port=$("$folder/venv/bin/python" -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
FLOWER_UNAUTHENTICATED_API=true "$folder/venv/bin/celery" -A notes flower --address=127.0.0.1 --port="$port" 2> flower.log &
pids="$pids $!"
"$folder/venv/bin/python" - "$port" <<'PYTHON'
import json
import sys
import time
import urllib.request

url = f"http://127.0.0.1:{sys.argv[1]}/api/queues/length"
for _ in range(300):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            queues = json.load(answer)["active_queues"]
        break
    except OSError:
        time.sleep(0.2)
print("flower says:", queues)
sys.exit(0 if queues == [{"name": "celery", "messages": 0}] else 1)
PYTHON
