// SPDX-License-Identifier: MIT
// What the mock has posted so far, the vendors' own verifiers take; and nothing of it that differs by a byte.
'use strict';

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const { validateRequest } = require('twilio');
const { EventWebhook, EventWebhookHeader } = require('@sendgrid/eventwebhook');
const { env, it, run } = require('./stand');
const { posts } = require('./record');

function all(path) {
  const found = posts(path);
  assert.ok(found.length > 0, `the mock has posted nothing to ${path}`);
  return found;
}

for (const [what, path] of [
  ['a status callback', '/api/webhooks/sms/status'],
  ['an inbound message', '/api/webhooks/sms'],
]) {
  it(`Twilio's validator takes ${what} of the mock's, and none with another byte or URL`, () => {
    for (const { called, form, headers } of all(path)) {
      const valid = (url, fields) => validateRequest(env.WEBHOOK_SMS_SECRET, headers['x-twilio-signature'], url, fields);
      assert.ok(valid(called, form), `${called} ${JSON.stringify(form)}`);
      assert.ok(!valid(called, { ...form, To: `${form.To}0` }));
      assert.ok(!valid(`${called}&x`, form));
    }
  });
}

const header = (post, name) => post.headers[name.toLowerCase()];
const verifier = new EventWebhook();
const key = verifier.convertPublicKeyToECDSA(env.WEBHOOK_EMAIL_PUBLIC_KEY);

it("SendGrid's verifier takes the mock's batches of events, and none with another byte", () => {
  for (const post of all('/api/webhooks/email/events')) {
    const [signature, timestamp] = [header(post, EventWebhookHeader.SIGNATURE()), header(post, EventWebhookHeader.TIMESTAMP())];
    assert.ok(verifier.verifySignature(key, post.body, signature, timestamp), post.body.toString());
    assert.ok(!verifier.verifySignature(key, `${post.body} `, signature, timestamp));
    assert.ok(!verifier.verifySignature(key, post.body, signature, `${timestamp}0`));
    for (const event of post.json) {
      assert.deepEqual([typeof event.email, typeof event.timestamp, typeof event.event], ['string', 'number', 'string']);
      assert.ok(event.sg_event_id && event.sg_message_id, JSON.stringify(event));
    }
  }
});

// The SDK's verifier takes text only, and a mail may be bytes of any charset: so Node's own stands for it here.
it("a mail of the mock's is signed as the events are, and none with another byte", () => {
  const publicKey = crypto.createPublicKey({
    key: Buffer.from(env.WEBHOOK_EMAIL_PUBLIC_KEY, 'base64'),
    format: 'der',
    type: 'spki',
  });
  for (const post of all('/api/webhooks/email')) {
    const signature = Buffer.from(header(post, EventWebhookHeader.SIGNATURE()), 'base64');
    const timestamp = Buffer.from(header(post, EventWebhookHeader.TIMESTAMP()));
    const valid = (body) => crypto.verify('sha256', Buffer.concat([timestamp, body]), publicKey, signature);
    assert.ok(valid(post.body));
    assert.ok(!valid(Buffer.concat([post.body, Buffer.from(' ')])));
    assert.equal(post.type, 'multipart/form-data');
  }
});

run();
