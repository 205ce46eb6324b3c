"""What a Faultline plugin in Python needs, besides its own code.

Needs Debian's python3-grpcio, python3-protobuf and python3-cryptography. A
plugin subclasses Input, Desk or Channel and calls serve(); one that carries remedies
out begins with faultline_runner; see docs/plugins.md.
"""

import base64
import concurrent.futures
import datetime
import os
import signal
import sys
import tempfile
import threading
import time

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import faultline_plugin_pb2 as pb

VERSION = 1  # of the contracts
COOKIE = ("FAULTLINE_PLUGIN", "c0a7f2f6-plugin")
PART = 10_000  # samples in one message


class Partial(Exception):
    """The target answered, but not all of it could be read."""


class CannotSearch(Exception):
    """The desk has no way to look for a message it may have taken."""


class Failed(Exception):
    """A desk or channel did not take what it was given.

    retryable: the same call may succeed later. ambiguous: it may have been
    taken all the same. hint: what a person can do. retry_after: seconds that the
    desk asks for before the next call.
    """

    def __init__(self, op, cause, retryable=False, ambiguous=False, hint="", retry_after=0):
        super().__init__(f"{op}: {cause}")
        self.wire = pb.Failure(op=op, cause=str(cause), retryable=retryable, ambiguous=ambiguous, hint=hint, retry_after_ms=int(retry_after * 1000))


class Input:
    """Measures targets of one kind. name is lower-case letters, digits, hyphens."""

    name = ""

    def check_target(self, target):
        """Raise ValueError when the target's settings cannot work."""

    def gather(self, target, sink):
        """Read the target once, within target.timeout_ms; raise when it does not
        answer, Partial when it answers in part."""
        raise NotImplementedError


class Desk:
    """Sends tickets. Methods are called from several threads."""

    name = ""

    def send(self, ticket):
        """Take the ticket and return (id, url); raise Failed otherwise."""
        raise NotImplementedError

    def find(self, message_key):
        """Return (id, url) of the message, or None when it is surely not there."""
        raise CannotSearch


class Channel:
    """Delivers notices to people. deliver is called from several threads."""

    name = ""

    def deliver(self, notice):
        """Take the notice; raise Failed otherwise."""
        raise NotImplementedError


class Sink:
    """Takes what a gather finds."""

    def __init__(self):
        self._fresh()
        self.full = []

    def _fresh(self):
        self._part, self._places = pb.GatherPart(), {}

    def _symbol(self, text):
        text = str(text)
        if text not in self._places:
            self._places[text] = len(self._part.symbols)
            self._part.symbols.append(text)
        return self._places[text]

    def sample(self, name, value, labels=None, time_ms=None):
        """Take one value, measured now unless time_ms says when."""
        to = self._part.samples
        all_labels = sorted([("__name__", name), *(labels or {}).items()])
        all_labels = [(n, v) for n, v in all_labels if str(v) != ""]
        to.label_counts.append(len(all_labels))
        for n, v in all_labels:
            to.labels.extend((self._symbol(n), self._symbol(v)))
        to.times.append(int(time.time() * 1000) if time_ms is None else time_ms)
        to.values.append(float(value))
        if len(to.values) >= PART:
            self.flush()

    def block(self, names, rows, time_ms=None):
        """Take a table: rows is a list of (labels, values); None is no value."""
        b = self._part.blocks.add(names=[self._symbol(n) for n in names])
        now = int(time.time() * 1000) if time_ms is None else time_ms
        for labels, values in rows:
            b.row_label_counts.append(len(labels))
            for n, v in sorted(labels.items()):
                b.row_labels.extend((self._symbol(n), self._symbol(v)))
            b.row_times.append(now)
            for v in values:
                if v is None:
                    b.missing.append(len(b.values))
                b.values.append(0.0 if v is None else float(v))

    def event(self, kind, text="", **fields):
        """Take an event; fields are those of the message Event."""
        self._part.events.add(kind=kind, text=text, **fields)

    def flush(self):
        self.full.append(self._part)
        self._fresh()

    def finish(self, error="", partial=False):
        self._part.outcome.error, self._part.outcome.partial = error, partial
        self._part.outcome.SetInParent()
        self.flush()
        return self.full


def log(level, text):
    """Write a line to the host's log; level is DEBUG, INFO, WARN or ERROR."""
    print(f"[{level}] {text}", file=sys.stderr, flush=True)


class _Busy:
    """Keeps one target from being measured twice at once."""

    def __init__(self):
        self._lock, self._ids = threading.Lock(), set()

    def begin(self, target_id):
        with self._lock:
            if target_id in self._ids:
                return False
            self._ids.add(target_id)
            return True

    def end(self, target_id):
        with self._lock:
            self._ids.discard(target_id)


