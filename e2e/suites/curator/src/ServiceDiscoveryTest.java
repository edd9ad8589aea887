import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryOneTime;
import org.apache.curator.test.BaseClassForTests;
import org.apache.curator.x.discovery.ServiceCache;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.ServiceProvider;
import org.apache.curator.x.discovery.details.ServiceCacheListener;
import org.apache.curator.x.discovery.strategies.RoundRobinStrategy;
import org.junit.jupiter.api.Test;

/** Curator's service discovery: its own tests are in no jar. */
public class ServiceDiscoveryTest extends BaseClassForTests {
    private static final long LIMIT_MS = 20_000;
    private static final String BASE = "/discovery";

    /**
     * A client that has heard that it is connected: service discovery that hears it later registers
     * everything anew, deleting it first, and a query meanwhile finds less.
     */
    private CuratorFramework client() throws InterruptedException {
        CuratorFramework client = CuratorFrameworkFactory.newClient(
            server.getConnectString(), 5_000, 5_000, new RetryOneTime(100));
        CountDownLatch connected = new CountDownLatch(1);
        client.getConnectionStateListenable().addListener((of, state) -> {
            if (state == ConnectionState.CONNECTED) {
                connected.countDown();
            }
        });
        client.start();
        assertTrue(connected.await(LIMIT_MS, TimeUnit.MILLISECONDS));
        return client;
    }

    private static ServiceInstance<String> instance(String name, int port) throws Exception {
        return ServiceInstance.<String>builder()
            .name(name).address("127.0.0.1").port(port).payload("payload-" + port).build();
    }

    private static ServiceDiscovery<String> discovery(CuratorFramework client,
            ServiceInstance<String> own) throws Exception {
        ServiceDiscoveryBuilder<String> builder = ServiceDiscoveryBuilder.builder(String.class)
            .client(client).basePath(BASE);
        if (own != null) {
            builder.thisInstance(own);
        }
        ServiceDiscovery<String> discovery = builder.build();
        discovery.start();
        return discovery;
    }

    private static void await(BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(LIMIT_MS);
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() - end < 0, "not within " + LIMIT_MS + " ms");
            Thread.sleep(20);
        }
    }

    @Test
    public void testRegisterQueryUnregister() throws Exception {
        try (CuratorFramework client = client();
                ServiceDiscovery<String> discovery = discovery(client, null)) {
            ServiceInstance<String> one = instance("query", 1001);
            ServiceInstance<String> two = instance("query", 1002);
            discovery.registerService(one);
            discovery.registerService(two);
            assertEquals(List.of("query"), List.copyOf(discovery.queryForNames()));
            Collection<ServiceInstance<String>> found = discovery.queryForInstances("query");
            Set<Integer> ports = new HashSet<>();
            found.forEach(instance -> ports.add(instance.getPort()));
            assertEquals(Set.of(1001, 1002), ports);
            assertEquals("payload-1001",
                discovery.queryForInstance("query", one.getId()).getPayload());
            discovery.unregisterService(one);
            assertNull(discovery.queryForInstance("query", one.getId()));
        }
    }

    @Test
    public void testUpdate() throws Exception {
        try (CuratorFramework client = client();
                ServiceDiscovery<String> discovery = discovery(client, null)) {
            ServiceInstance<String> first = instance("update", 1);
            discovery.registerService(first);
            discovery.updateService(ServiceInstance.<String>builder().name("update")
                .id(first.getId()).address("127.0.0.1").port(1).payload("changed").build());
            assertEquals("changed",
                discovery.queryForInstance("update", first.getId()).getPayload());
        }
    }

    @Test
    public void testInstancesGoWithTheirSession() throws Exception {
        try (CuratorFramework watching = client();
                ServiceDiscovery<String> reader = discovery(watching, null)) {
            CuratorFramework other = client();
            ServiceDiscovery<String> theirs = discovery(other, instance("session", 7));
            assertEquals(1, reader.queryForInstances("session").size());
            // The session is closed, and nobody unregisters.
            other.close();
            await(() -> {
                try {
                    return reader.queryForInstances("session").isEmpty();
                } catch (Exception e) {
                    return false;
                }
            });
            assertNotNull(theirs);
        }
    }

    @Test
    public void testCacheFollows() throws Exception {
        try (CuratorFramework client = client();
                ServiceDiscovery<String> discovery = discovery(client, null);
                ServiceCache<String> cache = discovery.serviceCacheBuilder().name("cache").build()) {
            Semaphore changes = new Semaphore(0);
            cache.addListener(new ServiceCacheListener() {
                @Override
                public void cacheChanged() {
                    changes.release();
                }

                @Override
                public void stateChanged(CuratorFramework framework, ConnectionState state) {
                    // Only what is registered matters here.
                }
            });
            cache.start();
            ServiceInstance<String> one = instance("cache", 1);
            discovery.registerService(one);
            assertTrue(changes.tryAcquire(LIMIT_MS, TimeUnit.MILLISECONDS));
            await(() -> cache.getInstances().size() == 1);
            discovery.registerService(instance("cache", 2));
            await(() -> cache.getInstances().size() == 2);
            discovery.unregisterService(one);
            await(() -> cache.getInstances().size() == 1);
            assertEquals(Integer.valueOf(2), cache.getInstances().get(0).getPort());
        }
    }

    @Test
    public void testProviderRoundRobin() throws Exception {
        try (CuratorFramework client = client();
                ServiceDiscovery<String> discovery = discovery(client, null)) {
            for (int port = 1; port <= 3; port++) {
                discovery.registerService(instance("provider", port));
            }
            try (ServiceProvider<String> provider = discovery.serviceProviderBuilder()
                    .serviceName("provider").providerStrategy(new RoundRobinStrategy<>()).build()) {
                provider.start();
                Set<Integer> ports = new HashSet<>();
                for (int i = 0; i < 3; i++) {
                    ServiceInstance<String> instance = provider.getInstance();
                    assertNotNull(instance);
                    ports.add(instance.getPort());
                }
                assertEquals(Set.of(1, 2, 3), ports);
            }
        }
    }

    @Test
    public void testRegistersAgainAfterServersWereDown() throws Exception {
        try (CuratorFramework client = client();
                ServiceDiscovery<String> discovery = discovery(client, instance("restart", 5))) {
            assertEquals(1, discovery.queryForInstances("restart").size());
            Semaphore lost = new Semaphore(0);
            client.getConnectionStateListenable().addListener((c, state) -> {
                if (state == ConnectionState.LOST) {
                    lost.release();
                }
            });
            server.stop();
            assertTrue(lost.tryAcquire(60_000, TimeUnit.MILLISECONDS), "the session was not lost");
            server.restart();
            await(() -> {
                try {
                    return discovery.queryForInstances("restart").size() == 1;
                } catch (Exception e) {
                    return false;
                }
            });
        }
    }
}
