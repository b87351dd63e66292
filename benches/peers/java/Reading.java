import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** The Java consumer under measurement: what peers-kit's Reader does, by polls. */
final class Reading {
    private static final Duration READ_LIMIT = Duration.ofSeconds(60);
    private static final VarHandle LONGS =
        MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    private final Map<String, String> order;
    private final boolean isSingle;
    private final long warmUp;
    private final long end;
    private final long[] latencies;
    /** The record behind which something is to be done. */
    private long stop;
    private long count;
    private long bytes;
    private long sum;
    private long began;
    private long cpuBefore;
    private String outcome;

    Reading(Map<String, String> order) {
        this.order = order;
        isSingle = order.get("pace").equals("single");
        warmUp = Long.parseLong(order.get("warm-up"));
        end = warmUp + Long.parseLong(order.get("records"));
        latencies = new long[isSingle ? (int) (end - warmUp) : 0];
        stop = isSingle ? 1 : warmUp;
    }

    String consume() {
        String topic = order.get("topic");
        KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings());
        if (order.containsKey("group")) {
            consumer.subscribe(List.of(topic));
        } else {
            int partitions = Integer.parseInt(order.get("partitions"));
            List<TopicPartition> all =
                IntStream.range(0, partitions).mapToObj(partition -> new TopicPartition(topic, partition)).toList();
            consumer.assign(all);
            consumer.seekToBeginning(all);
        }
        while (outcome == null) {
            ConsumerRecords<byte[], byte[]> records = consumer.poll(READ_LIMIT);
            for (ConsumerRecord<byte[], byte[]> record : records) {
                take(record.value());
            }
        }
        return outcome;
    }

    private Map<String, Object> settings() {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", order.get("bootstrap"));
        settings.put("key.deserializer", ByteArrayDeserializer.class);
        settings.put("value.deserializer", ByteArrayDeserializer.class);
        settings.put("auto.offset.reset", "earliest");
        if (order.containsKey("group")) {
            settings.put("group.id", order.get("group"));
        }
        if (order.get("settings").equals("tuned")) {
            settings.putAll(Map.of(
                "max.partition.fetch.bytes", 8 * 1024 * 1024,
                "fetch.max.bytes", 64 * 1024 * 1024,
                "max.poll.records", 10_000,
                "receive.buffer.bytes", -1));
        }
        return settings;
    }

    private void take(byte[] value) {
        count++;
        bytes += value.length;
        if (value.length >= 8) {
            long first = (long) LONGS.get(value, 0);
            long last = (long) LONGS.get(value, value.length - 8);
            sum += first ^ Long.rotateLeft(last, 32);
        }
        if (count == stop) {
            pass(value);
        }
    }

    private void pass(byte[] value) {
        if (isSingle && count > warmUp) {
            long now = ChronoUnit.NANOS.between(Instant.EPOCH, Instant.now());
            latencies[(int) (count - warmUp - 1)] = now - (long) LONGS.get(value, 0);
        }
        if (count == warmUp) {
            cpuBefore = Peer.cpuNanos();
            began = System.nanoTime();
        }
        if (count == end) {
            double seconds = (System.nanoTime() - began) / 1e9;
            double cpuSeconds = (Peer.cpuNanos() - cpuBefore) / 1e9;
            Arrays.sort(latencies);
            outcome = String.format(Locale.ROOT,
                "{\"failed\":0,\"seconds\":%f,\"cpu_seconds\":%f,\"p50_us\":%f,\"p99_us\":%f,"
                    + "\"read\":{\"count\":%d,\"bytes\":%d,\"sum\":%s}}",
                seconds, cpuSeconds, Peer.microsAt(latencies, 500), Peer.microsAt(latencies, 990),
                count, bytes, Long.toUnsignedString(sum));
        }
        stop = isSingle ? count + 1 : end;
        if (isSingle) {
            System.out.println("received " + count);
            System.out.flush();
        }
    }
}
