#!/usr/bin/python3
"""A desk that posts tickets as JSON and finds them by their key."""

import json
import urllib.error
import urllib.parse
import urllib.request

import faultline_plugin as faultline

SETTINGS = {}


def call(path, body=None):
    """Return (status, JSON of the answer or None)."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(SETTINGS["url"] + path, data=data), timeout=20) as r:
            return r.status, json.load(r)
    except urllib.error.HTTPError as e:
        return e.code, None


class Desk(faultline.Desk):
    name = "example"

    def send(self, ticket):
        status, answer = call("/messages", {"key": ticket.message_key, "subject": ticket.subject, "body": ticket.body})
        if status != 201:
            raise faultline.Failed("post", status, retryable=status == 429 or status >= 500, ambiguous=status >= 500)
        return answer["id"], answer["url"]

    def find(self, message_key):
        status, answer = call("/messages?key=" + urllib.parse.quote(message_key))
        if status not in (200, 404):
            raise faultline.Failed("search", status, retryable=True)
        return (answer["id"], answer["url"]) if answer else None


def configure(settings):
    if not settings.get("url", "").startswith("http"):
        raise ValueError("setting url: an address is needed")
    SETTINGS.update(settings)


faultline.serve(desk=Desk(), configure=configure)
