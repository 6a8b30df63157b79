#!/usr/bin/env bash
# LiveKit's OpenAI plugin for Node: a text that the server refuses ends the process, whatever one catches.
#
# One would guess that `for await (const audio of tts.synthesize(text))` throws when the server answers 400 (no such voice,
# nothing to say), so that try and catch hold it. The loop ends as if the speech were empty, without an exception. The error goes
# to the TTS object's event `error`: without a listener Node ends the process. With a listener it ends all the same, as
# the promise that failed is nobody's. Only a listener and a handler of unhandledRejection together keep an agent, and the other
# calls in its process, alive; and the caller of synthesize() still has to count frames to see that nothing came.
#
# @livekit/agents and @livekit/agents-plugin-openai 1.9.0, Node 20; node and npm have to be installed. Run on 2026-11-28.
set -eu
command -v npm > /dev/null || { echo "npm is not installed"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --legacy-peer-deps --no-audit --no-fund @livekit/agents@1.9.0 @livekit/agents-plugin-openai@1.9.0 \
  @livekit/rtc-node openai@6.49.0 zod@4 > /dev/null
cat > see.mjs <<'PROGRAM'
import http from 'node:http';
import * as agents from '@livekit/agents';
import { TTS } from '@livekit/agents-plugin-openai';

agents.initializeLogger({ pretty: false, level: 'silent' });
const handlers = process.argv[2];
const server = http.createServer((request, answer) => {
  request.resume().on('end', () => {
    answer.writeHead(400, { 'content-type': 'application/json' });
    answer.end(JSON.stringify({ error: { message: 'there is no such voice' } }));
  });
});
server.listen(0, '127.0.0.1', async () => {
  const tts = new TTS({ apiKey: 'unused', baseURL: `http://127.0.0.1:${server.address().port}/v1` });
  if (handlers !== 'none') tts.on('error', (event) => console.log(`  event: ${event.error.message}`));
  if (handlers === 'both') process.on('unhandledRejection', (error) => console.log(`  rejection: ${error.message}`));
  let frames = 0;
  try {
    for await (const _ of tts.synthesize('Hello.')) frames += 1;
    console.log(`  the loop ended without an exception, after ${frames} frames`);
  } catch (error) {
    console.log(`  the loop threw: ${error.message}`);
  }
  await new Promise((done) => setTimeout(done, 300));
  console.log('  the process lives');
  process.exit(0);
});
PROGRAM
seen=""
for handlers in none listener both; do
  echo "handlers: $handlers"
  code=0
  node see.mjs "$handlers" > told 2> ended || code=$?
  cat told
  [ "$code" = 0 ] || echo "  the process ended with $code: $(grep -m 1 "Error" ended)"
  grep -q "without an exception, after 0 frames" told && seen="$seen empty:$code"
done
[ "$seen" = " empty:1 empty:1 empty:0" ] || { echo "the behaviour has changed:$seen"; exit 1; }
