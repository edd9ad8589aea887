"""Talks TLS with kazoo.

Usage: kazoo_tls.py host:port authorities.pem own.pem|- work NAME PATH | denied PATH | load PATH | refused

work makes a node that only x509:NAME may use; denied finds that this client may not read it; load
writes until its input ends; refused gets no session. Exit code 0 only when everything held.
"""

import sys
import threading

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import NoAuthError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.security import ACL, CREATOR_ALL_ACL, Id, Permissions

LIMIT_S = 30
REFUSED_S = 4


def client(hosts, authorities, own):
    certificate = {} if own == "-" else {"certfile": own, "keyfile": own}
    return KazooClient(
        hosts=hosts, timeout=10.0, use_ssl=True, ca=authorities, verify_certs=True, **certificate
    )


def work(zk, name, path):
    zk.start(timeout=LIMIT_S)
    mine = ACL(Permissions.ALL, Id("x509", name))
    zk.create(path, b"1", acl=[mine])
    assert zk.get(path)[0] == b"1"
    zk.create(path + "/all", acl=CREATOR_ALL_ACL)
    assert zk.get_acls(path + "/all")[0] == [mine], zk.get_acls(path + "/all")
    zk.add_auth("x509", "")
    zk.set(path, b"2", version=0)


def denied(zk, path):
    zk.start(timeout=LIMIT_S)
    try:
        zk.get(path)
    except NoAuthError:
        return
    raise AssertionError("it may read " + path)


def load(zk, path):
    states = []
    zk.start(timeout=LIMIT_S)
    zk.add_listener(states.append)
    zk.create(path)
    stop = threading.Event()

    def wait():
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait, daemon=True).start()
    session, writes = zk.client_id, 0
    print("ready", flush=True)
    while not stop.is_set():
        zk.set(path, b"x" * 1000, version=writes)
        writes += 1
    assert states == [] and zk.state == KazooState.CONNECTED, states
    assert zk.client_id == session
    print("writes", writes)


def refused(zk):
    try:
        zk.start(timeout=REFUSED_S)
    except KazooTimeoutError:
        return
    raise AssertionError("it is let in")


def main(hosts, authorities, own, what, *arguments):
    zk = client(hosts, authorities, own)
    try:
        {"work": work, "denied": denied, "load": load, "refused": refused}[what](zk, *arguments)
    finally:
        zk.stop()
        zk.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
