#!/bin/sh
# Plain HTTP, in one answer, with nothing but curl, sed and base64:
#
#     sh client/examples/curl.sh localhost:8000 "Hello there." hello.wav
#
# The text goes into JSON as it is: a quotation mark or a backslash in it needs a backslash before it.
set -eu
url=$1 text=$2 file=$3

request='{
  "inputs": [{"name": "text", "datatype": "BYTES", "shape": [1, 1], "data": ["'$text'"]}],
  "parameters": {"audio_base64": true},
  "outputs": [{"name": "audio_base64"}]
}'
curl --silent --show-error --fail-with-body "$url/v2/models/s1_mini/infer" --data "$request" |
  sed 's/.*"data":\["\([^"]*\)"\].*/\1/' | base64 --decode > "$file"
