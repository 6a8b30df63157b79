#!/usr/bin/env bash
# Vercel's AI SDK: speech that was asked for as pcm or aac is returned as "audio/mp3".
#
# One would guess that generateSpeech({ outputFormat: "pcm" }) says of its audio what was asked for, or what the server's
# Content-Type says. It looks at the first bytes for the signs of a few formats, and calls everything that it does not know
# mp3: bare samples, which have no sign, and AAC. audio.mediaType is "audio/mp3" and audio.format "mp3", so a file is named
# .mp3, a data URL does not play, and a server behind it that believes the type decodes noise or nothing. mp3, wav, opus and
# flac are told rightly. Take the format from your own request instead.
#
# ai 6.0.326, @ai-sdk/openai 3.0.141, Node 20; node and npm have to be installed. Run on 2026-11-28.
set -eu
command -v npm > /dev/null || { echo "npm is not installed"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund ai@6.0.326 @ai-sdk/openai@3.0.141 zod@4 > /dev/null
cat > see.mjs <<'PROGRAM'
import http from 'node:http';
import { createOpenAI } from '@ai-sdk/openai';
import { experimental_generateSpeech as generateSpeech } from 'ai';

// the first bytes of each format, and the type that a server tells
const FORMATS = {
  pcm: ['audio/pcm', Buffer.from([0x00, 0x00, 0xf5, 0x01, 0xe8, 0x03, 0xd8, 0x05])],
  aac: ['audio/aac', Buffer.from([0xff, 0xf1, 0x50, 0x40, 0x2a, 0xfc, 0xde, 0x02])],
  wav: ['audio/wav', Buffer.concat([Buffer.from('RIFF'), Buffer.alloc(4, 0xff), Buffer.from('WAVEfmt ')])],
  opus: ['audio/ogg', Buffer.from('OggS\0\x02\0\0')],
  flac: ['audio/flac', Buffer.from('fLaC\0\0\0\x22')],
  mp3: ['audio/mpeg', Buffer.from([0xff, 0xfb, 0x90, 0xc4, 0x00, 0x00, 0x00, 0x00])],
};
const server = http.createServer((request, answer) => {
  let body = '';
  request.on('data', (piece) => (body += piece)).on('end', () => {
    const [type, bytes] = FORMATS[JSON.parse(body).response_format];
    answer.writeHead(200, { 'content-type': type });
    answer.end(Buffer.concat([bytes, Buffer.alloc(1000)]));
  });
});
server.listen(0, '127.0.0.1', async () => {
  const openai = createOpenAI({ apiKey: 'unused', baseURL: `http://127.0.0.1:${server.address().port}/v1` });
  const told = {};
  for (const [format, [type]] of Object.entries(FORMATS)) {
    const { audio } = await generateSpeech({ model: openai.speech('tts-1'), text: 'Hello.', outputFormat: format });
    told[format] = audio.mediaType;
    console.log(`${format}, sent as ${type}: mediaType ${audio.mediaType}, format ${audio.format}`);
  }
  const holds = told.pcm === 'audio/mp3' && told.aac === 'audio/mp3' && told.wav === 'audio/wav' && told.flac === 'audio/flac';
  if (!holds) console.log('the behaviour has changed');
  process.exit(holds ? 0 : 1);
});
PROGRAM
node see.mjs
