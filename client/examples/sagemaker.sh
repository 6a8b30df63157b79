#!/bin/sh
# What SageMaker sends to the container, in one answer; locally with `make serve SERVE_FLAGS="--sagemaker-port 8080"`:
#
#     sh client/examples/sagemaker.sh localhost:8080 "Hello there." hello.wav
#
# At an endpoint the same body goes through `aws sagemaker-runtime invoke-endpoint`, see docs/client.md.
set -eu
url=$1 text=$2 file=$3

request='{
  "inputs": [{"name": "text", "datatype": "BYTES", "shape": [1, 1], "data": ["'$text'"]}],
  "parameters": {"audio_base64": true},
  "outputs": [{"name": "audio_base64"}]
}'
curl --silent --show-error --fail-with-body "$url/invocations" --header "Content-Type: application/json" \
  --data "$request" | sed 's/.*"data":\["\([^"]*\)"\].*/\1/' | base64 --decode > "$file"
