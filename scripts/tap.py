# SPDX-License-Identifier: GPL-2.0
"""Results of tests, for scripts/ktap.awk. The plan comes last: without it there
were more."""
import sys


class Tap:
    def __init__(self):
        self.number = 0
        self.failed = False

    def check(self, name, wrong):
        """One test; @wrong lists what is, if anything."""
        self.number += 1
        self.failed |= bool(wrong)
        print("%s %d - %s" % ("not ok" if wrong else "ok", self.number, name))
        for what in wrong[:10]:
            print("#", what)

    def end(self):
        print("1..%d" % self.number)
        sys.exit(self.failed)
