// SPDX-License-Identifier: MIT
// What Twilio's SDK and Node's crypto, as SendGrid's example does, sign: ingest takes it, and nothing that differs by a byte.
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const {
  getExpectedBodyHash,
  getExpectedTwilioSignature,
  HMAC_SHA256,
  SIGNATURE_HEADER,
  SIGNATURE_SETTINGS_HEADER,
  twiml,
} = require('twilio');
const { EventWebhookHeader } = require('@sendgrid/eventwebhook');
const { api, env, it, run, until } = require('./stand');

const FORM = 'application/x-www-form-urlencoded';
const hex = () => crypto.randomBytes(16).toString('hex');

function post(path, type, body, headers) {
  return fetch(api + path, { method: 'POST', headers: { 'Content-Type': type, ...headers }, body });
}

// One bit of one byte in the middle is another.
function changed(body) {
  const other = Buffer.from(body);
  other[other.length >> 1] ^= 1;
  return other;
}

// ---- Twilio

const encoded = (fields) =>
  new URLSearchParams(
    Object.entries(fields).flatMap(([name, value]) => [value].flat().map((one) => [name, one])),
  ).toString();

function postTwilio(path, fields, change = {}) {
  const { token = env.WEBHOOK_SMS_SECRET, body = encoded(fields) } = change;
  const signature = getExpectedTwilioSignature(token, env.WEBHOOK_PUBLIC_URL + path, fields);
  return post(path, FORM, body, { [SIGNATURE_HEADER]: signature });
}

const inbound = () => {
  const sid = `SM${hex()}`;
  return {
    ToCountry: 'US',
    ToState: '',
    SmsMessageSid: sid,
    NumMedia: '0',
    SmsSid: sid,
    SmsStatus: 'received',
    Body: 'Grüße 😀 a&b=c + %41',
    To: '+12016661234',
    NumSegments: '1',
    MessageSid: sid,
    AccountSid: env.PROVIDER_SMS_ACCOUNT,
    From: '+18045551234',
    ApiVersion: '2010-04-01',
  };
};

async function isThanked(answer) {
  const body = await answer.text();
  assert.equal(answer.status, 200, body);
  assert.match(answer.headers.get('content-type'), /^text\/xml\b/);
  const bare = (xml) => xml.replace(/^<\?xml[^>]*\?>\s*/, '').trim();
  assert.equal(bare(body), bare(new twiml.MessagingResponse().toString()));
}

const thread = async () => {
  const query = `participant=${encodeURIComponent('+18045551234')}`;
  const { items } = await (await fetch(`${api}/api/conversations?${query}`)).json();
  if (items.length === 0) return [];
  return (await (await fetch(`${api}/api/conversations/${items[0].id}/messages`)).json()).items;
};

it("Twilio: a message comes in, is read back, and is answered as the SDK's empty TwiML", async () => {
  const fields = { ...inbound(), Body: `Grüße 😀 a&b=c + %41 ${hex()}` };
  await isThanked(await postTwilio('/api/webhooks/sms', fields));
  const read = await until('the message', async () => (await thread()).find((one) => one.body === fields.Body));
  assert.deepEqual([read.direction, read.type, read.status], ['inbound', 'sms', 'received']);
});

it('Twilio: media, repeated and unknown fields are signed for and taken', async () => {
  const fields = {
    ...inbound(),
    NumMedia: '2',
    MediaUrl0: 'https://example.com/a.jpg',
    MediaContentType0: 'image/jpeg',
    MediaUrl1: 'https://example.com/b?c=d&e=f',
    MediaContentType1: 'image/png',
    tomorrow: ['b', 'a', 'b'],
    'ümlaut key': '',
  };
  await isThanked(await postTwilio('/api/webhooks/sms', fields));
});

it("Twilio: a query in the webhook's URL is signed for and taken", async () =>
  isThanked(await postTwilio('/api/webhooks/sms?tenant=a%20b&x=', inbound())));

