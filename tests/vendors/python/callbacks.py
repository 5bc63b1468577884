# SPDX-License-Identifier: MIT
"""What the mock has posted so far, the vendors' own verifiers take; and nothing of it that differs by a byte."""

import base64
import json
from urllib.parse import parse_qsl, urlsplit

from sendgrid.helpers.eventwebhook import EventWebhook, EventWebhookHeader
from twilio.request_validator import SIGNATURE_HEADER, RequestValidator

from stand import env, it, run


def posts(path):
    with open(env["POSTS"], encoding="utf-8") as record:
        found = [post for post in map(json.loads, record) if urlsplit(post["url"]).path == path]
    assert found, f"the mock has posted nothing to {path}"
    return found


def header(post, name):
    return post["headers"][name.lower()]


def forms_are_valid(path):
    validator = RequestValidator(env["WEBHOOK_SMS_SECRET"])
    for post in posts(path):
        url = env["WEBHOOK_PUBLIC_URL"] + post["url"]
        form = dict(parse_qsl(base64.b64decode(post["body"]).decode(), keep_blank_values=True))
        signature = header(post, SIGNATURE_HEADER)
        assert validator.validate(url, form, signature), (url, form)
        assert not validator.validate(url, {**form, "To": form["To"] + "0"}, signature)
        assert not validator.validate(url + "&x", form, signature)


@it("Twilio's validator takes a status callback of the mock's, and none with another byte or URL")
def _():
    forms_are_valid("/api/webhooks/sms/status")


@it("Twilio's validator takes an inbound message of the mock's, and none with another byte or URL")
def _():
    forms_are_valid("/api/webhooks/sms")


@it("SendGrid's verifier takes the mock's batches of events, and none with another byte")
def _():
    verifier = EventWebhook(env["WEBHOOK_EMAIL_PUBLIC_KEY"])
    for post in posts("/api/webhooks/email/events"):
        body = base64.b64decode(post["body"]).decode()
        signature, timestamp = (header(post, name) for name in (EventWebhookHeader.SIGNATURE, EventWebhookHeader.TIMESTAMP))
        assert verifier.verify_signature(body, signature, timestamp), body
        assert not verifier.verify_signature(body + " ", signature, timestamp)
        assert not verifier.verify_signature(body, signature, timestamp + "0")


run()
