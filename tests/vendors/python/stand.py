# SPDX-License-Identifier: MIT
"""What the scripts share: where the programs are, the SDKs' clients turned to the mock, the mock's configuration, tests."""

import json
import os
import random
import sys
import textwrap
import time
import traceback
from urllib.parse import urlsplit

import requests
from sendgrid import SendGridAPIClient
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

env = os.environ
MOCK = f"http://127.0.0.1:{env['MOCK_PROVIDER_PORT']}"
API = f"http://127.0.0.1:{env['PORT']}"
DEADLINE_SECS = 30


class ToMock(TwilioHttpClient):
    """The SDK names its own host; all else of the request stays as it made it. Keeps the last answer's headers."""

    def request(self, method, url, *arguments, **more):
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        answer = super().request(method, f"{MOCK}{parts.path}{query}", *arguments, **more)
        self.headers = answer.headers
        return answer


def twilio_client(user=env["PROVIDER_SMS_ACCOUNT"], password=env["PROVIDER_SMS_TOKEN"]):
    return Client(user, password, env["PROVIDER_SMS_ACCOUNT"], http_client=ToMock())


def sendgrid_client(key=env["PROVIDER_EMAIL_TOKEN"]):
    return SendGridAPIClient(api_key=key, host=MOCK)


def until(what, tell):
    """What `tell` returns once it is neither None nor False."""
    end = time.monotonic() + DEADLINE_SECS
    while time.monotonic() < end:
        told = tell()
        if told is not None and told is not False:
            return told
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {DEADLINE_SECS} s")


def mock_goes_by(**change):
    """Has the mock behave so, and waits until it does: the seed, another each time, stands in what it logs then."""
    seed = random.randrange(2**40)
    config = {"timeout_pct": 0, "error_pct": 0, "ratelimit_pct": 0, "seed": seed, **change}
    answer = requests.put(f"{API}/api/provider/mock/config", json=config, timeout=DEADLINE_SECS)
    assert answer.status_code == 200, answer.text
    with open(env["MOCK_LOG"], encoding="utf-8") as log:
        until("the mock goes by it", lambda: log.seek(0) or f'"seed":{seed},' in log.read())


def raised(call, kind):
    """The exception of that kind which the call must raise."""
    try:
        taken = call()
    except kind as error:
        return error
    raise AssertionError(f"taken: {taken}")


tests = []


def it(sentence):
    """Makes a test of the function below it."""

    def add(check):
        tests.append((sentence, check))
        return check

    return add


def run():
    """Runs them in their order; a line each."""
    failed = False
    for sentence, check in tests:
        try:
            check()
            print(f"ok: {sentence}")
        except Exception:  # whatever it is, it is this test's failure
            failed = True
            print(f"FAILED: {sentence}\n{textwrap.indent(traceback.format_exc(), '    ')}")
    sys.exit(failed)
