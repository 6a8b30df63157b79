# Portkey's AI gateway, self-hosted on Node: every speech that was made is answered with 500 "Something went wrong".
#
# One would guess that /v1/audio/speech, which the gateway has a route for, passes a provider's sound on, as /v1/chat/completions passes its
# text on. It hands out the answer of fetch() itself and then adds headers to it, which the Fetch standard does not allow ("immutable",
# says its log). The provider has made the speech by then, and bills it; the caller hears none, whatever the content type. Errors of the
# provider come through whole, so that a test with a wrong voice looks well. Point speech clients past it, at the server itself.
#
# @portkey-ai/gateway 1.15.2, Node 20 (its other hosts, Cloudflare and Bun, were not tried); node and npm have to be installed.
# Run on 2026-11-28.
set -eu
command -v npm > /dev/null || { echo "npm is not installed"; exit 2; }
folder=$(mktemp -d)
pid=""
trap 'if [ -n "$pid" ]; then kill $pid 2> /dev/null || true; wait $pid 2> /dev/null || true; fi; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @portkey-ai/gateway@1.15.2 > npm.log 2>&1 || { cat npm.log; exit 2; }
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
node node_modules/@portkey-ai/gateway/build/start-server.js --port="$port" --headless > gateway.log 2>&1 &
pid=$!
cat > ask.mjs << 'END'
import { createServer } from "node:http";

const gateway = `http://127.0.0.1:${process.argv[2]}`;
let numMade = 0;
const text = JSON.stringify({ object: "chat.completion", choices: [{ index: 0, message: { role: "assistant", content: "Hello." } }] });
const provider = createServer((request, response) => {
  let body = "";
  request.on("data", (piece) => (body += piece));
  request.on("end", () => {
    if (request.url.endsWith("/chat/completions")) {
      response.writeHead(200, { "content-type": "application/json" }).end(text);
    } else if (JSON.parse(body).voice === "nobody") {
      response.writeHead(400, { "content-type": "application/json" }).end('{"error": {"message": "there is no such voice"}}');
    } else {
      numMade += 1;
      response.writeHead(200, { "content-type": "audio/mpeg" }).end(Buffer.alloc(4000));
    }
  });
});
await new Promise((done) => provider.listen(0, "127.0.0.1", done));
const headers = {
  authorization: "Bearer unused",
  "content-type": "application/json",
  "x-portkey-provider": "openai",
  "x-portkey-custom-host": `http://127.0.0.1:${provider.address().port}/v1`,
};
const ask = async (path, body) => fetch(gateway + path, { method: "POST", headers, body: JSON.stringify(body) });

for (let tries = 0; tries < 300; tries += 1) {
  try {
    await fetch(gateway);
    break;
  } catch {
    await new Promise((wake) => setTimeout(wake, 100));
  }
}
const chat = await ask("/v1/chat/completions", { model: "gpt-4o", messages: [{ role: "user", content: "Hello?" }] });
const speech = await ask("/v1/audio/speech", { model: "tts-1", voice: "alloy", input: "Hello." });
const refused = await ask("/v1/audio/speech", { model: "tts-1", voice: "nobody", input: "Hello." });
console.log(`a text: ${chat.status}; an unknown voice: ${refused.status} ${(await refused.text()).slice(0, 60)}`);
console.log(`speech that was made: ${numMade}; its answer: ${speech.status} ${(await speech.text()).slice(0, 60)}`);
const isSo = chat.status === 200 && refused.status === 400 && numMade === 1 && speech.status === 500;
process.exit(isSo ? 0 : 1);
END
node ask.mjs "$port"
