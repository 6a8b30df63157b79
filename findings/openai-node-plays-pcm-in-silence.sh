# OpenAI's SDK for Node: playAudio() of speech as pcm plays nothing, and says that it has played it.
#
# One would guess that playAudio(response) plays what create({ response_format: "pcm" }) answers, as LocalAudioPlayer of the Python SDK
# does (which takes pcm alone), or that it throws: "If ffplay exits unsuccessfully", says its documentation. It pipes the bytes into
# ffplay, which cannot know what samples without a header are, and ffplay ends with 0 when it cannot read what it is given, as
# if it had come to the end. The promise is fulfilled after a tenth of a second, whatever the bytes are. Ask for wav or mp3, or compare the
# time with the sound's length.
#
# openai (npm) 7.59.0, ffplay 5.1.9 (Debian 12), Node 20; node, npm and ffmpeg have to be installed. Run on 2026-11-28.
set -eu
for program in npm ffplay; do
  command -v "$program" > /dev/null || { echo "$program is not installed"; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund openai@7.59.0 > npm.log 2>&1 || { cat npm.log; exit 2; }
cat > play.mjs << 'END'
import { Readable } from "node:stream";
import { playAudio } from "openai/helpers/audio";

const RATE_HZ = 24000;
const SECONDS = 2;
const pcm = Buffer.alloc(2 * RATE_HZ * SECONDS);
for (let index = 0; index < pcm.length / 2; index += 1) {
  pcm.writeInt16LE(Math.round(8000 * Math.sin((2 * Math.PI * 440 * index) / RATE_HZ)), 2 * index);
}
const header = Buffer.alloc(44);
header.write("RIFF", 0);
header.writeUInt32LE(36 + pcm.length, 4);
header.write("WAVEfmt ", 8);
header.writeUInt32LE(16, 16);
header.writeUInt16LE(1, 20);
header.writeUInt16LE(1, 22);
header.writeUInt32LE(RATE_HZ, 24);
header.writeUInt32LE(2 * RATE_HZ, 28);
header.writeUInt16LE(2, 32);
header.writeUInt16LE(16, 34);
header.write("data", 36);
header.writeUInt32LE(pcm.length, 40);

async function secondsOf(sound) {
  const begun_ms = Date.now();
  await playAudio(Readable.from([sound]));
  return (Date.now() - begun_ms) / 1000;
}

const wav_s = await secondsOf(Buffer.concat([header, pcm]));
const pcm_s = await secondsOf(pcm);
console.log(`${SECONDS} s of sound are "played" in ${wav_s} s as wav, in ${pcm_s} s as pcm`);
process.exit(wav_s > SECONDS && pcm_s < SECONDS ? 0 : 1);
END
SDL_AUDIODRIVER=dummy node play.mjs
