"""Clients that each stay with one server and tell when they lost it.

Arguments: host:port of every server, separated by commas; how many clients. Ends when standard input
does, with one line of JSON: operations, events, when which server was lost (ms since 1970, position
of the server in the list from 1), and what should not have been.
"""

import json
import sys
import threading
import time

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import ConnectionLoss, KazooException, OperationTimeoutError
from kazoo.exceptions import SessionExpiredError
from kazoo.handlers.threading import KazooTimeoutError

PAUSE_S = 0.02
EVENT_MAX_S = 20
stop = threading.Event()
ready = threading.Semaphore(0)
report = {"operations": 0, "events": 0, "lost": [], "errors": []}
lock = threading.Lock()


def wrong(number, what):
    with lock:
        report["errors"].append(f"client {number}: {what}")


def run(hosts, number):
    at = number % len(hosts)
    client = KazooClient(hosts=hosts[at], timeout=30)

    def listen(state):
        if stop.is_set():
            return
        if state == KazooState.SUSPENDED:
            with lock:
                report["lost"].append([time.time() * 1000, at + 1])
        if state == KazooState.LOST:
            wrong(number, "the session expired")

    client.start(timeout=60)
    client.add_listener(listen)
    path = f"/kazoo-stays-{number}"
    client.create(path, b"0", ephemeral=True)
    ready.release()
    turn, version = 0, 0
    while not stop.is_set():
        turn += 1
        fired = threading.Event()
        try:
            _, before = client.get(path, watch=lambda event: fired.set())
            if version is not None and before.version != version:
                wrong(number, f"version {before.version} after {version}")
            after = client.set(path, str(turn).encode())
            if after.version != before.version + 1:
                wrong(number, f"version {after.version} after {before.version}")
            version = after.version
            if not fired.wait(EVENT_MAX_S):
                wrong(number, f"no event of turn {turn}")
            with lock:
                report["operations"] += 2
                report["events"] += 1
        except (ConnectionLoss, OperationTimeoutError, KazooTimeoutError):
            # The listener tells; what became of the write is not known.
            version = None
            time.sleep(0.1)
        except SessionExpiredError:
            wrong(number, "the session expired")
            return
        except KazooException as error:
            wrong(number, f"{type(error).__name__} {error}")
        time.sleep(PAUSE_S)
    try:
        client.stop()
    except KazooException:
        pass


def main():
    hosts, count = sys.argv[1].split(","), int(sys.argv[2])
    threads = [threading.Thread(target=run, args=(hosts, n)) for n in range(count)]
    for thread in threads:
        thread.start()
    for _ in threads:
        ready.acquire()
    print("ready", flush=True)
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join(60)
    report["errors"] = report["errors"][:20]
    print(json.dumps(report))


main()
