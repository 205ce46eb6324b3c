#!/usr/bin/python3
"""A channel that posts notices as JSON."""

import json
import urllib.error
import urllib.request

import faultline_plugin as faultline

SETTINGS = {}


class Channel(faultline.Channel):
    name = "example"

    def deliver(self, notice):
        body = {"key": notice.key, "to": notice.to, "subject": notice.subject, "body": notice.body, "url": notice.url}
        try:
            urllib.request.urlopen(SETTINGS["url"] + "/messages", data=json.dumps(body).encode(), timeout=20).close()
        except urllib.error.HTTPError as e:
            raise faultline.Failed("post", e.code, retryable=e.code == 429 or e.code >= 500, ambiguous=e.code >= 500)


def configure(settings):
    if not settings.get("url", "").startswith("http"):
        raise ValueError("setting url: an address is needed")
    SETTINGS.update(settings)


faultline.serve(channel=Channel(), configure=configure)
