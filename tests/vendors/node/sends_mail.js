// SPDX-License-Identifier: MIT
// SendGrid's SDK sends through the mock, and takes its errors for SendGrid's.
'use strict';

const assert = require('node:assert/strict');
const { ResponseError } = require('@sendgrid/helpers/classes');
const { it, mockGoesBy, run, sendgridClient } = require('./stand');

const client = sendgridClient();
const mail = { from: 'sales@example.com', to: 'jane@example.com', subject: 'Hello', text: 'Hello' };
const MOST_CALLS = 100; // the mock's shares come true within so many

async function isAccepted(change) {
  const [answer] = await client.send({ ...mail, ...change });
  assert.equal(answer.statusCode, 202);
  assert.equal(answer.body, '');
  assert.match(answer.headers['x-message-id'], /^\S+$/);
  return answer.headers['x-message-id'];
}

it('a mail is accepted, with an id and an empty body', () => isAccepted({}));

it('each mail has an id of its own', async () => assert.notEqual(await isAccepted({}), await isAccepted({})));

it('text and HTML, a name, an attachment, arguments and another address for answers are accepted', () =>
  isAccepted({
    from: { email: 'sales@example.com', name: 'Grüße, "Sales" 😀' },
    to: [{ email: 'jane@example.com', name: 'Jane' }, '"j d"@bücher.example'],
    subject: 'Grüße 😀',
    html: '<p>Hello <b>Jane</b></p>',
    replyTo: 'desk@example.com',
    customArgs: { message_id: '01a213e4-8ece-70dc-b91a-82a9e294035c', partition: '0' },
    attachments: [{ content: 'aGVsbG8=', filename: 'hello.txt', type: 'text/plain', disposition: 'attachment' }],
  }));

it('HTML alone is accepted', () => isAccepted({ text: undefined, html: '<p>Hello</p>' }));

// What the call is refused with, as the SDK has it.
async function refusal(change, by = client) {
  try {
    await by.send({ ...mail, ...change });
  } catch (error) {
    assert.ok(error instanceof ResponseError, `not the SDK's own: ${error.stack}`);
    return error;
  }
  assert.fail('it was accepted');
}

async function isRefused(status, field, change, by) {
  const error = await refusal(change, by);
  assert.equal(error.code, status);
  const [first] = error.response.body.errors;
  assert.ok(first.message.length > 0);
  assert.equal(first.field, field);
  assert.ok('help' in first);
  assert.ok(error.toString().includes(first.message));
  return error;
}

it('400: a mail without a subject is refused for it', () => isRefused(400, 'subject', { subject: undefined }));

it('400: a recipient that is no address is refused for it', () =>
  isRefused(400, 'personalizations.0.to.0.email', { to: 'jane@-example.com' }));

it('400: a sender that is no address is refused for it', () => isRefused(400, 'from.email', { from: 'sales' }));

it('400: HTML before text is refused for it', () =>
  isRefused(400, 'content', {
    text: undefined,
    content: [
      { type: 'text/html', value: '<p>Hello</p>' },
      { type: 'text/plain', value: 'Hello' },
    ],
  }));

it('401: a wrong key', () => isRefused(401, null, {}, sendgridClient('SG.wrong')));

it('403: a sender that is refused', async () => {
  await mockGoesBy({ refused_senders: [mail.from] });
  await isRefused(403, 'from', {});
});

it('404: a resource that there is not', async () => {
  const gone = await client.client.request({ method: 'GET', url: '/v3/nothing' }).catch((error) => error);
  assert.ok(gone instanceof ResponseError);
  assert.equal(gone.code, 404);
  assert.ok(gone.response.body.errors[0].message.length > 0);
});

it('405: a method that the resource lacks', async () => {
  const wrong = await client.client.request({ method: 'GET', url: '/v3/mail/send' }).catch((error) => error);
  assert.equal(wrong.code, 405);
  assert.ok(wrong.response.body.errors[0].message.length > 0);
});

it('429: too many calls, with when to come again', async () => {
  await mockGoesBy({ ratelimit_pct: 100, retry_after_secs: 7 });
  const error = await isRefused(429, null, {});
  assert.equal(error.response.headers['retry-after'], '7');
});

it('5xx: a provider in trouble', async () => {
  await mockGoesBy({ error_pct: 100 });
  const seen = new Set();
  for (let call = 0; call < MOST_CALLS && seen.size < 2; call++) seen.add((await refusal({})).code);
  assert.deepEqual([...seen].sort(), [500, 503]);
});

it('and takes mails again', async () => {
  await mockGoesBy({});
  await isAccepted({});
});

run();
