#!/usr/bin/env bash
# node-wav: the same WAV file is decoded or not, depending on where Node has put its bytes.
#
# One would guess that decode(buffer) reads the buffer. It starts at the buffer's offset in the memory behind it, and stops at
# the buffer's length, counted from the start of that memory: a file whose offset is larger than its length has no chunk to read,
# and decode() gives undefined, without an exception. Node puts buffers under 4 KiB one behind the other into one piece of memory:
# of equal short WAVs from base64, as speech comes in JSON, the first is decoded and the next are not. So is the second file
# cut out of a larger buffer by subarray(). A copy of its own (new Uint8Array(buffer)) is always decoded.
#
# node-wav 0.0.2, Node 20; node and npm have to be installed. Run on 2026-11-28.
set -eu
command -v npm > /dev/null || { echo "npm is not installed"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund node-wav@0.0.2 > /dev/null
cat > see.cjs <<'PROGRAM'
const { decode, encode } = require('node-wav');

const samplesOf = (buffer) => decode(buffer)?.channelData[0].length;
const file = (samples) => encode([new Float32Array(samples).fill(0.25)], { sampleRate: 8000, float: false, bitDepth: 16 });

const text = file(800).toString('base64');
const short = Array.from({ length: 3 }, () => Buffer.from(text, 'base64'));
const long = file(8000);
const joined = Buffer.concat([long, long]);
const halves = [joined.subarray(0, long.length), joined.subarray(long.length)];

for (const buffer of short) console.log(`0.1 s from base64, at offset ${buffer.byteOffset}: ${samplesOf(buffer)} samples`);
for (const buffer of halves) console.log(`1 s out of a larger buffer, at ${buffer.byteOffset}: ${samplesOf(buffer)} samples`);
const copied = [short[2], halves[1]].map((buffer) => samplesOf(new Uint8Array(buffer)));
console.log(`copies of the last of each: ${copied.join(' and ')} samples`);
const holds =
  samplesOf(short[2]) === undefined &&
  samplesOf(halves[0]) === 8000 &&
  samplesOf(halves[1]) === undefined &&
  copied.join() === '800,8000';
if (!holds) console.log('the behaviour has changed');
process.exit(holds ? 0 : 1);
PROGRAM
node see.cjs
