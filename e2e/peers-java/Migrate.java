import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/**
 * Clients of Apache's that go on while servers are replaced, and tell when they lost which server:
 * what kazoo_migrate.py does.
 *
 * <p>Usage: Migrate host:port,host:port.. COUNT; ends when standard input does.
 */
public final class Migrate {
    private static final int SESSION_MS = 30_000;
    private static final int EVENT_MAX_S = 30;
    private static final int ERRORS_MAX = 20;

    private static final Object LOCK = new Object();
    private static final List<String> LOST = new ArrayList<>();
    private static final List<String> ERRORS = new ArrayList<>();
    private static volatile boolean stop;
    private static long operations;
    private static long events;

    private final int number;
    private final CountDownLatch connected = new CountDownLatch(1);
    private final String path;
    private final Client zk;
    private volatile int port;

    /** Tells which server it is connected to. */
    private static final class Client extends ZooKeeper {
        Client(String hosts, Watcher watcher) throws Exception {
            super(hosts, SESSION_MS, watcher);
        }

        int port() {
            return testableRemoteSocketAddress() instanceof InetSocketAddress there ? there.getPort() : 0;
        }
    }

    private Migrate(String hosts, int number) throws Exception {
        this.number = number;
        this.path = "/java-" + number;
        this.zk = new Client(hosts, this::connection);
        if (!connected.await(60, TimeUnit.SECONDS)) {
            throw new IllegalStateException("no connection to " + hosts);
        }
        zk.create(path, new byte[0], Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
        port = zk.port();
    }

    private void connection(WatchedEvent event) {
        if (event.getState() == KeeperState.SyncConnected) {
            connected.countDown();
            // The first event may come before the constructor is through.
            port = zk == null ? 0 : zk.port();
        } else if (event.getState() == KeeperState.Disconnected && !stop) {
            synchronized (LOCK) {
                LOST.add("[" + System.currentTimeMillis() + "," + port + "]");
            }
        } else if (event.getState() == KeeperState.Expired) {
            wrong("the session expired");
        }
    }

    private void wrong(String what) {
        synchronized (LOCK) {
            if (ERRORS.size() < ERRORS_MAX) {
                ERRORS.add("\"client " + number + ": " + what.replace('"', '\'') + "\"");
            }
        }
    }

    private void turn(int turn) throws KeeperException, InterruptedException {
        byte[] data = String.valueOf(turn).getBytes(StandardCharsets.UTF_8);
        CountDownLatch fired = new CountDownLatch(1);
        zk.getData(path, event -> {
            if (event.getType() != EventType.None) {
                fired.countDown();
            }
        }, null);
        zk.setData(path, data, -1);
        if (!fired.await(EVENT_MAX_S, TimeUnit.SECONDS)) {
            wrong("no event of turn " + turn);
        }
        Stat stat = new Stat();
        byte[] read = zk.getData(path, false, stat);
        if (!Arrays.equals(read, data)) {
            wrong(new String(read, StandardCharsets.UTF_8) + " instead of " + turn);
        }
        if (stat.getEphemeralOwner() != zk.getSessionId()) {
            wrong("another session owns the node");
        }
        synchronized (LOCK) {
            operations += 3;
            events++;
        }
    }

    private void run() {
        try {
            for (int turn = 1; !stop; turn++) {
                try {
                    turn(turn);
                    Thread.sleep(5);
                } catch (KeeperException.ConnectionLossException e) {
                    // Told by the event.
                    Thread.sleep(50);
                } catch (KeeperException e) {
                    wrong(e.getMessage());
                    Thread.sleep(50);
                }
            }
            zk.close();
        } catch (InterruptedException e) {
            wrong("interrupted");
        }
    }

    public static void main(String[] args) throws Exception {
        List<Thread> threads = new ArrayList<>();
        for (int n = 0; n < Integer.parseInt(args[1]); n++) {
            Thread thread = new Thread(new Migrate(args[0], n)::run);
            thread.start();
            threads.add(thread);
        }
        System.out.println("ready");
        while (System.in.read() >= 0) {
            continue;
        }
        stop = true;
        for (Thread thread : threads) {
            thread.join(60_000);
        }
        System.out.println("{\"operations\":" + operations + ",\"events\":" + events + ",\"lost\":" + LOST
            + ",\"errors\":" + ERRORS + "}");
        System.exit(0);
    }
}
