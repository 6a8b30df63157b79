#!/usr/bin/env bash
# Cartesia's JavaScript SDK: imported as a module, it never finds the package ws, which it asks for.
#
# One would guess that `import Cartesia from "@cartesia/cartesia-js"` and an installed ws open a WebSocket on Node, since that
# is what the error "The ws peer dependency is required" asks for. The package's ES modules load it by require(), which modules do not
# have; the exception is swallowed, and ws counts as missing, installed or not. On Node 20 there is then no streaming speech at
# all. Newer Nodes have a WebSocket of their own, which takes its place and cannot send headers: the API key goes into the address
# (read, not run). Loaded by require() the same package finds ws.
#
# @cartesia/cartesia-js 4.2.0, ws 8.23.0, Node 20; node and npm have to be installed. Run on 2026-11-28.
set -eu
command -v npm > /dev/null || { echo "npm is not installed"; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund @cartesia/cartesia-js@4.2.0 ws@8.23.0 > /dev/null
cat > see.cjs <<'PROGRAM'
// Node 20 as it is; on a newer one its own WebSocket is taken away first, so that the same is seen
delete globalThis.WebSocket;
const http = require('node:http');
const { WebSocketServer } = require('ws');

const server = http.createServer();
const address = () => `http://127.0.0.1:${server.address().port}`;
new WebSocketServer({ server });

async function opened(Cartesia) {
  const client = new Cartesia({ apiKey: 'unused', baseURL: address() });
  try {
    const socket = await client.tts.websocket();
    return socket ? 'it was tried' : 'nothing';
  } catch (error) {
    // the SDK speaks TLS only: that it came to a handshake is enough here
    return /peer dependency/.test(error.message) ? 'ws is missing' : 'it was tried';
  }
}
server.listen(0, '127.0.0.1', async () => {
  process.on('uncaughtException', () => {});
  process.on('unhandledRejection', () => {});
  const required = await opened(require('@cartesia/cartesia-js').default);
  const imported = await opened((await import('@cartesia/cartesia-js')).default);
  console.log(`ws ${require('ws/package.json').version} is installed`);
  console.log(`require(): ${required}`);
  console.log(`import: ${imported}`);
  const holds = required === 'it was tried' && imported === 'ws is missing';
  if (!holds) console.log('the behaviour has changed');
  process.exit(holds ? 0 : 1);
});
PROGRAM
node see.cjs
