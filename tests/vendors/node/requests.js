// SPDX-License-Identifier: MIT
// What the dispatcher sends is what the vendors' SDKs send for the same message, but for what names our own id.
'use strict';

const assert = require('node:assert/strict');
const { ends, env, it, run, send, sendgridClient, twilioClient } = require('./stand');
const { calls } = require('./record');

const MESSAGES = `/2010-04-01/Accounts/${env.PROVIDER_SMS_ACCOUNT}/Messages.json`;
const MAIL = '/v3/mail/send';
const through = env.PROVIDER_SMS_URL;

// The call that the dispatcher made for a message, then the one that the SDK makes by `call`.
async function both(kind, path, message, call) {
  await ends(await send(kind, message), 'sent', 'delivered');
  const ours = calls(path).at(-1);
  await call(ours);
  const theirs = calls(path).at(-1);
  assert.notDeepEqual(ours, theirs);
  for (const header of ['authorization', 'host']) assert.equal(ours.headers[header], theirs.headers[header]);
  assert.deepEqual([ours.method, ours.url, ours.type], [theirs.method, theirs.url, theirs.type]);
  return [ours, theirs];
}

const byKey = twilioClient(env.PROVIDER_SMS_KEY_SID, env.PROVIDER_SMS_KEY_SECRET, through);
const sms = { from: '+12016661234', to: '+18045550002', type: 'sms', body: 'Grüße 😀 a&b=c + %41\n~', attachments: null };

for (const [what, message] of [
  ['an SMS', sms],
  ['an MMS', { ...sms, type: 'mms', attachments: ['https://example.com/a.jpg', 'https://example.com/b?c=d&e=%20'] }],
  ['an MMS without a body', { ...sms, type: 'mms', body: '', attachments: ['https://example.com/a.jpg'] }],
]) {
  it(`${what} goes out as Twilio's SDK sends it`, async () => {
    const [ours, theirs] = await both('sms', MESSAGES, message, ({ form }) =>
      byKey.messages.create({
        from: message.from,
        to: message.to,
        body: message.body || undefined,
        mediaUrl: message.attachments ?? undefined,
        statusCallback: form.StatusCallback,
      }),
    );
    assert.ok(theirs.form.StatusCallback.startsWith(`${env.WEBHOOK_PUBLIC_URL}/api/webhooks/sms/status?message_id=`));
    assert.deepEqual(ours.form, theirs.form);
  });
}

for (const [what, body, content] of [
  ['a mail of text', 'Grüße 😀, 1 < 2 & 3', { text: 'Grüße 😀, 1 < 2 & 3' }],
  ['a mail of HTML', '<p>Hello <b>Kim</b></p>', { text: 'Hello Kim', html: '<p>Hello <b>Kim</b></p>' }],
]) {
  it(`${what} goes out as SendGrid's SDK sends it`, async () => {
    const message = { from: 'sales@example.com', to: 'pat@example.com', subject: 'Grüße 😀', body, attachments: null };
    const [ours, theirs] = await both('email', MAIL, message, ({ json }) =>
      sendgridClient(env.PROVIDER_EMAIL_TOKEN, through).send({
        from: message.from,
        to: message.to,
        subject: message.subject,
        ...content,
        customArgs: json.custom_args,
      }),
    );
    assert.deepEqual(ours.json, theirs.json);
    for (const value of Object.values(ours.json.custom_args)) assert.equal(typeof value, 'string');
  });
}

run();
