#!/usr/bin/env python3
"""The scripts that judge the tree and the tests, shown trees and reports that are wrong."""

import importlib.machinery
import importlib.util
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"


def load(name):
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(SCRIPTS / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


class CheckLayers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        self.write("CMakeLists.txt", "set(BERTH_LAYERS\n  base net world http dev)\n")
        self.write("src/base/CMakeLists.txt", "berth_layer(base)\n")
        self.write("src/net/CMakeLists.txt", "berth_layer(net USES base)\n")
        self.write("src/world/CMakeLists.txt", "berth_layer(world USES net LINKS fmt::fmt)\n")
        self.write("src/http/CMakeLists.txt", "berth_layer(http USES base)\n")
        self.write("src/dev/CMakeLists.txt", "berth_layer(dev USES base http world)\n")
        self.write("src/net/cidr.cpp", '#include "base/result.h"\n#include <vector>\n')

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def complaints(self):
        done = subprocess.run([sys.executable, SCRIPTS / "check-layers", self.root], capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        return [] if done.returncode == 0 else done.stdout.splitlines()

    def test_a_tree_in_order(self):
        self.write("src/world/world.cpp", '#include "base/result.h"\n')  # linked through net
        self.assertEqual(self.complaints(), [])

    def test_an_include_upwards(self):
        self.write("src/net/bad.cpp", '#include "world/world.h"\n')
        self.assertEqual(self.complaints(), ["src/net/bad.cpp: includes world/world.h, but world stands above net"])

    def test_an_include_of_what_is_not_linked(self):
        self.write("src/http/bad.h", '#include "net/cidr.h"\n')
        self.assertEqual(self.complaints(),
                         ["src/http/bad.h: includes net/cidr.h, but src/http/CMakeLists.txt does not link net"])

    def test_a_link_upwards_and_a_folder_without_a_place(self):
        self.write("src/net/CMakeLists.txt", "berth_layer(net USES base world)\n")
        self.write("src/other/x.cpp", "")
        complaints = "\n".join(self.complaints())
        self.assertIn("src/other: not in BERTH_LAYERS", complaints)
        self.assertIn("src/net/CMakeLists.txt: USES world, which does not stand before net", complaints)

    def test_slow_headers(self):
        self.write("src/http/inner.h", "#include <boost/beast/core.hpp>\n")
        self.assertEqual(self.complaints(), [])
        self.write("src/dev/x.cpp", '#include "http/inner.h"\n')
        self.assertIn("src/http/inner.h: includes <boost/beast/core.hpp>, which is slow to compile, and src/dev/x.cpp",
                      self.complaints()[0])
        self.write("src/dev/x.cpp", "#include <curl/curl.h>\n")
        self.assertEqual(self.complaints(), ["src/dev/x.cpp: <curl/curl.h> belongs into src/http"])

    def test_the_witness_shares_no_code(self):
        self.write("src/dev/demo/eyes.cpp", '#include "world/world.h"\n')
        self.assertEqual(self.complaints(),
                         ["src/dev/demo/eyes.cpp: includes world/world.h; dev/demo shares no code with world"])


class CheckScenarios(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        (self.root / "docs").mkdir()
        (self.root / "test/scenarios").mkdir(parents=True)
        (self.root / "test/scenarios/a.yaml").write_text("scenario: one\nclaim: x\n---\nscenario: two\nclaim: y\n")

    def complaints(self, *rows):
        table = ["| where | rule | support | proof |", "| --- | --- | --- | --- |", *rows]
        (self.root / "docs/compatibility.md").write_text("# T\n\n" + "\n".join(table) + "\n")
        done = subprocess.run([sys.executable, SCRIPTS / "check-scenarios", self.root], capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        return [] if done.returncode == 0 else done.stdout.splitlines()

    def test_all_named(self):
        self.assertEqual(self.complaints("| S1 | a | supported | `one` |", "| S2 | b | improved: so | `one`, `two` |",
                                         "| S3 | c | later | |", "| S4 | d | supported | `docs/compatibility.md` |"), [])

    def test_a_scenario_that_is_not_there_and_one_left_out(self):
        self.assertEqual(self.complaints("| S1 | a | supported | `one`, `three` |"),
                         ["docs/compatibility.md:5: there is no scenario three",
                          "test/scenarios/a.yaml: scenario two is not named in docs/compatibility.md"])

    def test_rows_that_say_too_little(self):
        complaints = "\n".join(self.complaints("| S1 | a | supported | |", "| S2 | b | improved | `one` |",
                                               "| S3 | c | `two` |", "| S4 | d | supported | `two`, `no/file` |"))
        self.assertIn(":5: nothing proves it", complaints)
        self.assertIn(":6: \"improved\" is not supported", complaints)
        self.assertIn(":7: 3 cells instead of 4", complaints)
        self.assertIn(":8: there is no file no/file", complaints)


REPORT = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="4" failures="1" disabled="1" name="AllTests">
  <testsuite name="A" tests="4">
    <testcase name="Good" status="run" result="completed" />
    <testcase name="Bad" status="run" result="completed"><failure message="a.cpp:1&#x0A;no" type=""></failure></testcase>
    <testcase name="Left" status="run" result="skipped"><skipped message="a.cpp:7&#x0A;no root here&#x0A;" /></testcase>
    <testcase name="Off" status="notrun" result="suppressed" />
  </testsuite>
</testsuites>
"""


class RunTests(unittest.TestCase):
    def setUp(self):
        self.script = load("run-tests")

    def read(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(text)
            file.flush()
            outcome = self.script.Outcome("entry")
            return self.script.read_report(file.name, outcome), outcome

    def test_cases_are_counted_one_by_one(self):
        there, outcome = self.read(REPORT)
        self.assertTrue(there)
        self.assertEqual(outcome.passed, ["A.Good"])
        self.assertEqual([name for name, _ in outcome.failed], ["A.Bad"])
        self.assertEqual(outcome.skipped, [("A.Left", "no root here"), ("A.Off", "disabled")])

    def test_a_failure_is_told_whole(self):
        outcome = self.read(REPORT)[1]
        said = self.script.explain(outcome)
        self.assertEqual(said[0], "     failed: A.Bad")
        self.assertGreater(len(said), 1)
        outcome.failed = [("A.Long", "\n".join(str(n) for n in range(50)))]
        said = self.script.explain(outcome, most=3)
        self.assertEqual(said[1:], ["     | 0", "     | 1", "     | 2", "     | (47 more lines in the report)"])

    def test_a_torn_report_is_none(self):
        self.assertFalse(self.read(REPORT[:200])[0])
        self.assertFalse(self.script.read_report("/nonexistent", self.script.Outcome("x")))


if __name__ == "__main__":
    unittest.main()
