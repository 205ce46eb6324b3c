#!/usr/bin/python3
"""A thermometer that answers one line over TCP: "21.5 43", degrees and percent."""

import re
import socket

import faultline_plugin as faultline


class Meter(faultline.Input):
    name = "meter"

    def check_target(self, target):
        if not re.fullmatch(r".+:\d+", target.address):
            raise ValueError(f"address {target.address!r} is not host:port")

    def gather(self, target, sink):
        host, port = target.address.rsplit(":", 1)
        with socket.create_connection((host.strip("[]"), int(port)), timeout=target.timeout_ms / 1000) as s:
            line = s.makefile().readline().split()
        if not line:
            raise OSError("the meter closed the connection without a word")
        sink.sample("meter_temperature_celsius", float(line[0]), {"sensor": "room"})
        if len(line) < 2:
            raise faultline.Partial("no humidity in the answer")
        sink.sample("meter_humidity_percent", float(line[1]), {"sensor": "room"})


faultline.serve(input=Meter())
