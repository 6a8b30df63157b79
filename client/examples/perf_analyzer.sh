#!/bin/sh
# Triton's own load generator with two callers: the stream over gRPC, then one answer over gRPC and over HTTP.
#
#     sh client/examples/perf_analyzer.sh localhost:8001 localhost:8000 out
#
# scripts/install_perf_analyzer.sh installs it. It prints no time to the first chunk of a stream, but stream.json, which
# it writes into the folder, holds the time of every chunk; perf_analyzer_times.py prints those of the first and the last.
# perf_analyzer reads Triton's statistics, which s1-tts-serve closes to strangers: start the server with a secret of yours in
# S1TTS_SIDE_DOOR_KEY, and give it here too.
set -eu
grpc_door="-H triton-grpc-protocol-s1-side-door:${S1TTS_SIDE_DOOR_KEY:-none}"
http_door="-H s1-side-door:${S1TTS_SIDE_DOOR_KEY:-none}"
grpc_url=$1 http_url=$2 folder=$3
analyze="${PERF_ANALYZER:-.perf_analyzer/perf_analyzer} --input-data $folder/inputs.json --shape text:1 --shape max_frames:1
  --concurrency-range 2 --request-count 4"

mkdir -p "$folder"
echo '{"data": [{"text": ["Hello there."], "max_frames": [40]}, {"text": ["How are you?"], "max_frames": [40]}]}' \
  >"$folder/inputs.json"

$analyze -m s1_mini_stream -i grpc $grpc_door -u "$grpc_url" --streaming --profile-export-file "$folder/stream.json"
$analyze -m s1_mini -i grpc $grpc_door -u "$grpc_url"
$analyze -m s1_mini -i http $http_door -u "$http_url"
