// SPDX-License-Identifier: MIT
// From ingest through the dispatcher to the mock, and by its callback back to ingest; what comes in from it, likewise.
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const { api, ends, it, json, mock, mockGoesBy, run, send, twilioClient, until } = require('./stand');
const { posts } = require('./record');

const customer = '+18045550001';
const sms = { from: '+12016661234', to: customer, type: 'sms', body: 'Hello', attachments: null };
const mail = { from: 'sales@example.com', to: 'kim@example.com', body: 'Hello <b>Kim</b>', attachments: null };

const receipts = (message) => message.timeline.filter((entry) => entry.event === 'receipt');

it('an SMS becomes delivered by the status callback that the mock was asked for', async () => {
  const message = await ends(await send('sms', sms), 'delivered');
  assert.ok(receipts(message).length > 0, JSON.stringify(message.timeline));
  const callbacks = posts('/api/webhooks/sms/status').filter((one) => one.query.get('message_id') === message.id);
  assert.ok(callbacks.some((one) => one.form.MessageStatus === 'delivered'));
  for (const one of callbacks) assert.equal(one.answer.status, 204);
});

it("the SDK reads the same message's status back from the mock", async () => {
  const message = await ends(await send('sms', sms), 'delivered');
  const [callback] = posts('/api/webhooks/sms/status').filter((one) => one.query.get('message_id') === message.id);
  const theirs = await twilioClient().messages(callback.form.MessageSid).fetch();
  assert.deepEqual([theirs.status, theirs.to, theirs.body], ['delivered', sms.to, sms.body]);
});

it('an MMS becomes delivered', async () => {
  await ends(await send('sms', { ...sms, type: 'mms', attachments: ['https://example.com/a.jpg'] }), 'delivered');
});

it('a mail becomes delivered by an event', async () => {
  const message = await ends(await send('email', mail), 'delivered');
  const events = posts('/api/webhooks/email/events').flatMap((one) => one.json);
  assert.ok(events.some((event) => event.message_id === message.id && event.event === 'delivered'));
});

for (const [what, kind, message] of [
  ['an SMS', 'sms', sms],
  ['a mail', 'email', mail],
]) {
  it(`${what} that does not arrive becomes undelivered, with a code and a reason`, async () => {
    await mockGoesBy({ undelivered_pct: 100 });
    const [receipt] = receipts(await ends(await send(kind, message), 'undelivered'));
    assert.ok(receipt.code && receipt.reason, JSON.stringify(receipt));
    await mockGoesBy({});
  });
}

// A customer's message, that the mock brings to the webhook; what that answers.
async function say(message) {
  const answer = await fetch(`${mock}/mock/inbound`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(message),
  });
  assert.equal(answer.status, 200, await answer.text());
}

it("what a customer texts comes in from the mock in Twilio's form, and is answered with TwiML", async () => {
  const body = `Grüße 😀 ${crypto.randomUUID()}`;
  await say({ channel: 'sms', from: customer, to: sms.from, body });
  const post = posts('/api/webhooks/sms').find((one) => one.form.Body === body);
  assert.deepEqual([post.answer.status, post.answer.headers['content-type'].split(';')[0]], [200, 'text/xml']);
  await until('the message', () => reads(customer, body));
});

it('a picture comes in likewise, as an MMS with its address', async () => {
  const body = `My picture ${crypto.randomUUID()}`;
  await say({ channel: 'mms', from: customer, to: sms.from, body, media: ['https://example.com/a.jpg'] });
  const message = await until('the message', () => reads(customer, body));
  assert.deepEqual([message.type, message.attachments], ['mms', ['https://example.com/a.jpg']]);
});

it("what a customer mails comes in from the mock as Inbound Parse's multipart", async () => {
  const body = `Grüße ${crypto.randomUUID()}`;
  await say({ channel: 'email', from: mail.to, to: mail.from, subject: 'Re: Hello', body });
  const message = await until('the mail', () => reads(mail.to, body));
  assert.deepEqual([message.subject, message.status], ['Re: Hello', 'received']);
});

// The customer's message with that body, once it is stored.
async function reads(participant, body) {
  const { value } = await json('GET', `${api}/api/conversations?participant=${encodeURIComponent(participant)}`);
  if (value.items.length === 0) return undefined;
  const thread = await json('GET', `${api}/api/conversations/${value.items[0].id}/messages`);
  return thread.value.items.find((one) => one.direction === 'inbound' && one.body.trim() === body);
}

it('STOP from a customer refuses the next send, START lets it through again', async () => {
  const text = (body) => say({ channel: 'sms', from: customer, to: sms.from, body });
  const attempt = () => json('POST', `${api}/api/messages/sms`, { ...sms, timestamp: new Date().toISOString() });
  await text('STOP');
  const { status, value } = await attempt();
  assert.deepEqual([status, value.code], [422, 'opted_out']);
  await text('START');
  assert.equal((await attempt()).status, 202);
});

run();
