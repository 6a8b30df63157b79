#!/bin/sh
# Server-sent events: every chunk as it is made, as raw 16-bit mono PCM of 44 100 Hz on standard output.
#
#     sh client/examples/curl_stream.sh localhost:8000 "Hello there." | aplay -f S16_LE -r 44100 -c 1
#
# Each event is {"audio_base64": "...", "chunk_index": 0, "is_last": false, ...}. Ending curl stops the server's work.
set -eu
url=$1 text=$2

curl --silent --show-error --no-buffer "$url/v2/models/s1_mini_stream/generate_stream" \
  --data '{"text": "'"$text"'", "parameters": {"audio_base64": true}}' |
  sed --unbuffered --quiet 's/.*"audio_base64":"\([^"]*\)".*/\1/p' |
  while read -r chunk; do printf %s "$chunk" | base64 --decode; done
