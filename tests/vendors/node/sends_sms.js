// SPDX-License-Identifier: MIT
// Twilio's SDK sends through the mock, reads back, and takes its errors for Twilio's.
'use strict';

const assert = require('node:assert/strict');
const { RestException } = require('twilio');
const { env, it, mockGoesBy, run, twilioClient } = require('./stand');

const client = twilioClient();
const sms = { from: '+12016661234', to: '+18045551234', body: 'Hello' };
const MOST_CALLS = 100; // the mock's shares come true within so many

it('an SMS is accepted, with a sid and nothing sent yet', async () => {
  const message = await client.messages.create({ ...sms, statusCallback: 'http://127.0.0.1:9/status?message_id=1' });
  assert.match(message.sid, /^SM[0-9a-f]{32}$/);
  assert.equal(message.status, 'queued');
  assert.equal(message.direction, 'outbound-api');
  assert.equal(message.accountSid, env.PROVIDER_SMS_ACCOUNT);
  assert.deepEqual([message.from, message.to, message.body], [sms.from, sms.to, sms.body]);
  assert.deepEqual([message.numSegments, message.numMedia], ['1', '0']);
  assert.deepEqual([message.errorCode, message.price, message.dateSent], [null, null, null]);
  assert.ok(Math.abs(message.dateCreated - Date.now()) < 60000, `created at ${message.dateCreated}`);
});

it('an MMS is accepted, with its media counted', async () => {
  const mediaUrl = ['https://example.com/a.jpg', 'https://example.com/b?c=d&e=%20'];
  const message = await client.messages.create({ ...sms, body: undefined, mediaUrl });
  assert.match(message.sid, /^MM[0-9a-f]{32}$/);
  assert.deepEqual([message.numMedia, message.body], ['2', '']);
});

it('text beyond ASCII and HTML comes back as it was, its segments counted', async () => {
  const body = 'Grüße 😀 a&b=c + <b>%41</b>\n' + '😀'.repeat(40);
  const message = await client.messages.create({ ...sms, body });
  assert.deepEqual([message.body, message.numSegments], [body, '2']);
});

it('a messaging service is taken beside From', async () => {
  const messagingServiceSid = `MG${'0'.repeat(32)}`;
  const message = await client.messages.create({ ...sms, messagingServiceSid });
  assert.equal(message.messagingServiceSid, messagingServiceSid);
});

it("an API key authenticates in the token's place", async () => {
  const keyed = twilioClient(env.PROVIDER_SMS_KEY_SID, env.PROVIDER_SMS_KEY_SECRET);
  assert.match((await keyed.messages.create(sms)).sid, /^SM/);
});

it('a message is read back by its sid', async () => {
  const sent = await client.messages.create({ ...sms, body: 'read me back' });
  const read = await client.messages(sent.sid).fetch();
  assert.deepEqual([read.sid, read.body, read.from, read.to], [sent.sid, sent.body, sent.from, sent.to]);
  assert.ok(['queued', 'sent', 'delivered'].includes(read.status), read.status);
});

// What the call is refused with; it must be.
async function refusal(call) {
  let message;
  try {
    message = await call();
  } catch (error) {
    assert.ok(error instanceof RestException, `not the SDK's own: ${error.stack}`);
    return error;
  }
  assert.fail(`taken: ${JSON.stringify(message)}`);
}

async function isRefused(call, status, code) {
  const error = await refusal(call);
  assert.deepEqual([error.status, error.code], [status, code]);
  assert.equal(error.moreInfo, `https://www.twilio.com/docs/errors/${code}`);
  assert.ok(error.message.length > 0 && !error.message.startsWith('[HTTP'), error.message);
}

const refused = [
  ['no recipient', { to: '' }, 21604],
  ['no sender', { from: undefined }, 21603],
  ['no body and no media', { body: undefined }, 21602],
  ['a recipient that is no number', { to: 'jane' }, 21211],
  ["the number that Twilio's test credentials refuse", { to: '+15005550001' }, 21211],
  ['a sender that is no number', { from: 'much too long for a sender id' }, 21212],
  ['1,601 characters', { body: 'x'.repeat(1601) }, 21617],
  ['11 media', { mediaUrl: Array(11).fill('https://example.com/a.jpg') }, 21623],
];
for (const [what, change, code] of refused) {
  it(`400: ${what} is ${code}`, () => isRefused(() => client.messages.create({ ...sms, ...change }), 400, code));
}

it('401: a wrong token is 20003', () =>
  isRefused(() => twilioClient(env.PROVIDER_SMS_ACCOUNT, 'wrong').messages.create(sms), 401, 20003));

it('403: a sender that is refused is 20403', async () => {
  await mockGoesBy({ refused_senders: [sms.from] });
  await isRefused(() => client.messages.create(sms), 403, 20403);
});

it('404: a message that nobody sent is 20404', () =>
  isRefused(() => client.messages(`SM${'0'.repeat(32)}`).fetch(), 404, 20404));

it('404: a resource that there is not is 20404', () => isRefused(() => client.calls.list(), 404, 20404));

it('429: too many calls are 20429, with Retry-After', async () => {
  await mockGoesBy({ ratelimit_pct: 100, retry_after_secs: 7 });
  await isRefused(() => client.messages.create(sms), 429, 20429);
  assert.equal(client.httpClient.lastResponse.headers['retry-after'], '7');
});

it('5xx: a provider in trouble is 20500 and 20503', async () => {
  await mockGoesBy({ error_pct: 100 });
  const seen = new Map();
  for (let call = 0; call < MOST_CALLS && seen.size < 2; call++) {
    const error = await refusal(() => client.messages.create(sms));
    seen.set(error.status, [error.code, error.moreInfo]);
  }
  assert.deepEqual([...seen].sort(), [
    [500, [20500, 'https://www.twilio.com/docs/errors/20500']],
    [503, [20503, 'https://www.twilio.com/docs/errors/20503']],
  ]);
});

it('and takes sends again', async () => {
  await mockGoesBy({});
  assert.equal((await client.messages.create(sms)).status, 'queued');
});

run();
