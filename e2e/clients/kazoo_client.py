"""Does with kazoo what any client needs, and prints what worked as one line of JSON.

Usage: kazoo_client.py host:port[,host:port...]
Exit code 0 only when everything held.
"""

import json
import sys
import threading
import uuid

import kazoo
from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, NoNodeError, RolledBackError

LIMIT_S = 30


def session(hosts):
    client = KazooClient(hosts=hosts, timeout=10.0)
    client.start(timeout=LIMIT_S)
    return client


def create_and_read(client, root):
    client.create(root, b"root")
    client.create(root + "/a", "grüße".encode())
    data, stat = client.get(root + "/a")
    assert data == "grüße".encode(), data
    assert stat.version == 0 and stat.dataLength == len(data), stat
    stat = client.set(root + "/a", b"two", version=0)
    assert stat.version == 1, stat
    try:
        client.set(root + "/a", b"three", version=0)
        raise AssertionError("a stale version was accepted")
    except BadVersionError:
        pass
    assert client.get_children(root) == ["a"]
    assert client.exists(root + "/nothing") is None


def watch(client, root):
    seen, arrived = [], threading.Semaphore(0)

    def note(event):
        seen.append((event.type, event.path))
        arrived.release()

    client.get(root + "/a", watch=note)
    client.get_children(root, watch=note)
    client.exists(root + "/b", watch=note)
    client.set(root + "/a", b"seen")
    client.create(root + "/b")
    for _ in range(3):
        assert arrived.acquire(timeout=LIMIT_S), seen
    assert sorted(seen) == [
        ("CHANGED", root + "/a"),
        ("CHILD", root),
        ("CREATED", root + "/b"),
    ], seen
    client.delete(root + "/b")


def multi(client, root):
    t = client.transaction()
    t.check(root + "/a", version=2)
    t.create(root + "/m", b"1")
    t.set_data(root + "/m", b"2")
    results = t.commit()
    assert results[0] is True and results[1] == root + "/m", results
    assert results[2].version == 1, results
    t = client.transaction()
    t.delete(root + "/m")
    t.check(root + "/nothing", version=0)
    results = t.commit()
    assert isinstance(results[0], RolledBackError), results
    assert isinstance(results[1], NoNodeError), results
    assert client.get(root + "/m")[0] == b"2"


def ephemeral_sequential(client, root, hosts):
    other = session(hosts)
    try:
        paths = [
            other.create(root + "/e-", b"", ephemeral=True, sequence=True)
            for _ in range(3)
        ]
        numbers = [int(path[-10:]) for path in paths]
        assert numbers == list(range(numbers[0], numbers[0] + 3)), paths
        client.sync(root)
        _, stat = client.get(paths[0])
        assert stat.ephemeralOwner == other.client_id[0], stat
        gone = threading.Event()
        client.exists(paths[2], watch=lambda event: gone.set())
    finally:
        other.stop()
        other.close()
    assert gone.wait(LIMIT_S), "ephemeral nodes outlive their session"
    client.sync(root)
    names = [name for name in client.get_children(root) if name.startswith("e-")]
    assert names == [], names


def main():
    hosts = sys.argv[1]
    root = "/kazoo-" + uuid.uuid4().hex
    client = session(hosts)
    done = []
    result = {"client": "kazoo", "version": kazoo.__version__, "checks": done}
    try:
        for check in (create_and_read, watch, multi):
            check(client, root)
            done.append(check.__name__)
        ephemeral_sequential(client, root, hosts)
        done.append("ephemeral_sequential")
        client.delete(root, recursive=True)
        result["ok"] = True
    except Exception as error:
        result["ok"] = False
        result["error"] = repr(error)
    print(json.dumps(result))
    client.stop()
    client.close()
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
