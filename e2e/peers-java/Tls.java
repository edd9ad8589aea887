import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooDefs.Perms;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.client.ZKClientConfig;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;

/**
 * Talks TLS with Apache's own client.
 *
 * <p>Usage: Tls host:port authorities.pem own.pem|- work NAME PATH | denied PATH | load PATH | refused
 *
 * <p>work makes a node that only x509:NAME may use; denied finds that this client may not read it;
 * load writes until its input ends; refused gets no session. Exit code 0 only when everything held.
 */
public final class Tls {
    private static final int LIMIT_S = 30;
    private static final int REFUSED_S = 4;

    private final CountDownLatch connected = new CountDownLatch(1);
    private final AtomicInteger disconnects = new AtomicInteger();
    private final ZooKeeper zk;

    private Tls(String hosts, String authorities, String own) throws Exception {
        ZKClientConfig config = new ZKClientConfig();
        config.setProperty("zookeeper.client.secure", "true");
        config.setProperty("zookeeper.clientCnxnSocket", "org.apache.zookeeper.ClientCnxnSocketNetty");
        config.setProperty("zookeeper.ssl.trustStore.location", authorities);
        config.setProperty("zookeeper.ssl.trustStore.type", "PEM");
        if (!own.equals("-")) {
            config.setProperty("zookeeper.ssl.keyStore.location", own);
            config.setProperty("zookeeper.ssl.keyStore.type", "PEM");
        }
        zk = new ZooKeeper(hosts, 10_000, event -> {
            if (event.getState() == KeeperState.SyncConnected) {
                connected.countDown();
            } else if (event.getState() == KeeperState.Disconnected) {
                disconnects.incrementAndGet();
            }
        }, config);
    }

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalStateException(otherwise);
        }
    }

    private void connect() throws Exception {
        require(connected.await(LIMIT_S, TimeUnit.SECONDS), "no connection");
    }

    private void work(String name, String path) throws Exception {
        connect();
        Id me = new Id("x509", name);
        zk.create(path, new byte[] {1}, Arrays.asList(new ACL(Perms.ALL, me)), CreateMode.PERSISTENT);
        require(zk.getData(path, false, null).length == 1, "other data came back");
        require(zk.whoAmI().stream().anyMatch(who -> who.getUser().equals(name)), "whoAmI does not know");
        zk.create(path + "/all", new byte[0], Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
        require(zk.getACL(path + "/all", null).equals(List.of(new ACL(Perms.ALL, me))), "another creator");
        zk.addAuthInfo("x509", new byte[0]);
        zk.setData(path, new byte[] {2}, 0);
    }

    private void denied(String path) throws Exception {
        connect();
        try {
            zk.getData(path, false, null);
            require(false, "it may read " + path);
        } catch (KeeperException.NoAuthException expected) {
            // As it must be.
        }
    }

    private void load(String path) throws Exception {
        connect();
        zk.create(path, new byte[0], Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        AtomicBoolean stop = new AtomicBoolean();
        Thread input = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                    // Only its end matters.
                }
            } catch (java.io.IOException e) {
                // As good as its end.
            }
            stop.set(true);
        });
        input.start();
        long session = zk.getSessionId();
        int writes = 0;
        System.out.println("ready");
        while (!stop.get()) {
            zk.setData(path, new byte[1000], writes);
            writes++;
        }
        require(disconnects.get() == 0, disconnects + " disconnects");
        require(zk.getSessionId() == session, "another session");
        System.out.println("writes " + writes);
    }

    private void refused() throws Exception {
        require(!connected.await(REFUSED_S, TimeUnit.SECONDS), "it is let in");
    }

    /** Runs one of the four. */
    public static void main(String[] arguments) throws Exception {
        Tls client = new Tls(arguments[0], arguments[1], arguments[2]);
        switch (arguments[3]) {
            case "work" -> client.work(arguments[4], arguments[5]);
            case "denied" -> client.denied(arguments[4]);
            case "load" -> client.load(arguments[4]);
            case "refused" -> client.refused();
            default -> throw new IllegalArgumentException(arguments[3]);
        }
        System.exit(0);
    }
}
