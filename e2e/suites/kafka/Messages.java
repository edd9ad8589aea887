import java.time.Duration;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Makes a topic unless it is there, sends messages to it and reads all of them back.
 *
 * <p>Usage: Messages host:port topic count; exit code 0 only when every message came back. It prints
 * one line of JSON.
 */
public final class Messages {
    private static final int PARTITIONS = 3;
    private static final long LIMIT_MS = 60_000;

    private Messages() {
    }

    private static boolean make(String broker, String topic) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", broker))) {
            NewTopic wanted = new NewTopic(topic, PARTITIONS, (short) 1);
            admin.createTopics(List.of(wanted)).all().get(LIMIT_MS, TimeUnit.MILLISECONDS);
            return true;
        } catch (ExecutionException e) {
            if (e.getCause() instanceof TopicExistsException) {
                return false;
            }
            throw e;
        }
    }

    private static Set<String> send(String broker, String topic, int count) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        settings.put("acks", "all");
        settings.put("delivery.timeout.ms", Long.toString(LIMIT_MS));
        Set<String> sent = new HashSet<>();
        String run = Long.toHexString(System.nanoTime());
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            Future<RecordMetadata> last = null;
            for (int i = 0; i < count; i++) {
                String value = run + "-" + i;
                last = producer.send(new ProducerRecord<>(topic, "key-" + i, value));
                sent.add(value);
            }
            producer.flush();
            last.get(LIMIT_MS, TimeUnit.MILLISECONDS);
        }
        return sent;
    }

    private static void receive(String broker, String topic, Set<String> expected) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        settings.put("group.id", "group-" + Long.toHexString(System.nanoTime()));
        settings.put("auto.offset.reset", "earliest");
        Set<String> missing = new HashSet<>(expected);
        try (KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(Collections.singleton(topic));
            long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(LIMIT_MS);
            while (!missing.isEmpty() && System.nanoTime() - end < 0) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    missing.remove(record.value());
                }
            }
            consumer.commitSync();
        }
        if (!missing.isEmpty()) {
            throw new IllegalStateException(missing.size() + " messages did not come back");
        }
    }

    /** Sends and receives. */
    public static void main(String[] args) throws Exception {
        String broker = args[0];
        String topic = args[1];
        int count = Integer.parseInt(args[2]);
        boolean made = make(broker, topic);
        receive(broker, topic, send(broker, topic, count));
        System.out.println("{\"topic\":\"" + topic + "\",\"made\":" + made + ",\"messages\":" + count + "}");
    }
}
