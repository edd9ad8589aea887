"""Clients that go on while servers are replaced: sessions, ephemerals, watches.

Arguments: host:port of every server, separated by commas; how many clients. Ends when standard input
does, with one line of JSON: operations, events, when which server was lost (ms since 1970, its port),
and what should not have been: sessions lost, operations that failed otherwise than by a connection
that broke, watches that did not fire.
"""

import json
import sys
import threading
import time

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import ConnectionLoss, KazooException
from kazoo.exceptions import OperationTimeoutError, SessionExpiredError
from kazoo.handlers.threading import KazooTimeoutError

ERRORS_MAX = 20
stop = threading.Event()
ready = threading.Semaphore(0)
report = {"operations": 0, "events": 0, "lost": [], "errors": []}
lock = threading.Lock()


def count(key, n=1):
    with lock:
        report[key] += n


def wrong(number, what):
    with lock:
        report["errors"].append(f"client {number}: {what}")


def server_port(client):
    """The port of the server that it is connected to; kazoo does not tell by itself."""
    try:
        return client._connection._socket.getpeername()[1]
    except (AttributeError, OSError):
        return 0


def run(hosts, number):
    client = KazooClient(hosts=hosts, timeout=30, randomize_hosts=True)

    port = [0]

    def listen(state):
        if stop.is_set():
            return
        if state == KazooState.CONNECTED:
            port[0] = server_port(client)
        if state == KazooState.SUSPENDED:
            with lock:
                report["lost"].append([time.time() * 1000, port[0]])
        if state == KazooState.LOST:
            wrong(number, "the session expired")

    client.add_listener(listen)
    client.start(timeout=60)
    path = f"/kazoo-{number}"
    client.ensure_path(path)
    mine = f"{path}/mine"
    client.create(mine, b"0", ephemeral=True)
    port[0] = server_port(client)
    ready.release()
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
                wrong(number, f"no event of turn {turn}")
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
            wrong(number, "the session expired")
            return
        except (KazooException, AssertionError) as error:
            wrong(number, f"{type(error).__name__} {error}")
            time.sleep(0.05)
    try:
        client.stop()
    except KazooException:
        pass


def main():
    hosts, clients = sys.argv[1], int(sys.argv[2])
    threads = [threading.Thread(target=run, args=(hosts, n)) for n in range(clients)]
    for thread in threads:
        thread.start()
    for _ in threads:
        ready.acquire()
    print("ready", flush=True)
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join(60)
    report["errors"] = report["errors"][:ERRORS_MAX]
    print(json.dumps(report))


main()
