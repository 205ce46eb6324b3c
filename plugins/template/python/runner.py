#!/usr/bin/python3
"""A runner of programs: the remedy NAME is the program NAME of a directory, which
is handed --check in a dry run and parameters as variables PARAM_NAME."""

import hashlib
import os
import tempfile

import faultline_plugin as faultline
import faultline_runner

SETTINGS = {}


class Runner(faultline_runner.Runner):
    name = "example"

    def prepare(self, order):
        with open(os.path.join(SETTINGS["scripts"], order.remedy), "rb") as f:
            text = f.read()
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        env.update({"PARAM_" + name.upper(): value for name, value in order.parameters.items()})

        def job(out, stop):  # what was hashed is what runs
            with tempfile.TemporaryDirectory() as directory:
                program = os.path.join(directory, order.remedy)
                with open(program, "wb") as f:
                    f.write(text)
                os.chmod(program, 0o700)
                return faultline_runner.execute([program] + ["--check"] * order.dry_run, env, out, stop)

        return "sha256:" + hashlib.sha256(text).hexdigest(), job


runner = Runner()


def configure(settings):
    if not all(os.path.isabs(settings.get(k, "")) for k in ("scripts", "book")):
        raise ValueError("settings scripts and book: absolute paths of directories are needed")
    SETTINGS.update(settings)
    runner.open(settings["book"])


faultline.serve(runner=runner, configure=configure)
