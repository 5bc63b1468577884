// SPDX-License-Identifier: MIT
// What the recorders have written down.
'use strict';

const fs = require('node:fs');
const querystring = require('node:querystring');

const { CALLS, POSTS, WEBHOOK_PUBLIC_URL } = process.env;

function read(line) {
  const post = JSON.parse(line);
  const body = Buffer.from(post.body, 'base64');
  const { pathname, searchParams } = new URL(post.url, WEBHOOK_PUBLIC_URL);
  const type = (post.headers['content-type'] ?? '').split(';')[0].trim();
  return {
    ...post,
    called: WEBHOOK_PUBLIC_URL + post.url,
    path: pathname,
    query: searchParams,
    type,
    body,
    form: type === 'application/x-www-form-urlencoded' ? { ...querystring.parse(body.toString()) } : {},
    json: type === 'application/json' ? JSON.parse(body) : undefined,
  };
}

// All that came to that path, the first one first; a last line that is being written is left out.
function all(file, path) {
  const lines = fs.readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map(read).filter((post) => post.path === path);
}

const posts = (path) => all(POSTS, path); // of the mock, to ingest
const calls = (path) => all(CALLS, path); // of the mock, by the dispatcher and by whom else PROVIDER_SMS_URL is given

module.exports = { calls, posts };
