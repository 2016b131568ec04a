// usage: node ws_echo.js NAME     an echo server on a free port of 127.0.0.1; says "listening PORT"
"use strict";
const { WebSocketServer } = require("ws");

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  maxPayload: 64 << 20,
  perMessageDeflate: { threshold: 0 },
});
server.on("headers", (headers) => headers.push(`X-Backend: ${process.argv[2]}`));
server.on("connection", (ws) => {
  ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary, compress: true }));
  ws.on("error", (error) => console.error(`ws_echo: ${error.message}`));
});
server.on("listening", () => console.log(`listening ${server.address().port}`));
