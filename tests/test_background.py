"""One loop for all threads of a process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from threading import Thread

import pytest

from j1sdk.background import on_background, run

RACE = """
import asyncio, sys, threading
from j1sdk.background import run

async def here():
    return id(asyncio.get_running_loop())

def ask():
    start.wait()
    found.append(run(here()))

sys.setswitchinterval(1e-6)
found, start = [], threading.Barrier(16)
threads = [threading.Thread(target=ask) for _ in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
running = [thread for thread in threading.enumerate() if thread.name == "j1-loop"]
print(len(set(found)), len(running))
"""
FORK = """
import asyncio, os
from j1sdk.background import run

async def here():
    return os.getpid()

assert run(here()) == os.getpid()
child = os.fork()
if not child:
    os._exit(0 if run(here()) == os.getpid() else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def printed(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    return done.stdout.strip() or done.stderr


async def here() -> int:
    return id(asyncio.get_running_loop())


@pytest.mark.parametrize("attempt", range(4))
def test_threads_that_come_first_at_once_share_one_loop(attempt: int) -> None:
    assert printed(RACE) == "1 1"


def test_a_forked_child_has_a_loop_of_its_own() -> None:
    assert printed(FORK) == "0"


def test_every_thread_and_loop_is_served_by_the_same_one() -> None:
    found = [run(here()), asyncio.run(on_background(here()))]
    threads = [Thread(target=lambda: found.append(run(here()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1


def test_waiting_for_itself_is_refused() -> None:
    async def nested() -> int:
        return run(here())

    with pytest.raises(RuntimeError, match="must await the `_async` form"):
        run(nested())
