#!/usr/bin/env bash
# LiveKit's OpenAI plugin for Node throws away the end of every reply, up to 99 ms; a reply shorter than 100 ms is silent.
#
# One would guess that the sound that a speech server sends is the sound that tts.synthesize() gives, as the same plugin
# for Python does. The plugin for Node cuts the body into frames of 100 ms and never asks for what is left, which its own
# helper has a method for (flush); LiveKit's Cartesia plugin calls it. "Yes." loses its last consonant, and whoever adds up
# frames for captions or a bill is short. (It also waits for the whole body, so that a streaming server gains nothing.) A server
# cannot help, but for silence behind the speech; a client can take the plugin of another protocol.
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

agents.initializeLogger({ pretty: false, level: 'error' });
const sent = [24_000, 25_000, 12_345, 2_399]; // samples of pcm at 24 kHz
let samples;
const server = http.createServer((request, answer) => {
  request.resume().on('end', () => {
    answer.writeHead(200, { 'content-type': 'audio/pcm' });
    answer.end(Buffer.alloc(2 * samples));
  });
});
server.listen(0, '127.0.0.1', async () => {
  const tts = new TTS({ apiKey: 'unused', baseURL: `http://127.0.0.1:${server.address().port}/v1` });
  const lost = [];
  for (samples of sent) {
    let heard = 0;
    for await (const audio of tts.synthesize('Hello.')) heard += audio.frame.samplesPerChannel;
    lost.push(samples - heard);
    console.log(`${samples} samples sent, ${heard} heard: ${(samples - heard) / 24} ms are missing`);
  }
  if (lost.join() !== '0,1000,345,2399') console.log('the behaviour has changed');
  process.exit(lost.join() === '0,1000,345,2399' ? 0 : 1);
});
PROGRAM
node see.mjs
