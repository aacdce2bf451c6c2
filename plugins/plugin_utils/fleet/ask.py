# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ask many hosts at once: threads, a deadline for all of them, and for each that failed the reason."""
from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from ...module_utils.error import McastError
from ...module_utils.kernel import facts as kernel_facts
from ...module_utils.kernel import sources
from . import listen as fleet_listen

# How long a signal may go unnoticed, in seconds: Python handles it in the main thread alone, which another may have
# kept from being woken up.
_NOTICE = 0.2
# A host that has not answered for so long no longer counts as one of those that are being asked, in seconds.
PATIENCE = 2.0
# How long a host may take, in seconds, where nothing else is said.
PER_HOST = 20.0


class Failure(Exception):
    """Why a host gave no answer. reason: one of the words in the documentation of fleet_info; detail: a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Question(Protocol):
    """What one host is asked."""

    @property
    def host(self) -> str:
        """Its name in the inventory."""

    @property
    def how(self) -> str:
        """By which way: `paramiko`, or the connection plugin."""

    @property
    def stage(self) -> tuple[str, str]:
        """The reason and the words for where it is, should time run out now."""

    def run(self) -> dict[str, Any]:
        """Returns the answer, or raises Failure."""

    def stop(self) -> None:
        """Makes run() end."""


def answer(output: str) -> dict[str, Any]:
    """output: what the script of sources.py printed on a host. Returns the facts; Failure where they can't be read."""
    if sources.MARK not in output:
        raise Failure("shell", "printed nothing that was expected; the host needs a POSIX shell at /bin/sh: "
                               f"{output.strip()[-200:] or 'no output'}")
    try:
        texts = sources.split(output)
    except McastError as error:
        raise Failure("cut_off", str(error)) from None
    try:
        facts, queriers = kernel_facts.facts(texts), fleet_listen.queriers(output)
        return facts if queriers is None else dict(facts, queriers=queriers)
    except McastError as error:
        raise Failure("facts", str(error)) from None


def ask(questions: Sequence[Question], forks: int, timeout: float, per_host: float | None = None
        ) -> Iterator[tuple[Question, dict[str, Any] | Failure]]:
    """questions: a list; forks: how many hosts are asked at a time; timeout: seconds after which all of it ends;
    per_host: after which one host has failed, by default the same.

    Yields (question, answer or Failure) in the order in which the hosts are done, from the calling thread."""
    return _Asking(questions, forks, timeout, per_host or timeout).results()


class _Asking:
    def __init__(self, questions: Sequence[Question], forks: int, timeout: float, per_host: float) -> None:
        self.waiting = list(reversed(questions))
        self.forks, self.timeout, self.per_host = forks, timeout, per_host
        self.deadline = time.monotonic() + timeout
        # Hosts that keep silent may not use up the time of those that would answer: every host has its turn before
        # four fifths of the time have passed.
        rounds = -(-len(questions) // forks) or 1
        self.patience = min(PATIENCE, 0.8 * timeout / rounds)
        self.asked: dict[Question, float] = {}  # when each began
        self.slow: set[Question] = set()  # of these, those that no longer count
        self.done: queue.SimpleQueue[tuple[Question, dict[str, Any] | Failure]] = queue.SimpleQueue()

    def results(self) -> Iterator[tuple[Question, dict[str, Any] | Failure]]:
        try:
            while self.waiting or self.asked:
                self._begin()
                try:
                    question, result = self.done.get(timeout=min(_NOTICE, max(0, self._until() - time.monotonic())))
                except queue.Empty:
                    if time.monotonic() >= self.deadline:
                        break
                    yield from self._overdue()
                    continue
                if self.asked.pop(question, None) is not None:
                    self.slow.discard(question)
                    yield question, result
            yield from self._late()
        finally:
            self._stop()

    def _begin(self) -> None:
        now = time.monotonic()
        self.slow.update(question for question, begun in self.asked.items() if now - begun >= self.patience)
        while self.waiting and len(self.asked) - len(self.slow) < self.forks:
            question = self.waiting.pop()
            self.asked[question] = now
            # Ansible keeps the task that is run in a context, which a thread does not have by itself.
            threading.Thread(target=contextvars.copy_context().run, args=(self._run, question), daemon=True).start()

    def _overdue(self) -> Iterator[tuple[Question, Failure]]:
        """Hosts that have had all the time that one host may take."""
        now = time.monotonic()
        for question in [one for one, begun in self.asked.items() if now - begun >= self.per_host]:
            del self.asked[question]
            self.slow.discard(question)
            question.stop()
            yield question, self._too_late(question)

    def _until(self) -> float:
        """When something is to be done, should no host answer before."""
        if not self.waiting:
            return self.deadline
        soonest = min(begun for question, begun in self.asked.items() if question not in self.slow)
        return min(self.deadline, soonest + self.patience)

    def _run(self, question: Question) -> None:
        result: dict[str, Any] | Failure
        try:
            result = question.run()
        except Failure as failure:
            result = failure
        except Exception as error:  # a thread has nobody above it: whatever it is, it is this host's failure
            result = Failure("error", f"{type(error).__name__}: {error}")
        if isinstance(result, Failure) and time.monotonic() >= self.deadline:
            result = self._too_late(question)  # its own timeouts end with ours, and who is noticed first says nothing
        self.done.put((question, result))

    def _too_late(self, question: Question) -> Failure:
        reason, words = question.stage
        return Failure(reason, f"{words}, after {min(self.per_host, self.timeout):.1f} s")

    def _late(self) -> Iterator[tuple[Question, Failure]]:
        for question in self.asked:
            yield question, self._too_late(question)
        for question in self.waiting:
            yield question, Failure("timeout", f"not asked within {self.timeout:.1f} s: others took all the time")

    def _stop(self) -> None:
        for question in self.asked:
            question.stop()
