import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.Version;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZKUtil;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/**
 * Does with Apache's own client what any client needs, and prints what worked as one line of JSON.
 *
 * <p>Usage: Main host:port[,host:port...]; exit code 0 only when everything held.
 */
public final class Main {
    private static final int LIMIT_S = 30;

    private final String hosts;
    private final ZooKeeper zk;
    private final String root = "/java-" + UUID.randomUUID();

    private Main(String hosts) throws Exception {
        this.hosts = hosts;
        this.zk = session(hosts);
    }

    private static ZooKeeper session(String hosts) throws Exception {
        CountDownLatch connected = new CountDownLatch(1);
        ZooKeeper zk = new ZooKeeper(hosts, 10_000, event -> {
            if (event.getState() == KeeperState.SyncConnected) {
                connected.countDown();
            }
        });
        require(connected.await(LIMIT_S, TimeUnit.SECONDS), "no connection to " + hosts);
        return zk;
    }

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalStateException(otherwise);
        }
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private void createAndRead() throws Exception {
        zk.create(root, utf8("root"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        Stat created = new Stat();
        zk.create(root + "/a", utf8("grüße"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, created);
        Stat read = new Stat();
        byte[] data = zk.getData(root + "/a", false, read);
        require(Arrays.equals(data, utf8("grüße")), "other data came back");
        require(created.equals(read), "create2 and getData tell different Stats");
        require(zk.setData(root + "/a", utf8("two"), 0).getVersion() == 1, "version is not 1");
        try {
            zk.setData(root + "/a", utf8("three"), 0);
            require(false, "a stale version was accepted");
        } catch (KeeperException.BadVersionException expected) {
            // As it must be.
        }
        require(zk.getChildren(root, false).equals(List.of("a")), "other children");
        require(zk.exists(root + "/nothing", false) == null, "a node that nobody made");
        require(zk.getACL(root, null).equals(Ids.OPEN_ACL_UNSAFE), "another ACL");
    }

    private void watch() throws Exception {
        BlockingQueue<String> events = new LinkedBlockingQueue<>();
        zk.getData(root + "/a", e -> events.add(e.getType() + " " + e.getPath()), null);
        zk.getChildren(root, e -> events.add(e.getType() + " " + e.getPath()));
        zk.exists(root + "/b", e -> events.add(e.getType() + " " + e.getPath()));
        zk.setData(root + "/a", utf8("seen"), -1);
        zk.create(root + "/b", null, Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        List<String> seen = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            String event = events.poll(LIMIT_S, TimeUnit.SECONDS);
            require(event != null, "only these events came: " + seen);
            seen.add(event);
        }
        Collections.sort(seen);
        List<String> expected = List.of("NodeChildrenChanged " + root, "NodeCreated " + root + "/b",
            "NodeDataChanged " + root + "/a");
        require(seen.equals(expected), "other events: " + seen);
        zk.delete(root + "/b", -1);
    }

    private void multi() throws Exception {
        List<OpResult> results = zk.multi(List.of(
            Op.check(root + "/a", 2),
            Op.create(root + "/m", utf8("1"), Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT),
            Op.setData(root + "/m", utf8("2"), 0)));
        require(((OpResult.SetDataResult) results.get(2)).getStat().getVersion() == 1, "version");
        try {
            zk.multi(List.of(Op.delete(root + "/m", -1), Op.check(root + "/nothing", 0)));
            require(false, "a multi with a failing check succeeded");
        } catch (KeeperException.NoNodeException expected) {
            // As it must be.
        }
        require(Arrays.equals(zk.getData(root + "/m", false, null), utf8("2")), "not rolled back");
    }

    private void ephemeralSequential() throws Exception {
        CountDownLatch gone = new CountDownLatch(1);
        ZooKeeper other = session(hosts);
        try {
            List<Integer> numbers = new ArrayList<>();
            String path = null;
            for (int i = 0; i < 3; i++) {
                path = other.create(root + "/e-", null, Ids.OPEN_ACL_UNSAFE,
                    CreateMode.EPHEMERAL_SEQUENTIAL);
                numbers.add(Integer.valueOf(path.substring(path.length() - 10)));
            }
            int first = numbers.get(0);
            require(numbers.equals(List.of(first, first + 1, first + 2)), "numbers " + numbers);
            zk.sync(root, (rc, p, ctx) -> { }, null);
            Stat stat = zk.exists(path, e -> gone.countDown());
            require(stat.getEphemeralOwner() == other.getSessionId(), "another owner");
        } finally {
            other.close();
        }
        require(gone.await(LIMIT_S, TimeUnit.SECONDS), "ephemeral nodes outlive their session");
        require(zk.getChildren(root, false).stream().noneMatch(n -> n.startsWith("e-")), "some left");
    }

    private interface Check {
        void run() throws Exception;
    }

    private boolean run() throws Exception {
        List<String> done = new ArrayList<>();
        String error = null;
        try {
            Check[] checks = {this::createAndRead, this::watch, this::multi, this::ephemeralSequential};
            String[] names = {"create_and_read", "watch", "multi", "ephemeral_sequential"};
            for (int i = 0; i < checks.length; i++) {
                checks[i].run();
                done.add("\"" + names[i] + "\"");
            }
            ZKUtil.deleteRecursive(zk, root);
        } catch (Exception e) {
            error = e.toString().replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", " ");
        }
        System.out.println("{\"client\":\"java\",\"version\":\"" + Version.getVersion() + "\",\"checks\":"
            + done + ",\"ok\":" + (error == null)
            + (error == null ? "" : ",\"error\":\"" + error + "\"") + "}");
        zk.close();
        return error == null;
    }

    /** Runs all checks against the servers that the one argument names. */
    public static void main(String[] args) throws Exception {
        System.exit(new Main(args[0]).run() ? 0 : 1);
    }
}
