#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names the tests of a build folder's last run that did not pass, each with
the end of what it printed, so that the last lines of a long log are enough to
know what broke.

usage: failures.py BUILD-FOLDER
"""
import json
import pathlib
import sys

GOOD = {"OK", "SKIP", "EXPECTEDFAIL"}
LINES = 25


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    log = folder / "meson-logs" / "testlog.json"
    if not log.exists():
        return
    for line in log.read_text(errors="replace").splitlines():
        test = json.loads(line)
        if test["result"] in GOOD:
            continue
        print(f"  {test['result']} {test['name']} ({test['duration']:.0f} s)")
        said = test.get("stdout", "") + test.get("stderr", "")
        for tail in said.splitlines()[-LINES:]:
            print(f"    | {tail}")


main()
