# Cartesia's JavaScript SDK: an error that one has caught ends the process all the same.
#
# One would guess that try and catch around `for await (const event of ws.generate(...))` hold what a server says of one text, such as
# "no such voice": the loop does throw it, inside the try. The SDK also gives the same event to the socket's listeners of "error", and where
# there is none it makes a rejected promise that nobody can catch, so that Node ends the process: one caller's wrong voice is the end of
# all others' speech in it. ws.on("error", () => {}) beside the try keeps the process alive, and the loop still throws.
#
# @cartesia/cartesia-js 4.2.0, ws 8.23.0, Node 20; node, npm and openssl have to be installed. Run on 2026-11-28.
set -eu
for program in npm openssl; do
  command -v "$program" > /dev/null || { echo "$program is not installed"; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund @cartesia/cartesia-js@4.2.0 ws@8.23.0 > npm.log 2>&1 || { cat npm.log; exit 2; }
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=localhost \
  -addext "subjectAltName=DNS:localhost" 2> /dev/null # its sockets always want TLS
cat > speak.cjs << 'END'
const { createServer } = require("node:https");
const { readFileSync } = require("node:fs");
const { WebSocketServer } = require("ws");
const { default: Cartesia } = require("@cartesia/cartesia-js");

const listens = process.argv[2] === "listens";
const server = createServer({ key: readFileSync("key.pem"), cert: readFileSync("cert.pem") });
new WebSocketServer({ server }).on("connection", (socket) => {
  socket.on("message", (data) => {
    const { context_id } = JSON.parse(data);
    socket.send(JSON.stringify({ type: "error", context_id, done: true, status_code: 400, message: "no such voice" }));
  });
});
const voice = { mode: "id", id: "nobody" };
const output_format = { container: "raw", encoding: "pcm_s16le", sample_rate: 24000 };
const order = { model_id: "sonic-3", transcript: "Hello.", voice, output_format, context_id: "a" };

server.listen(0, "localhost", async () => {
  const cartesia = new Cartesia({ apiKey: "unused", baseURL: `https://localhost:${server.address().port}` });
  const ws = await cartesia.tts.websocket();
  if (listens) {
    ws.on("error", () => {});
  }
  try {
    for await (const event of ws.generate(order)) {
      if (event.type === "done") {
        break;
      }
    }
  } catch {
    console.log("caught");
  }
  setTimeout(() => {
    console.log("alive a second later");
    process.exit(0);
  }, 1000);
});
END
export NODE_EXTRA_CA_CERTS="$folder/cert.pem"
alone=0
node speak.cjs alone > alone.log 2> alone.err || alone=$?
listening=0
node speak.cjs listens > listens.log 2> listens.err || listening=$?
echo "with try and catch alone: $(tr '\n' ';' < alone.log) exit code $alone"
echo "with a listener besides: $(tr '\n' ';' < listens.log) exit code $listening"
grep -q caught alone.log && [ $alone = 1 ] && ! grep -q alive alone.log
grep -q caught listens.log && [ $listening = 0 ] && grep -q alive listens.log
