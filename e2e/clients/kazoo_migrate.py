"""Clients that go on while servers are replaced: sessions, ephemerals, watches.

Prints one line of JSON when its standard input ends; fails if a session was lost, an operation
failed otherwise than by a connection that broke, or a watch did not fire.
"""

import json
import sys
import threading
import time

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import ConnectionLoss, KazooException
from kazoo.exceptions import OperationTimeoutError, SessionExpiredError
from kazoo.handlers.threading import KazooTimeoutError

CLIENTS = 6
stop = threading.Event()
report = {"operations": 0, "reconnects": 0, "lost": 0, "events": 0, "errors": []}
lock = threading.Lock()


def count(key, n=1):
    with lock:
        report[key] += n


def run(hosts, number):
    client = KazooClient(hosts=hosts, timeout=30, randomize_hosts=True)

    def listen(state):
        if state == KazooState.SUSPENDED and not stop.is_set():
            count("reconnects")
        if state == KazooState.LOST and not stop.is_set():
            count("lost")

    client.start(timeout=60)
    client.add_listener(listen)
    path = f"/kazoo-{number}"
    client.ensure_path(path)
    mine = f"{path}/mine"
    client.create(mine, b"0", ephemeral=True)
    turn = 0
    while not stop.is_set():
        turn += 1
        fired = threading.Event()
        try:
            client.get(mine, watch=lambda event: fired.set())
            client.set(mine, str(turn).encode())
            if fired.wait(30):
                count("events")
            else:
                with lock:
                    report["errors"].append(f"client {number}: no event of turn {turn}")
            data, stat = client.get(mine)
            if data != str(turn).encode():
                raise AssertionError(f"{data} instead of {turn}")
            if stat.ephemeralOwner != client.client_id[0]:
                raise AssertionError("another session owns the node")
            count("operations", 3)
        except (ConnectionLoss, OperationTimeoutError, KazooTimeoutError):
            # The server that it was connected to is being replaced.
            time.sleep(0.05)
        except SessionExpiredError:
            count("lost")
            return
        except (KazooException, AssertionError) as error:
            with lock:
                report["errors"].append(f"client {number}: {type(error).__name__} {error}")
            time.sleep(0.05)
    try:
        client.stop()
    except KazooException:
        pass


def main():
    threads = [threading.Thread(target=run, args=(sys.argv[1], n)) for n in range(CLIENTS)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join(60)
    report["errors"] = report["errors"][:20]
    print(json.dumps(report))
    sys.exit(1 if report["errors"] or report["lost"] else 0)


main()
