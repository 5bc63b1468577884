// SPDX-License-Identifier: MIT
// Stands before the mock or ingest: passes each request on as it came, and writes it down with its answer, a JSON line
// each; bodies are raw, so they are in base64. Ends when its standard input does.
'use strict';

const fs = require('node:fs');
const http = require('node:http');

const [port, target, file] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]];

function collect(stream) {
  return new Promise((resolve, reject) => {
    const pieces = [];
    stream.on('data', (piece) => pieces.push(piece));
    stream.on('end', () => resolve(Buffer.concat(pieces)));
    stream.on('error', reject);
  });
}

function pass(request, body) {
  return new Promise((resolve, reject) => {
    const { method, url, headers } = request;
    const onward = http.request({ host: '127.0.0.1', port: target, method, path: url, headers, agent: false }, resolve);
    onward.on('error', reject);
    onward.end(body);
  });
}

async function serve(request, response) {
  const body = await collect(request);
  const answer = await pass(request, body);
  const answered = await collect(answer);
  const { method, url, headers } = request;
  const line = {
    method,
    url,
    headers,
    body: body.toString('base64'),
    answer: { status: answer.statusCode, headers: answer.headers, body: answered.toString('base64') },
  };
  fs.appendFileSync(file, `${JSON.stringify(line)}\n`);
  response.writeHead(answer.statusCode, answer.headers);
  response.end(answered);
}

http
  .createServer((request, response) => {
    serve(request, response).catch(() => response.destroy());
  })
  .listen(port, '127.0.0.1');
process.stdin.on('end', () => process.exit());
process.stdin.resume();
