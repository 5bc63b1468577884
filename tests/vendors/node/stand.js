// SPDX-License-Identifier: MIT
// What the scripts share: where the programs are, the SDKs' clients turned to the mock, the mock's configuration, tests.
'use strict';

const fs = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');
const { MailService } = require('@sendgrid/mail');
const twilio = require('twilio');

const env = process.env;
const mock = `http://127.0.0.1:${env.MOCK_PROVIDER_PORT}`;
const api = `http://127.0.0.1:${env.PORT}`;
const DEADLINE_MS = 30000;

// The SDK names its own host; all else of the request stays as it made it.
class Turned extends twilio.RequestClient {
  constructor(base) {
    super();
    this.base = base;
  }

  request(options) {
    const { pathname, search } = new URL(options.uri);
    return super.request({ ...options, uri: this.base + pathname + search });
  }
}

const twilioClient = (user = env.PROVIDER_SMS_ACCOUNT, password = env.PROVIDER_SMS_TOKEN, base = mock) =>
  twilio(user, password, { accountSid: env.PROVIDER_SMS_ACCOUNT, httpClient: new Turned(base) });

function sendgridClient(key = env.PROVIDER_EMAIL_TOKEN, base = mock) {
  const service = new MailService();
  service.setApiKey(key);
  service.client.setDefaultRequest('baseUrl', base);
  return service;
}

async function json(method, url, value) {
  const body = value && JSON.stringify(value);
  const answer = await fetch(url, { method, headers: { 'Content-Type': 'application/json' }, body });
  return { status: answer.status, value: await answer.json() };
}

// Sends it by the API; its id.
async function send(kind, message) {
  const timestamp = new Date().toISOString();
  const { status, value } = await json('POST', `${api}/api/messages/${kind}`, { ...message, timestamp });
  if (status !== 202) throw new Error(`a send: ${status} ${JSON.stringify(value)}`);
  return value.id;
}

// The message once its status is one of those.
function ends(id, ...statuses) {
  return until(`${id} is ${statuses}`, async () => {
    const { value } = await json('GET', `${api}/api/messages/${id}`);
    return statuses.includes(value.status) && value;
  });
}

// What `tell` resolves to once it is neither undefined nor false.
async function until(what, tell) {
  for (const begin = Date.now(); Date.now() - begin < DEADLINE_MS; await sleep(50)) {
    const told = await tell();
    if (told !== undefined && told !== false) return told;
  }
  throw new Error(`${what}: not within ${DEADLINE_MS / 1000} s`);
}

// Has the mock behave so, and waits until it does: the seed, another each time, stands in what it logs then.
async function mockGoesBy(change) {
  const seed = Math.floor(Math.random() * 2 ** 40);
  const config = { timeout_pct: 0, error_pct: 0, ratelimit_pct: 0, seed, ...change };
  const { status, value } = await json('PUT', `${api}/api/provider/mock/config`, config);
  if (status !== 200) throw new Error(`the mock's configuration: ${status} ${JSON.stringify(value)}`);
  await until('the mock goes by it', () => fs.readFileSync(env.MOCK_LOG, 'utf8').includes(`"seed":${seed},`));
}

const tests = [];
const it = (sentence, check) => tests.push([sentence, check]);

// Runs them in their order; a line each.
async function run() {
  for (const [sentence, check] of tests) {
    try {
      await check();
      console.log(`ok: ${sentence}`);
    } catch (error) {
      process.exitCode = 1;
      console.log(`FAILED: ${sentence}\n    ${String(error.stack).replaceAll('\n', '\n    ')}`);
    }
  }
}

module.exports = { api, ends, env, it, json, mock, mockGoesBy, run, send, sendgridClient, twilioClient, until };
