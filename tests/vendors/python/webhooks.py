# SPDX-License-Identifier: MIT
"""What Twilio's SDK, and the library beneath SendGrid's, sign: ingest takes it, and nothing that differs by a byte."""

import base64
import json
import time
import uuid
import xml.etree.ElementTree as ElementTree
from urllib.parse import urlencode

import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from sendgrid.helpers.eventwebhook import EventWebhookHeader
from twilio.request_validator import SIGNATURE_HEADER, RequestValidator
from twilio.twiml.messaging_response import MessagingResponse

from stand import API, env, it, run, until

FORM = "application/x-www-form-urlencoded"
SMS, STATUS, EMAIL, EVENTS = (f"/api/webhooks/{path}" for path in ("sms", "sms/status", "email", "email/events"))


def post(path, kind, body, headers=None):
    headers = {"Content-Type": kind, **(headers or {})}
    return requests.post(API + path, data=body, headers=headers, timeout=30)


def changed(body):
    """One bit of one byte in the middle is another."""
    other = bytearray(body)
    other[len(other) // 2] ^= 1
    return bytes(other)


# ---- Twilio


def post_twilio(path, fields, token=env["WEBHOOK_SMS_SECRET"], body=None):
    signature = RequestValidator(token).compute_signature(env["WEBHOOK_PUBLIC_URL"] + path, fields)
    return post(path, FORM, body or urlencode(fields), {SIGNATURE_HEADER: signature})


def inbound(**change):
    sid = f"SM{uuid.uuid4().hex}"
    return {
        "SmsMessageSid": sid,
        "NumMedia": "0",
        "FromCity": "",
        "SmsSid": sid,
        "SmsStatus": "received",
        "Body": "Grüße 😀 a&b=c + %41",
        "To": "+12016661234",
        "MessageSid": sid,
        "AccountSid": env["PROVIDER_SMS_ACCOUNT"],
        "From": "+18045551235",
        "ApiVersion": "2010-04-01",
        **change,
    }


@it("Twilio: a message comes in, is read back, and is answered as the SDK's empty TwiML")
def _():
    body = f"Grüße 😀 a&b=c + %41 {uuid.uuid4()}"
    answer = post_twilio(SMS, inbound(Body=body))
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].split(";")[0] == "text/xml"
    ours, theirs = (ElementTree.fromstring(text) for text in (answer.content, str(MessagingResponse())))
    assert ElementTree.tostring(ours) == ElementTree.tostring(theirs), answer.text
    until("the message", lambda: any(item["body"] == body for item in thread("+18045551235")))


def thread(participant):
    conversations = requests.get(f"{API}/api/conversations", params={"participant": participant}, timeout=30).json()
    for item in conversations["items"]:
        return requests.get(f"{API}/api/conversations/{item['id']}/messages", timeout=30).json()["items"]
    return []


@it("Twilio: a message by another token, or with another byte, or without a signature is 401")
def _():
    fields = inbound()
    assert post_twilio(SMS, fields, token="another").status_code == 401
    assert post_twilio(SMS, fields, body=changed(urlencode(fields).encode())).status_code == 401
    assert post(SMS, FORM, urlencode(fields)).status_code == 401


def status_path():
    return f"{STATUS}?message_id={uuid.uuid4()}&partition=0"


def status(**change):
    return {
        "MessageSid": f"SM{uuid.uuid4().hex}",
        "MessageStatus": "undelivered",
        "ErrorCode": "30003",
        "AccountSid": env["PROVIDER_SMS_ACCOUNT"],
        "From": "+12016661234",
        "To": "+18045551235",
        **change,
    }


@it("Twilio: a status callback is taken, of a message that there is not (yet), too")
def _():
    assert post_twilio(status_path(), status()).status_code == 204


@it("Twilio: a status callback by another token, or with another byte is 401")
def _():
    path, fields = status_path(), status()
    assert post_twilio(path, fields, token="another").status_code == 401
    assert post_twilio(path, fields, body=changed(urlencode(fields).encode())).status_code == 401


# ---- SendGrid

with open(env["MOCK_EMAIL_PRIVATE_KEY_FILE"], "rb") as file:
    KEY = load_pem_private_key(file.read(), None)
ANOTHER = ec.generate_private_key(ec.SECP256R1())


def post_sendgrid(path, kind, body, by=KEY, signed=None):
    timestamp = str(int(time.time()))
    signature = by.sign(timestamp.encode() + (signed or body), ec.ECDSA(hashes.SHA256()))
    headers = {
        EventWebhookHeader.SIGNATURE: base64.b64encode(signature).decode(),
        EventWebhookHeader.TIMESTAMP: timestamp,
    }
    return post(path, kind, body, headers)


def batch():
    event = {
        "email": "jane@example.com",
        "timestamp": int(time.time()),
        "event": "bounce",
        "type": "blocked",
        "reason": "550 no such user: jané",
        "status": "5.1.1",
        "sg_event_id": uuid.uuid4().hex,
        "sg_message_id": f"{uuid.uuid4().hex}.recvd-1-0",
        "message_id": str(uuid.uuid4()),
        "partition": "0",
    }
    return json.dumps([event], ensure_ascii=False).encode() + b"\r\n"


@it("SendGrid: a batch of events is taken")
def _():
    answer = post_sendgrid(EVENTS, "application/json", batch())
    assert answer.status_code == 204, answer.text


@it("SendGrid: a batch by another key, or with another byte, or without a signature is 401")
def _():
    body = batch()
    assert post_sendgrid(EVENTS, "application/json", body, by=ANOTHER).status_code == 401
    assert post_sendgrid(EVENTS, "application/json", changed(body), signed=body).status_code == 401
    assert post(EVENTS, "application/json", body).status_code == 401


def mail():
    """As Inbound Parse posts it, by the multipart writer of another library than ours."""
    number = uuid.uuid4().hex
    fields = {
        "headers": f"Message-ID: <{number}@mail.example>\nDate: Mon, 30 Nov 2026 09:00:00 +0000\n",
        "from": "Jane <jane.doe@example.com>",
        "to": "Sales <sales@example.com>",
        "subject": "Re: Grüße 😀",
        "text": f"日本 {number}".encode("iso-2022-jp"),
        "envelope": '{"to":["sales@example.com"],"from":"jane.doe@example.com"}',
        "charsets": '{"to":"UTF-8","from":"UTF-8","subject":"UTF-8","text":"iso-2022-jp"}',
        "attachments": "1",
    }
    files = {"attachment1": ("a.bin", bytes(range(256)), "application/octet-stream")}
    request = requests.Request("POST", API, data=fields, files=files).prepare()
    return number, request.headers["Content-Type"], request.body


@it("SendGrid: a mail of Inbound Parse is taken, and read back in UTF-8")
def _():
    number, kind, body = mail()
    answer = post_sendgrid(EMAIL, kind, body)
    assert answer.status_code == 200, answer.text
    until("the mail", lambda: any(item["body"].strip() == f"日本 {number}" for item in thread("jane.doe@example.com")))


@it("SendGrid: a mail by another key, or with another byte, or without a signature is 401")
def _():
    _, kind, body = mail()
    assert post_sendgrid(EMAIL, kind, body, by=ANOTHER).status_code == 401
    assert post_sendgrid(EMAIL, kind, changed(body), signed=body).status_code == 401
    assert post(EMAIL, kind, body).status_code == 401


run()
