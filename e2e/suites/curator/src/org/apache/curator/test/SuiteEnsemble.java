package org.apache.curator.test;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.ProcessBuilder.Redirect;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZKUtil;
import org.apache.zookeeper.ZooKeeper;

/**
 * Servers in processes of their own: one, or several that know each other, with the files and ports
 * that they keep over restarts.
 *
 * <p>The property {@code suite.server} names the program, called with the path of a zoo.cfg;
 * {@code suite.home} is the directory for all files, {@code suite.ports} the first of the ports that
 * nobody else takes.
 */
final class SuiteEnsemble {
    private static final String PROGRAM = System.getProperty("suite.server");
    private static final Path HOME = Path.of(System.getProperty("suite.home"));
    private static final long START_LIMIT_MS = 60_000;
    private static final long STOP_LIMIT_MS = 5_000;
    private static final int WORD_LIMIT_MS = 2_000;
    private static final int FIRST_PORT = Integer.getInteger("suite.ports");
    private static final int PORTS = 4_000;

    private static final Set<Process> RUNNING = ConcurrentHashMap.newKeySet();
    private static int nextPort = (int) (ProcessHandle.current().pid() * 97 % PORTS);

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(
            () -> RUNNING.forEach(Process::destroyForcibly)));
    }

    private final Path home;
    private final int[] ports;
    private final List<Process> processes = new ArrayList<>();
    private String settings;

    /** Takes {@code clientPort} for the first member, any port if it is 0. */
    SuiteEnsemble(int members, int clientPort) throws IOException {
        home = Files.createTempDirectory(HOME, "ensemble-");
        ports = new int[3 * members];
        for (int i = 0; i < ports.length; i++) {
            ports[i] = i == 0 && clientPort != 0 ? clientPort : freePort();
        }
    }

    private static synchronized int freePort() throws IOException {
        for (int tries = 0; tries < PORTS; tries++) {
            int port = FIRST_PORT + nextPort++ % PORTS;
            try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
                return socket.getLocalPort();
            } catch (IOException taken) {
                // The next one, then.
            }
        }
        throw new IOException("no free port");
    }

    int clientPort() {
        return ports[0];
    }

    private int members() {
        return ports.length / 3;
    }

    /** The settings that do not say where a server lives; equal ones make equal ensembles. */
    static String comparable(Properties properties) {
        StringBuilder text = new StringBuilder();
        for (String name : new TreeSet<>(properties.stringPropertyNames())) {
            if (!name.startsWith("dataDir") && !name.startsWith("clientPort")) {
                text.append(name).append('=').append(properties.getProperty(name)).append('\n');
            }
        }
        return text.append(flags()).toString();
    }

    /** What a test set with System.setProperty; a server inside of the JVM would have seen it. */
    private static String flags() {
        StringBuilder flags = new StringBuilder();
        for (String name : new TreeSet<>(System.getProperties().stringPropertyNames())) {
            if (name.startsWith("znode.container.") || name.startsWith("zookeeper.extendedTypes")
                || name.equals("readonlymode.enabled") || name.equals("jute.maxbuffer")) {
                flags.append("-D").append(name).append('=').append(System.getProperty(name)).append(' ');
            }
        }
        return flags.toString().trim();
    }

    boolean isLike(Properties properties) {
        return comparable(properties).equals(settings);
    }

    /** Starts all members and waits until the first one serves, as a server inside of the JVM does. */
    void start(Properties properties) throws Exception {
        settings = comparable(properties);
        for (int member = 0; member < members(); member++) {
            Properties own = new Properties();
            own.putAll(properties);
            Path directory = home.resolve("member-" + (member + 1));
            Files.createDirectories(directory.resolve("data"));
            own.setProperty("dataDir", directory.resolve("data").toString());
            own.setProperty("clientPort", Integer.toString(ports[3 * member]));
            own.setProperty("clientPortAddress", "127.0.0.1");
            for (int m = 0; m < members() && members() > 1; m++) {
                own.setProperty("server." + (m + 1),
                    "127.0.0.1:" + ports[3 * m + 1] + ":" + ports[3 * m + 2]);
            }
            Files.writeString(directory.resolve("data/myid"), Integer.toString(member + 1));
            RUNNING.add(launch(own, directory));
        }
        awaitServing();
    }

    /** Starts one server whose settings are complete, and waits for nothing. */
    void startAlone(Properties properties) throws IOException {
        RUNNING.add(launch(properties, home));
    }

    private Process launch(Properties properties, Path directory) throws IOException {
        StringBuilder text = new StringBuilder();
        for (String name : new TreeSet<>(properties.stringPropertyNames())) {
            text.append(name).append('=').append(properties.getProperty(name)).append('\n');
        }
        Path config = directory.resolve("zoo.cfg");
        Files.writeString(config, text);
        ProcessBuilder server = new ProcessBuilder(PROGRAM, config.toString());
        server.environment().put("SERVER_JVMFLAGS", flags());
        server.redirectErrorStream(true);
        server.redirectOutput(Redirect.appendTo(directory.resolve("server.log").toFile()));
        Process process = server.start();
        processes.add(process);
        return process;
    }

    private void awaitServing() throws Exception {
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(START_LIMIT_MS);
        while (System.nanoTime() - end < 0) {
            for (Process process : processes) {
                if (!process.isAlive()) {
                    throw new IOException("a server ended with " + process.exitValue());
                }
            }
            if (ask(ports[0], "srvr").contains("Mode: ")) {
                return;
            }
            Thread.sleep(20);
        }
        throw new IOException("no server on port " + ports[0]);
    }

    /** Sends a four-letter word; no answer is an empty one. */
    private static String ask(int port, String word) {
        try (Socket socket = new Socket()) {
            InetAddress loopback = InetAddress.getLoopbackAddress();
            socket.connect(new InetSocketAddress(loopback, port), WORD_LIMIT_MS);
            socket.setSoTimeout(WORD_LIMIT_MS);
            OutputStream out = socket.getOutputStream();
            out.write(word.getBytes(StandardCharsets.US_ASCII));
            out.flush();
            InputStream in = socket.getInputStream();
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException none) {
            return "";
        }
    }

    /**
     * Deletes all that a test left behind, and tells whether the ensemble is as good as new: every
     * member runs, and nobody is connected who could go on writing.
     */
    boolean wipe() {
        if (!processes.stream().allMatch(Process::isAlive)) {
            return false;
        }
        CountDownLatch connected = new CountDownLatch(1);
        try {
            ZooKeeper zk = new ZooKeeper("127.0.0.1:" + ports[0], 10_000, event -> {
                if (event.getState() == KeeperState.SyncConnected) {
                    connected.countDown();
                }
            });
            try {
                if (!connected.await(5, TimeUnit.SECONDS)) {
                    return false;
                }
                for (String child : zk.getChildren("/", false)) {
                    if (!child.equals("zookeeper")) {
                        ZKUtil.deleteRecursive(zk, "/" + child);
                    }
                }
            } finally {
                zk.close();
            }
            for (int member = 0; member < members(); member++) {
                String connections = ask(ports[3 * member], "cons");
                // The one that asks is in the list, too.
                if (connections.lines().filter(line -> line.contains("sid=")).count() > 0) {
                    return false;
                }
            }
            return true;
        } catch (Exception e) {
            return false;
        }
    }

    void kill() {
        processes.forEach(Process::destroyForcibly);
        reap();
    }

    void stop() {
        processes.forEach(Process::destroy);
        reap();
    }

    private void reap() {
        for (Process process : processes) {
            try {
                if (!process.waitFor(STOP_LIMIT_MS, TimeUnit.MILLISECONDS)) {
                    process.destroyForcibly().waitFor();
                }
            } catch (InterruptedException e) {
                process.destroyForcibly();
                Thread.currentThread().interrupt();
            }
            RUNNING.remove(process);
        }
        processes.clear();
    }
}