class _Calls:
    """The calls of all contracts, by gRPC method."""

    def __init__(self, served, version, configure):
        self.served, self.version, self.configure_with, self.busy = served, version, configure, _Busy()

    def describe(self, _request, _context):
        first = next(iter(self.served.values()))
        return pb.DescribeReply(name=first.name, version=self.version, contracts=list(self.served),
                                updates=hasattr(self.served.get("ticket"), "updates"), checks="input" in self.served)

    def configure(self, request, _context):
        try:
            if self.configure_with:
                self.configure_with(dict(request.settings))
            elif request.settings:
                return pb.ConfigureReply(error="this plugin takes no settings")
        except (ValueError, KeyError, OSError) as e:
            return pb.ConfigureReply(error=str(e) or repr(e))
        return pb.ConfigureReply()

    def check_target(self, request, _context):
        try:
            self.served["input"].check_target(request.target)
        except ValueError as e:
            return pb.CheckTargetReply(error=str(e) or "refused")
        return pb.CheckTargetReply()

    def gather(self, request, context):
        if not self.busy.begin(request.target.id):
            context.abort(grpc.StatusCode.UNAVAILABLE, f"target {request.target.id}: the reading before this one has not ended")
        sink, error, partial = Sink(), "", False
        try:
            self.served["input"].gather(request.target, sink)
        except Partial as e:
            error, partial = str(e) or "partial", True
        except Exception as e:  # whatever the plugin's own code raises is about the target
            error = f"{type(e).__name__}: {e}"
        finally:  # before the outcome goes out: who has it may ask again
            self.busy.end(request.target.id)
        yield from sink.finish(error, partial)

    def send(self, request, _context):
        try:
            ref = self.served["ticket"].send(request)
            return pb.SendReply(ref=pb.Ref(id=ref[0], url=ref[1]))
        except Exception as e:
            return pb.SendReply(failure=_failure(e))

    def find(self, request, _context):
        try:
            ref = self.served["ticket"].find(request.message_key)
        except CannotSearch:
            return pb.FindReply(cannot_search=True)
        except Exception as e:
            return pb.FindReply(failure=_failure(e))
        return pb.FindReply(found=True, ref=pb.Ref(id=ref[0], url=ref[1])) if ref else pb.FindReply()

    def updates(self, request, _context):
        try:
            found, following = self.served["ticket"].updates(request.cursor)
            return pb.UpdatesReply(updates=found, next=following)
        except Exception as e:
            return pb.UpdatesReply(failure=_failure(e))

    def deliver(self, request, _context):
        try:
            self.served["notify"].deliver(request)
        except Exception as e:
            return pb.DeliverReply(failure=_failure(e))
        return pb.DeliverReply()


def _failure(e):
    """What is not said to be harmless may have been taken all the same."""
    return e.wire if isinstance(e, Failed) else pb.Failure(op="plugin", cause=f"{type(e).__name__}: {e}", retryable=True, ambiguous=True)


def _service(name, methods):
    handlers = {}
    for method, (call, request) in methods.items():
        make = grpc.unary_stream_rpc_method_handler if method in ("Gather", "Run") else grpc.unary_unary_rpc_method_handler
        handlers[method] = make(call, request_deserializer=request.FromString, response_serializer=lambda m: m.SerializeToString())
    return grpc.method_handlers_generic_handler("faultline.plugin.v1." + name, handlers)


def _plain(service, method, answer):
    """A method whose request says nothing and whose answer is always the same."""
    h = grpc.unary_unary_rpc_method_handler(answer, request_deserializer=lambda b: b, response_serializer=lambda b: b)
    return grpc.method_handlers_generic_handler(service, {method: h})


def _certificate():
    """A key and a certificate for this run only."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.utcnow()
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5)).not_valid_after(now + datetime.timedelta(days=3650))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256()))
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()), cert


def serve(input=None, desk=None, channel=None, runner=None, version="", configure=None):
    """Run the plugin until the host ends it."""
    if os.environ.get(COOKIE[0]) != COOKIE[1]:
        sys.exit("This program is a Faultline plugin: the agent or the collector starts it (docs/plugins.md).")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    served = {c: s for c, s in (("input", input), ("ticket", desk), ("notify", channel), ("remedy", runner)) if s is not None}
    calls, done = _Calls(served, version, configure), threading.Event()
    handlers = [_service("Plugin", {"Describe": (calls.describe, pb.DescribeRequest), "Configure": (calls.configure, pb.ConfigureRequest)}),
                _plain("grpc.health.v1.Health", "Check", lambda _b, _c: b"\x08\x01"),
                _plain("plugin.GRPCController", "Shutdown", lambda _b, _c: done.set() or b"")]
    if input is not None:
        handlers.append(_service("Input", {"CheckTarget": (calls.check_target, pb.CheckTargetRequest), "Gather": (calls.gather, pb.GatherRequest)}))
    if desk is not None:
        handlers.append(_service("Ticket", {"Send": (calls.send, pb.SendRequest), "Find": (calls.find, pb.FindRequest), "Updates": (calls.updates, pb.UpdatesRequest)}))
    if channel is not None:
        handlers.append(_service("Notify", {"Deliver": (calls.deliver, pb.DeliverRequest)}))
    if runner is not None:
        handlers.append(_service("Remedy", runner.calls()))
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=16)
    server = grpc.server(pool, options=[("grpc.max_receive_message_length", 64 << 20), ("grpc.max_send_message_length", 64 << 20)])
    server.add_generic_rpc_handlers(handlers)
    key, cert = _certificate()
    credentials = grpc.ssl_server_credentials([(key, cert.public_bytes(serialization.Encoding.PEM))],
                                              root_certificates=os.environ["PLUGIN_CLIENT_CERT"].encode(), require_client_auth=True)
    directory = os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or tempfile.mkdtemp()
    path = os.path.join(directory, "plugin.sock")
    if server.add_secure_port("unix:" + path, credentials) == 0:
        sys.exit(f"cannot listen on {path}")
    server.start()
    der = base64.b64encode(cert.public_bytes(serialization.Encoding.DER)).decode().rstrip("=")
    print(f"1|{VERSION}|unix|{path}|grpc|{der}", flush=True)
    done.wait()
    server.stop(1).wait(2)
