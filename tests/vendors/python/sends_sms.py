# SPDX-License-Identifier: MIT
"""Twilio's SDK sends through the mock, reads back, and takes its errors for Twilio's."""

from datetime import datetime, timedelta, timezone

from twilio.base.exceptions import TwilioRestException

from stand import env, it, mock_goes_by, raised, run, twilio_client

client = twilio_client()
SMS = {"from_": "+12016661234", "to": "+18045551234", "body": "Hello"}
MOST_CALLS = 100  # the mock's shares come true within so many


def send(by=client, **change):
    fields = {**SMS, **change}
    return by.messages.create(**{name: value for name, value in fields.items() if value is not None})


@it("an SMS is accepted, with a sid and nothing sent yet")
def _():
    message = send(status_callback="http://127.0.0.1:9/status?message_id=1")
    assert message.sid.startswith("SM") and len(message.sid) == 34, message.sid
    assert (message.status, message.direction) == ("queued", "outbound-api")
    assert (message.from_, message.to, message.body) == (SMS["from_"], SMS["to"], SMS["body"])
    assert (message.num_segments, message.num_media) == ("1", "0")
    assert (message.error_code, message.price, message.date_sent) == (None, None, None)
    assert abs(message.date_created - datetime.now(timezone.utc)) < timedelta(minutes=1), message.date_created


@it("an MMS is accepted, with its media counted")
def _():
    message = send(body=None, media_url=["https://example.com/a.jpg", "https://example.com/b?c=d&e=%20"])
    assert message.sid.startswith("MM"), message.sid
    assert (message.num_media, message.body) == ("2", "")


@it("text beyond ASCII and HTML comes back as it was, its segments counted")
def _():
    body = "Grüße 😀 a&b=c + <b>%41</b>\n" + "😀" * 40
    message = send(body=body)
    assert (message.body, message.num_segments) == (body, "2")


@it("a messaging service is taken beside From")
def _():
    service = "MG" + "0" * 32
    assert send(messaging_service_sid=service).messaging_service_sid == service


@it("an API key authenticates in the token's place")
def _():
    keyed = twilio_client(env["PROVIDER_SMS_KEY_SID"], env["PROVIDER_SMS_KEY_SECRET"])
    assert send(keyed).sid.startswith("SM")


@it("a message is read back by its sid")
def _():
    sent = send(body="read me back")
    read = client.messages(sent.sid).fetch()
    assert (read.sid, read.body, read.from_, read.to) == (sent.sid, sent.body, sent.from_, sent.to)
    assert read.status in ("queued", "sent", "delivered"), read.status


def is_refused(call, status, code):
    error = raised(call, TwilioRestException)
    assert (error.status, error.code) == (status, code), (error.status, error.code, error.msg)
    assert error.msg and str(error).startswith(f"HTTP {status} error: "), str(error)


for what, change, code in (
    ("no recipient", {"to": ""}, 21604),
    ("no sender", {"from_": None}, 21603),
    ("no body and no media", {"body": None}, 21602),
    ("a recipient that is no number", {"to": "jane"}, 21211),
    ("the number that Twilio's test credentials refuse", {"to": "+15005550001"}, 21211),
    ("a sender that is no number", {"from_": "much too long for a sender id"}, 21212),
    ("1,601 characters", {"body": "x" * 1601}, 21617),
    ("11 media", {"media_url": ["https://example.com/a.jpg"] * 11}, 21623),
):
    it(f"400: {what} is {code}")(
        lambda change=change, code=code: is_refused(lambda: send(**change), 400, code)
    )


@it("401: a wrong token is 20003")
def _():
    is_refused(lambda: send(twilio_client(password="wrong")), 401, 20003)


@it("403: a sender that is refused is 20403")
def _():
    mock_goes_by(refused_senders=[SMS["from_"]])
    is_refused(send, 403, 20403)


@it("404: a message that nobody sent is 20404")
def _():
    is_refused(lambda: client.messages("SM" + "0" * 32).fetch(), 404, 20404)


@it("404: a resource that there is not is 20404")
def _():
    is_refused(lambda: client.calls("CA" + "0" * 32).fetch(), 404, 20404)


@it("429: too many calls are 20429, with Retry-After")
def _():
    mock_goes_by(ratelimit_pct=100, retry_after_secs=7)
    is_refused(send, 429, 20429)
    assert client.http_client.headers["Retry-After"] == "7"


@it("5xx: a provider in trouble is 20500 and 20503")
def _():
    mock_goes_by(error_pct=100)
    seen = set()
    for _ in range(MOST_CALLS):
        error = raised(send, TwilioRestException)
        seen.add((error.status, error.code))
        if len(seen) == 2:
            break
    assert seen == {(500, 20500), (503, 20503)}, seen


@it("and takes sends again")
def _():
    mock_goes_by()
    assert send().status == "queued"


run()
