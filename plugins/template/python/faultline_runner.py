"""What a Faultline plugin in Python needs that carries remedies out, beside
faultline_plugin: the promise that what was begun is never begun again."""

import errno
import fcntl
import hashlib
import json
import os
import queue
import re
import signal
import subprocess
import threading
import time

import faultline_plugin as faultline
import faultline_plugin_pb2 as pb


class Runner:
    """Carries remedies out, each order once. Methods are called from several
    threads. book is the directory that remembers what was begun."""

    name = ""

    def prepare(self, order):
        """Return (pin, job): a checksum of all that the remedy is made of, and a
        function job(out, stop) that carries it out, gives what is printed to
        out(text), ends everything it started when the event stop is set, and
        returns (state, summary, changed); state is done, failed or stopped, summary
        one line, or a pair of the same line in English and Chinese. Change nothing here; raise ValueError when there is no such remedy."""
        raise NotImplementedError

    def open(self, directory):
        """Take the directory as the book, for this process alone."""
        self.book = _Book(directory)

    def calls(self):
        """The gRPC methods of the contract."""
        return {"Run": (self._run, pb.RunRequest), "FindRun": (self._find, pb.FindRunRequest)}

    def _find(self, request, _context):
        try:
            found = self.book.find(request.key)
        except Exception as e:
            return pb.FindRunReply(failure=faultline._failure(e))
        return pb.FindRunReply(found=True, outcome=found) if found else pb.FindRunReply()

    def _run(self, request, context):
        parts, stop, done = queue.Queue(256), threading.Event(), threading.Event()
        if not context.add_callback(stop.set):
            stop.set()
        if request.timeout_ms > 0:
            timer = threading.Timer(request.timeout_ms / 1000, stop.set)
            timer.daemon = True
            timer.start()
            context.add_callback(timer.cancel)

        def say(part, patience=0.2):
            while True:
                try:
                    return parts.put(part, timeout=patience)
                except queue.Full:  # nobody listens to a run that was left
                    if stop.is_set():
                        return None

        def work():
            try:
                say(pb.RunPart(outcome=self._carry_out(request, say, stop)), 30)
            except Exception as e:
                say(pb.RunPart(failure=faultline._failure(e)), 30)
            done.set()

        threading.Thread(target=work, daemon=True).start()
        while not (done.is_set() and parts.empty()):
            try:
                yield parts.get(timeout=0.1)
            except queue.Empty:
                pass

    def _carry_out(self, order, say, stop):
        _check(order)
        if not self.book.begin(order.key):
            raise faultline.Failed("order", "it is being carried out", ambiguous=True)
        try:
            kept = self.book.find(order.key)
            if kept and kept.state == "begun":
                raise faultline.Failed("order", "it was begun before, and nobody knows how it ended", ambiguous=True, hint="look at what it was to change")
            if kept:
                return kept
            try:
                pin, job = self.prepare(order)
            except (ValueError, OSError) as e:
                raise faultline.Failed("order", e) from e
            if order.pin and order.pin != pin:
                raise faultline.Failed("order", "the remedy has changed since its dry run", hint="propose it again")
            try:
                self.book.write(order.key, pb.RunOutcome(state="begun", pin=pin))
            except OSError as e:
                raise faultline.Failed("book", e, hint="look at the directory of the setting book") from e
            try:
                state, summary, changed = job(lambda text: text and say(pb.RunPart(output=text)), stop)
            except Exception as e:
                state, summary, changed = "failed", f"{type(e).__name__}: {e}", 0
            summary, summary_zh = (summary, "") if isinstance(summary, str) else summary
            outcome = pb.RunOutcome(state=state, summary=summary, summary_zh=summary_zh, changed=changed, pin=pin)
            self.book.write(order.key, outcome)
            return outcome
        finally:
            self.book.end(order.key)


def _started(args, env):
    """A program that was just written may be held open for an instant by a process
    that begins beside us."""
    for left in range(100, -1, -1):
        try:
            return subprocess.Popen(args, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        except OSError as e:
            if e.errno != errno.ETXTBSY or not left:
                raise
            time.sleep(0.005)


def execute(args, env, out, stop):
    """Run a program without a shell, in a process group of its own, and return
    (state, summary, changed); when stop is set its whole group is ended."""
    with _started(args, env) as p:
        ended = threading.Event()

        def watch():
            while not ended.is_set():
                if stop.wait(0.05):
                    os.killpg(p.pid, signal.SIGKILL)
                    return

        watcher = threading.Thread(target=watch)
        watcher.start()
        while part := os.read(p.stdout.fileno(), 32768):
            out(part.decode("utf-8", "replace"))
        os.waitid(os.P_PID, p.pid, os.WEXITED | os.WNOWAIT)
        ended.set()  # before it is reaped: its number is still its own
        watcher.join()
        code = p.wait()
    if stop.is_set():
        return "stopped", ("ended in the middle: some of it may have been done", "中途终止：部分操作可能已执行"), 0
    if code != 0:
        return "failed", (f"the program ended with {code}", f"程序退出码 {code}"), 0
    return "done", ("the program went through", "程序执行完成"), 1


class _Book:
    """Remembers on disk what was begun, and how it ended."""

    def __init__(self, directory):
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self._directory, self._running, self._guard = directory, set(), threading.Lock()
        self._lock = open(os.path.join(directory, "lock"), "w")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _file(self, key):
        return os.path.join(self._directory, hashlib.sha256(key.encode()).hexdigest() + ".json")

    def find(self, key):
        try:
            with open(self._file(key), encoding="utf-8") as f:
                page = json.load(f)
        except FileNotFoundError:
            return None
        return pb.RunOutcome(state=page["state"], summary=page["summary"], summary_zh=page.get("summary_zh", ""), changed=page["changed"], pin=page["pin"])

    def write(self, key, outcome):
        """Keep the page, on disk before anything else is done."""
        text = json.dumps({"key": key, "state": outcome.state, "summary": outcome.summary, "summary_zh": outcome.summary_zh, "changed": outcome.changed, "pin": outcome.pin})
        path = self._file(key)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        os.replace(path + ".new", path)
        fd = os.open(self._directory, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)

    def begin(self, key):
        """Tell whether nobody is at the order with this key."""
        with self._guard:
            free = key not in self._running
            self._running.add(key)
            return free

    def end(self, key):
        with self._guard:
            self._running.discard(key)


def _check(order):
    """Refuse orders of no form: names become files' names."""
    if not order.key or not re.fullmatch("[a-z][a-z0-9-]{0,39}", order.remedy):
        raise faultline.Failed("order", f"{order.remedy!r} is no name of a remedy, or the order has no key")
    for name, value in order.parameters.items():
        if not re.fullmatch("[a-z][a-z0-9_]{0,39}", name) or len(value.encode()) > 4096 or re.search("[\x00-\x1f\x7f-\x9f]", value):
            raise faultline.Failed("order", f"parameter {name!r} is no word of a-z, 0-9 and _, or its value is no plain text")
