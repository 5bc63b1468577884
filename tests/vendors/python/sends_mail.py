# SPDX-License-Identifier: MIT
"""SendGrid's SDK sends through the mock, and takes its errors for SendGrid's."""

from python_http_client.exceptions import (
    BadRequestsError,
    ForbiddenError,
    HTTPError,
    InternalServerError,
    MethodNotAllowedError,
    NotFoundError,
    ServiceUnavailableError,
    TooManyRequestsError,
    UnauthorizedError,
)
from sendgrid.helpers.mail import Attachment, Content, CustomArg, From, Mail, ReplyTo, To

from stand import it, mock_goes_by, raised, run, sendgrid_client

client = sendgrid_client()
MAIL = {
    "from_email": "sales@example.com",
    "to_emails": "jane@example.com",
    "subject": "Hello",
    "plain_text_content": "Hello",
}
MOST_CALLS = 100  # the mock's shares come true within so many


def mail(**change):
    return Mail(**{**MAIL, **change})


def is_accepted(message):
    answer = client.send(message)
    assert (answer.status_code, answer.body) == (202, b""), (answer.status_code, answer.body)
    assert answer.headers["X-Message-Id"]
    return answer.headers["X-Message-Id"]


@it("a mail is accepted, with an id and an empty body")
def _():
    is_accepted(mail())


@it("each mail has an id of its own")
def _():
    assert is_accepted(mail()) != is_accepted(mail())


@it("text and HTML, a name, an attachment, arguments and another address for answers are accepted")
def _():
    message = mail(
        from_email=From("sales@example.com", 'Grüße, "Sales" 😀'),
        to_emails=[To("jane@example.com", "Jane"), To("jd@bücher.example")],
        subject="Grüße 😀",
        html_content="<p>Hello <b>Jane</b></p>",
    )
    message.reply_to = ReplyTo("desk@example.com")
    message.custom_arg = [CustomArg("message_id", "01a213e4-8ece-70dc-b91a-82a9e294035c"), CustomArg("partition", "0")]
    message.attachment = Attachment("aGVsbG8=", "hello.txt", "text/plain", "attachment")
    is_accepted(message)


@it("HTML alone is accepted")
def _():
    is_accepted(mail(plain_text_content=None, html_content="<p>Hello</p>"))


def is_refused(call, kind, field):
    error = raised(call, HTTPError)
    assert type(error) is kind, f"{type(error).__name__}: {error.body}"
    first = error.to_dict["errors"][0]
    assert first["message"] and first["field"] == field and "help" in first, first
    return error


@it("400: a mail without a subject is refused for it")
def _():
    is_refused(lambda: client.send(mail(subject=None)), BadRequestsError, "subject")


@it("400: a recipient that is no address is refused for it")
def _():
    is_refused(lambda: client.send(mail(to_emails="jane@-example.com")), BadRequestsError, "personalizations.0.to.0.email")


@it("400: a sender that is no address is refused for it")
def _():
    is_refused(lambda: client.send(mail(from_email="sales")), BadRequestsError, "from.email")


@it("400: HTML before text is refused for it")
def _():
    message = mail(plain_text_content=None).get()
    message["content"] = [Content("text/html", "<p>Hello</p>").get(), Content("text/plain", "Hello").get()]
    is_refused(lambda: client.send(message), BadRequestsError, "content")


@it("401: a wrong key")
def _():
    is_refused(lambda: sendgrid_client("SG.wrong").send(mail()), UnauthorizedError, None)


@it("403: a sender that is refused")
def _():
    mock_goes_by(refused_senders=[MAIL["from_email"]])
    is_refused(lambda: client.send(mail()), ForbiddenError, "from")


@it("404: a resource that there is not")
def _():
    error = raised(lambda: client.client.nothing.get(), NotFoundError)
    assert error.to_dict["errors"][0]["message"]


@it("405: a method that the resource lacks")
def _():
    error = raised(lambda: client.client.mail.send.get(), MethodNotAllowedError)
    assert error.to_dict["errors"][0]["message"]


@it("429: too many calls, with when to come again")
def _():
    mock_goes_by(ratelimit_pct=100, retry_after_secs=7)
    error = is_refused(lambda: client.send(mail()), TooManyRequestsError, None)
    assert error.headers["Retry-After"] == "7"


@it("5xx: a provider in trouble")
def _():
    mock_goes_by(error_pct=100)
    seen = set()
    for _ in range(MOST_CALLS):
        seen.add(type(raised(lambda: client.send(mail()), HTTPError)))
        if len(seen) == 2:
            break
    assert seen == {InternalServerError, ServiceUnavailableError}, seen


@it("and takes mails again")
def _():
    mock_goes_by()
    is_accepted(mail())


run()
