package org.apache.curator.test;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Gives Curator's tests servers in processes of their own where curator-test would start Apache's
 * server inside of the test's JVM. It stands before the class of the same name in the class path;
 * the tests and the rest of curator-test stay as they are.
 *
 * <p>A server that a test wants alone becomes the first of an ensemble, so that every recipe meets a
 * quorum: the test sees its client port, and all members stop and start together. Servers that a
 * test makes as a cluster stay what they are: one process each. {@code suite.members} (3 if not set)
 * says how many servers an ensemble has.
 *
 * <p>An ensemble whose test is over is emptied and used again, because three Java servers take
 * seconds to start. One that a test stopped or killed is not.
 */
public class ZooKeeperServerEmbeddedAdapter implements ZooKeeperMainFace {
    private static final int MEMBERS = Integer.getInteger("suite.members", 3);

    private static final Deque<SuiteEnsemble> IDLE = new ArrayDeque<>();
    /** By data directory as the test knows it: what stops and starts again is the same. */
    private static final Map<String, SuiteEnsemble> KNOWN = new ConcurrentHashMap<>();

    private SuiteEnsemble ensemble;
    private String data;
    private int clientPort;

    @Override
    public void start(QuorumPeerConfigBuilder builder) {
        try {
            Properties settings = builder.buildProperties();
            settings.setProperty("admin.enableServer", "false");
            settings.setProperty("4lw.commands.whitelist", "*");
            data = settings.getProperty("dataDir");
            int wanted = Integer.parseInt(settings.getProperty("clientPort"));
            boolean cluster = settings.stringPropertyNames().stream()
                .anyMatch(name -> name.startsWith("server."));
            if (cluster) {
                ensemble = new SuiteEnsemble(1, wanted);
                clientPort = wanted;
                ensemble.startAlone(settings);
            } else {
                startEnsemble(settings, wanted);
                clientPort = ensemble.clientPort();
            }
        } catch (Exception e) {
            kill();
            throw new FailedServerStartException(e);
        }
    }

    private void startEnsemble(Properties settings, int wanted) throws Exception {
        ensemble = KNOWN.get(data);
        if (ensemble != null && (wanted == 0 || wanted == ensemble.clientPort())) {
            ensemble.start(settings);
            return;
        }
        ensemble = wanted == 0 ? idle(settings) : null;
        if (ensemble == null) {
            ensemble = new SuiteEnsemble(MEMBERS, wanted);
            ensemble.start(settings);
        }
        KNOWN.put(data, ensemble);
    }

    private static SuiteEnsemble idle(Properties settings) {
        synchronized (IDLE) {
            for (SuiteEnsemble one : IDLE) {
                if (one.isLike(settings)) {
                    IDLE.remove(one);
                    return one;
                }
            }
            return null;
        }
    }

    @Override
    public int getClientPort() {
        return clientPort;
    }

    @Override
    public void kill() {
        if (ensemble != null) {
            ensemble.kill();
        }
    }

    @Override
    public void close() {
        if (ensemble == null) {
            return;
        }
        if (isTeardown() && KNOWN.get(data) == ensemble && ensemble.wipe()) {
            KNOWN.remove(data);
            synchronized (IDLE) {
                IDLE.add(ensemble);
            }
            return;
        }
        ensemble.stop();
    }

    /** Whether the test is over; one that closes its server in between expects it to be gone. */
    private static boolean isTeardown() {
        return StackWalker.getInstance().walk(frames -> frames.anyMatch(
            frame -> frame.getClassName().equals(BaseClassForTests.class.getName())
                && frame.getMethodName().equals("closeServer")));
    }
}
