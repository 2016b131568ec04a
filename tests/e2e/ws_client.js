// usage: node ws_client.js URL MODE
//   echo   sends messages of all kinds and sizes, compares what comes back, closes; reports what it did
//   wait   says "open", sends nothing and reports how it was closed
// The report is one line of JSON. Exit status 1 when something came back changed or didn't.
"use strict";
const { WebSocket } = require("ws");
const assert = require("assert");

const [, , url, mode] = process.argv;
const SIZES = [0, 1, 125, 126, 127, 1000, 65535, 65536, 65537, 1 << 20];

function bytes(n) {
  const data = Buffer.alloc(n);
  for (let i = 0; i < n; i++) data[i] = (i * 31 + (i >> 8) * 7 + n) & 255;
  return data;
}

const ws = new WebSocket(url, { maxPayload: 64 << 20, perMessageDeflate: { threshold: 0 } });
const waiting = [];
const report = { extensions: "", backend: "", messages: 0, pongs: 0, code: 0, reason: "" };

ws.on("upgrade", (answer) => (report.backend = answer.headers["x-backend"]));
ws.on("error", (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
ws.on("message", (data, isBinary) => waiting.shift()({ data, isBinary }));
ws.on("pong", () => report.pongs++);
ws.on("close", (code, reason) => {
  report.code = code;
  report.reason = reason.toString();
  console.log(JSON.stringify(report));
});

async function echo(data, isBinary, send) {
  const answer = new Promise((resolve) => waiting.push(resolve));
  send();
  const got = await answer;
  assert.strictEqual(got.isBinary, isBinary);
  assert.ok(got.data.equals(data), `a message of ${data.length} bytes came back changed`);
  report.messages++;
}

async function all() {
  for (const n of SIZES) {
    const data = bytes(n);
    await echo(data, true, () => ws.send(data));
    const text = "é€😀 ".repeat(Math.ceil(n / 10)).slice(0, n);
    await echo(Buffer.from(text), false, () => ws.send(text));
  }
  const large = bytes(16 << 20);
  await echo(large, true, () => ws.send(large, { compress: false }));
  for (const compress of [true, false]) {
    const data = bytes(30000); // in three frames, with pings between
    await echo(data, true, () => {
      ws.send(data.subarray(0, 10000), { fin: false, compress });
      ws.ping("one");
      ws.send(data.subarray(10000, 20000), { fin: false, compress });
      ws.ping("two");
      ws.send(data.subarray(20000), { fin: true, compress });
    });
  }
}

ws.on("open", async () => {
  report.extensions = ws.extensions;
  if (mode === "wait") {
    console.log("open");
    return;
  }
  try {
    await all();
    ws.close(1000, "done");
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
});