it("Twilio: a shared key's signature, by HMAC-SHA256, is taken; one that names another algorithm is 401", async () => {
  const fields = inbound();
  const url = `${env.WEBHOOK_PUBLIC_URL}/api/webhooks/sms`;
  const signature = getExpectedTwilioSignature(env.WEBHOOK_SMS_SECRET, url, fields, HMAC_SHA256);
  const by = (algorithm) =>
    post('/api/webhooks/sms', FORM, encoded(fields), {
      [SIGNATURE_HEADER]: signature,
      [SIGNATURE_SETTINGS_HEADER]: `key=webhooks_sharedkey_1,algorithm=${algorithm}`,
    });
  assert.equal((await by('HMAC_SHA1')).status, 401);
  await isThanked(await by(HMAC_SHA256));
});

it('Twilio: JSON is signed for by its hash in the query, and taken; with another byte it is 401', async () => {
  const body = JSON.stringify({
    from: '+18045551234',
    to: '+12016661234',
    type: 'sms',
    messaging_provider_id: hex(),
    body: 'é',
    attachments: null,
    timestamp: new Date().toISOString(),
  });
  const path = `/api/webhooks/sms?bodySHA256=${getExpectedBodyHash(body)}`;
  const signature = getExpectedTwilioSignature(env.WEBHOOK_SMS_SECRET, env.WEBHOOK_PUBLIC_URL + path, null);
  const headers = { [SIGNATURE_HEADER]: signature };
  assert.equal((await post(path, 'application/json', body.replace('é', 'è'), headers)).status, 401);
  assert.equal((await post(path, 'application/json', body, headers)).status, 202);
});

it('Twilio: a repeat is answered as the first was', async () => {
  const fields = inbound();
  for (let i = 0; i < 2; i++) await isThanked(await postTwilio('/api/webhooks/sms', fields));
});

it('Twilio: a message by another token, or with another byte, or without a signature is 401', async () => {
  const fields = inbound();
  assert.equal((await postTwilio('/api/webhooks/sms', fields, { token: 'another' })).status, 401);
  assert.equal((await postTwilio('/api/webhooks/sms', fields, { body: changed(encoded(fields)) })).status, 401);
  assert.equal((await post('/api/webhooks/sms', FORM, encoded(fields))).status, 401);
});

const status = () => ({
  MessageSid: `SM${hex()}`,
  MessageStatus: 'delivered',
  SmsStatus: 'delivered',
  RawDlrDoneDate: '2611300935',
  AccountSid: env.PROVIDER_SMS_ACCOUNT,
  From: '+12016661234',
  To: '+18045551234',
  ApiVersion: '2010-04-01',
});
const statusPath = () => `/api/webhooks/sms/status?message_id=${crypto.randomUUID()}&partition=0`;

it('Twilio: a status callback is taken, of a message that there is not (yet), too', async () => {
  assert.equal((await postTwilio(statusPath(), status())).status, 204);
});

it('Twilio: a status callback by another token, or with another byte, or another query is 401', async () => {
  const [path, fields] = [statusPath(), status()];
  assert.equal((await postTwilio(path, fields, { token: 'another' })).status, 401);
  assert.equal((await postTwilio(path, fields, { body: changed(encoded(fields)) })).status, 401);
  const signature = getExpectedTwilioSignature(env.WEBHOOK_SMS_SECRET, env.WEBHOOK_PUBLIC_URL + path, fields);
  assert.equal((await post(statusPath(), FORM, encoded(fields), { [SIGNATURE_HEADER]: signature })).status, 401);
});

// ---- SendGrid

const key = crypto.createPrivateKey(fs.readFileSync(env.MOCK_EMAIL_PRIVATE_KEY_FILE));
const another = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

function postSendgrid(path, type, body, change = {}) {
  const { by = key, signed = body, timestamp = String(Math.floor(Date.now() / 1000)) } = change;
  const signature = crypto.sign('sha256', Buffer.concat([Buffer.from(timestamp), Buffer.from(signed)]), by);
  return post(path, type, body, {
    [EventWebhookHeader.SIGNATURE()]: signature.toString('base64'),
    [EventWebhookHeader.TIMESTAMP()]: timestamp,
  });
}

