"""Changes the members of an ensemble with kazoo: HOST:PORT JOINING LEAVING."""

import sys

from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, NoAuthError

connect, joining, leaving = sys.argv[1:]
client = KazooClient(hosts=connect, timeout=20)
client.start(timeout=30)
try:
    client.reconfig(joining=joining, leaving=None, new_members=None)
    raise SystemExit("no rights were needed")
except NoAuthError:
    pass
client.add_auth("digest", "super:pw")
data, stat = client.reconfig(joining=joining, leaving=None, new_members=None)
text = data.decode()
assert joining in text, text
version = int(text.rsplit("version=", 1)[1], 16)
assert stat.mzxid == version, (stat, text)
try:
    client.reconfig(joining=None, leaving=leaving, new_members=None, from_config=1)
    raise SystemExit("a wrong version was taken")
except BadVersionError:
    pass
data, _ = client.reconfig(joining=None, leaving=leaving, new_members=None, from_config=version)
assert joining not in data.decode(), data
print("kazoo: config", data.decode().rsplit("version=", 1)[1])
client.stop()
