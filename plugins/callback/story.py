# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: story
type: stdout
short_description: One line for each check, with what was found where it failed, and the verdict
version_added: 0.1.0
description:
  - Shows what was judged rather than which tasks ran, by phases and steps. A task is shown only if it failed, and with
    C(-v) always; with C(--diff), what it changes.
  - Each failure is shown once, when it happens. The end names what never came, and says of each stream how many of
    its checks passed. The verdict is the last line.
  - What is waited for is named every 10 seconds.
author:
  - The mcast.lab authors (!UNKNOWN)
requirements:
  - Set it as stdout in configuration, that is, C(stdout_callback = mcast.lab.story).
extends_documentation_fragment:
  - result_format_callback
options:
  quiet:
    description: Show the verdict alone, and of a run without a verdict its errors.
    type: bool
    default: false
    env:
      - name: MCAST_QUIET
"""

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ansible import constants as C
from ansible.plugins.callback import CallbackBase

from ..plugin_utils import neutral, task_result

if TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.playbook.task import Task

_COLOURS = {"pass": C.COLOR_OK, "warning": C.COLOR_WARN, "fail": C.COLOR_ERROR, "missing": C.COLOR_ERROR}

_STREAMS = 20  # lines of the summary


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "mcast.lab.story"

    def __init__(self) -> None:
        super().__init__()
        self._verdict: tuple[str, bool] | None = None
        self._incomplete: list[str] = []
        self._phase = ""
        self._streams: dict[str, list[bool]] = {}  # whether each of its checks passed
        self._errors: list[str] = []

    # what happens

    def v2_playbook_on_task_start(self, task: Task, is_conditional: bool) -> None:
        if self._display.verbosity:
            self._say(f"task: {task.get_name()}", C.COLOR_VERBOSE)

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        self._handle_warnings(result.result)
        if not self._is_shown(result) or self._display.verbosity:
            self._shown(result)

    def v2_runner_item_on_ok(self, result: CallbackTaskResult) -> None:
        self._handle_warnings(result.result)
        self._shown(result)

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        self._handle_warnings(result.result)
        if not self._is_shown(result):
            self._trouble("error", result)

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        self._handle_warnings(result.result)
        self._trouble("unreachable", result)

    def v2_runner_item_on_failed(self, result: CallbackTaskResult) -> None:
        self._handle_warnings(result.result)
        self._trouble("error", result)

    def v2_on_file_diff(self, result: CallbackTaskResult) -> None:
        if result.result.get("changed") and result.result.get("diff"):
            diff = self._get_diff(result.result["diff"]).rstrip()
            self._say(f"diff    {result.host.get_name()}: {result.task.get_name()}\n{diff}")

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        for text in self._incomplete:
            self._say(text, C.COLOR_ERROR)
        for text, colour in self._summary():
            self._say(text, colour)
        if self._verdict:
            line, passed = self._verdict
            self._print(line, C.COLOR_OK if passed else C.COLOR_ERROR)
        elif self.get_option("quiet"):
            for text in self._errors:
                self._print(text, C.COLOR_ERROR)

    # how it is shown

    def _say(self, text: str, colour: str | None = None) -> None:
        if not self.get_option("quiet"):
            self._print(text, colour)

    def _print(self, text: str, colour: str | None = None) -> None:
        """text: of our own and of hosts; its lines do nothing to the terminal."""
        text = "\n".join(map(neutral.line, text.split("\n")))
        try:
            self._display.display(text, color=colour)
        except BrokenPipeError:
            # The reader has gone, as with "| head". The run goes on all the same, to its evidence and its verdict.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _shown(self, result: CallbackTaskResult) -> None:
        """The message of a debug task; with -v, the result of every task."""
        if not self._run_is_verbose(result):
            return
        content = result.result
        is_debug = result.task.action in ("debug", "ansible.builtin.debug") and "msg" in content
        shown = content["msg"] if is_debug and not self._display.verbosity else self._dump_results(content)
        for text in shown if isinstance(shown, list) else [shown]:
            self._say(f"ok      {result.host.get_name()}: {text}")

    def _is_shown(self, result: CallbackTaskResult) -> bool:
        """Show the results of a check or verdict. Returns whether this was one."""
        content, action = result.result, result.task.action
        if action == "mcast.lab.check" and "checks" in content:
            for check in content["checks"]:
                self._begin(check["phase"])
                self._check(check)
            return "thing" not in content  # where it could not go on, that is shown too
        if action == "mcast.lab.fleet_report" and "lines" in content:
            for line in content["lines"]:
                self._say(line)
            if content["reason"]:
                self._say(f"error   {neutral.line(content['reason'])}", C.COLOR_ERROR)
            return True
        if action == "mcast.lab.plan" and content.get("bundle"):
            self._begin("setup")
        if action in ("mcast.lab.verdict", "mcast.lab.plan") and "verdict" in content:
            self._verdict = content["msg"], content["verdict"] == "pass"
            # What failed has been shown; what never came has not.
            self._incomplete = [f"{self._headline(check)} ({check['phase']})" for check in content.get("not_passed", ())
                                if check["verdict"] == "missing"]
            self._incomplete += [f"error   {event['host']}: {event['message']}" for event in content.get("events", ())
                                 if not event["task"] and event["event"] == "failed"]
            return True
        return False

    def _begin(self, phase: str | None) -> None:
        """Head what belongs to a phase or a step."""
        if phase and phase != self._phase:
            self._phase = phase
            self._say(f"== {phase}")

    def _summary(self) -> Iterator[tuple[str, str]]:
        """A line for each stream, and its colour: those that failed first, and not too many."""
        streams = sorted(self._streams.items(), key=lambda stream: all(stream[1]))
        for name, passed in streams[:_STREAMS]:
            many = f"{len(passed)} check{'s' if len(passed) > 1 else ''} passed" if all(passed) else (
                f"{passed.count(False)} of {len(passed)} checks did not pass")
            yield f"stream  {name}: {many}", C.COLOR_OK if all(passed) else C.COLOR_ERROR
        if len(streams) > _STREAMS:
            rest = streams[_STREAMS:]
            bad = sum(not all(passed) for unused, passed in rest)
            yield f"stream  {len(rest)} more, {bad} of them with checks that did not pass", C.COLOR_ERROR if bad else (
                C.COLOR_OK)

    def _check(self, check: dict[str, Any]) -> None:
        if check["params"].get("stream"):
            self._streams.setdefault(check["params"]["stream"], []).append(check["verdict"] in ("pass", "warning"))
        colour = _COLOURS[check["verdict"]]
        text = f"{self._headline(check):100} {check['elapsed']:6.2f} s"
        if check["verdict"] != "pass":
            text += f"\n{self._difference(check)}"
        if check["verdict"] == "fail":
            self._errors.append(text)
        self._say(text, colour)

    @staticmethod
    def _headline(check: dict[str, Any]) -> str:
        shown = check["verdict"] if check["verdict"] == "pass" else check["verdict"].upper()
        return f"{shown:7} {check['host']}: {neutral.line(check['description'])}"

    @staticmethod
    def _difference(check: dict[str, Any]) -> str:
        return f"        expected: {neutral.line(check['expected'])}\n        actual:   {neutral.line(check['actual'])}"

    def _trouble(self, kind: str, result: CallbackTaskResult) -> None:
        if task_result.is_loop(result.result) or result.result.get("again"):
            return  # each item, or the task that failed first, has been shown
        message = neutral.lines(task_result.failure(result.result))
        text = f"{kind:7} {result.host.get_name()}: {result.task.get_name()}: {message}"
        self._errors.append(text)
        self._say(text, C.COLOR_ERROR)