const batch = () =>
  `${JSON.stringify([
    { email: 'jane@example.com', timestamp: 1700000000, event: 'open', sg_event_id: hex(), useragent: 'é' },
    {
      email: 'jane@example.com',
      timestamp: Math.floor(Date.now() / 1000),
      'smtp-id': '<x@y>',
      event: 'delivered',
      sg_event_id: hex(),
      sg_message_id: `${hex()}.recvd-1-0`,
      response: '250 OK',
      message_id: crypto.randomUUID(),
      partition: '0',
    },
  ])}\r\n`;

it('SendGrid: a batch of events is taken', async () => {
  assert.equal((await postSendgrid('/api/webhooks/email/events', 'application/json', batch())).status, 204);
});

it('SendGrid: a batch by another key, or with another byte, or without a signature is 401', async () => {
  const [path, type, body] = ['/api/webhooks/email/events', 'application/json', batch()];
  assert.equal((await postSendgrid(path, type, body, { by: another })).status, 401);
  assert.equal((await postSendgrid(path, type, changed(body), { signed: body })).status, 401);
  assert.equal((await post(path, type, body)).status, 401);
});

const BOUNDARY = 'xYzZY';
const part = (name, value, more = '') => [
  `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n`,
  value,
  '\r\n',
];

// As Inbound Parse posts it: each text in the charset that `charsets` names, and a file of bytes.
function mail() {
  const id = hex();
  const pieces = [
    ...part('headers', `Message-ID: <${id}@mail.example>\r\nDate: Mon, 30 Nov 2026 09:00:00 +0000\r\nSubject: Re: Hello\r\n`),
    ...part('from', 'Jane <jane@example.com>'),
    ...part('to', 'Sales <sales@example.com>'),
    ...part('subject', 'Re: Grüße 😀'),
    ...part('text', Buffer.from(`Caf\xe9 \x80 5 ${id}`, 'latin1')),
    ...part('envelope', '{"to":["sales@example.com"],"from":"jane@example.com"}'),
    ...part('charsets', '{"to":"UTF-8","from":"UTF-8","subject":"UTF-8","text":"windows-1252"}'),
    ...part('attachments', '1'),
    ...part('attachment-info', '{"attachment1":{"filename":"a.bin","name":"a.bin","type":"application/octet-stream"}}'),
    ...part('attachment1', crypto.randomBytes(4096), '; filename="a.bin"\r\nContent-Type: application/octet-stream'),
    `--${BOUNDARY}--\r\n`,
  ];
  return { id, body: Buffer.concat(pieces.map((piece) => Buffer.from(piece))) };
}
const MULTIPART = `multipart/form-data; boundary=${BOUNDARY}`;

it('SendGrid: a mail of Inbound Parse is taken, and read back in UTF-8', async () => {
  const { id, body } = mail();
  const answer = await postSendgrid('/api/webhooks/email', MULTIPART, body);
  assert.equal(answer.status, 200, await answer.text());
  const read = await until('the mail', async () => {
    const { items } = await (await fetch(`${api}/api/conversations?participant=jane%40example.com`)).json();
    if (items.length === 0) return undefined;
    const messages = (await (await fetch(`${api}/api/conversations/${items[0].id}/messages`)).json()).items;
    return messages.find((one) => one.body.includes(id));
  });
  assert.equal(read.body.trim(), `Café € 5 ${id}`);
  assert.deepEqual([read.subject, read.type, read.status], ['Re: Grüße 😀', 'email', 'received']);
});

it('SendGrid: a mail by another key, or with another byte, of a file too, or without a signature is 401', async () => {
  const [path, { body }] = ['/api/webhooks/email', mail()];
  const inFile = Buffer.from(body);
  inFile[body.length - 100] ^= 1;
  assert.equal((await postSendgrid(path, MULTIPART, body, { by: another })).status, 401);
  assert.equal((await postSendgrid(path, MULTIPART, changed(body), { signed: body })).status, 401);
  assert.equal((await postSendgrid(path, MULTIPART, inFile, { signed: body })).status, 401);
  assert.equal((await post(path, MULTIPART, body)).status, 401);
});

run();
