import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher.Event.EventType;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs.Ids;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.Stat;

/**
 * Clients that each stay with one server and tell when they lost it: what kazoo_stay.py does, with
 * Apache's own client.
 *
 * <p>Usage: Stay host:port,host:port.. COUNT; ends when standard input does.
 */
public final class Stay {
    private static final int SESSION_MS = 30_000;
    private static final int EVENT_MAX_S = 20;
    private static final int PAUSE_MS = 10;

    private static final List<String> LOST = new ArrayList<>();
    private static final List<String> ERRORS = new ArrayList<>();
    private static volatile boolean stop;
    private static long operations;
    private static long events;

    private final int number;
    private final int server;
    private final ZooKeeper zk;
    private final CountDownLatch connected = new CountDownLatch(1);
    private final String path;

    private Stay(String[] hosts, int number) throws Exception {
        this.number = number;
        this.server = number % hosts.length;
        this.path = "/java-stays-" + number;
        this.zk = new ZooKeeper(hosts[server], SESSION_MS, this::connection);
        if (!connected.await(60, TimeUnit.SECONDS)) {
            throw new IllegalStateException("no connection to " + hosts[server]);
        }
        zk.create(path, new byte[0], Ids.OPEN_ACL_UNSAFE, CreateMode.EPHEMERAL);
    }

    private void connection(WatchedEvent event) {
        if (event.getState() == KeeperState.SyncConnected) {
            connected.countDown();
        } else if (event.getState() == KeeperState.Disconnected && !stop) {
            synchronized (LOST) {
                LOST.add("[" + System.currentTimeMillis() + "," + (server + 1) + "]");
            }
        } else if (event.getState() == KeeperState.Expired) {
            wrong("the session expired");
        }
    }

    private void wrong(String what) {
        synchronized (ERRORS) {
            if (ERRORS.size() < 20) {
                ERRORS.add("\"client " + number + ": " + what.replace('"', '\'') + "\"");
            }
        }
    }

    private void run() {
        int version = 0;
        try {
            for (int turn = 1; !stop; turn++) {
                CountDownLatch fired = new CountDownLatch(1);
                try {
                    Stat before = zk.exists(path, event -> {
                        if (event.getType() != EventType.None) {
                            fired.countDown();
                        }
                    });
                    if (before == null) {
                        wrong("the node is gone");
                        return;
                    }
                    if (version >= 0 && before.getVersion() != version) {
                        wrong("version " + before.getVersion() + " after " + version);
                    }
                    Stat after = zk.setData(path, String.valueOf(turn).getBytes(StandardCharsets.UTF_8), -1);
                    if (after.getVersion() != before.getVersion() + 1) {
                        wrong("version " + after.getVersion() + " after " + before.getVersion());
                    }
                    version = after.getVersion();
                    if (!fired.await(EVENT_MAX_S, TimeUnit.SECONDS)) {
                        wrong("no event of turn " + turn);
                    }
                    synchronized (LOST) {
                        operations += 2;
                        events++;
                    }
                } catch (KeeperException.ConnectionLossException e) {
                    version = -1;
                    Thread.sleep(100);
                } catch (KeeperException e) {
                    wrong(e.getMessage());
                    Thread.sleep(100);
                }
                Thread.sleep(PAUSE_MS);
            }
            zk.close();
        } catch (InterruptedException e) {
            wrong("interrupted");
        }
    }

    public static void main(String[] args) throws Exception {
        String[] hosts = args[0].split(",");
        List<Thread> threads = new ArrayList<>();
        for (int n = 0; n < Integer.parseInt(args[1]); n++) {
            Thread thread = new Thread(new Stay(hosts, n)::run);
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
