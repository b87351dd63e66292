import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The Java client under measurement. It takes the arguments and writes the line of JSON that peers-kit describes. */
public final class Peer {
    /** As peers-kit has it: every so many records one is timed where nobody waits for a single one. */
    private static final int TIMED_EVERY = 1000;
    private static final long ACK_LIMIT_MS = 30_000;
    /** Whoever started this has looked at its memory and killed it by then. */
    private static final Duration LOOKED_AT_LIMIT = Duration.ofSeconds(60);

    private final Map<String, String> order;
    private final byte[][] values;
    private final AtomicLong failed = new AtomicLong();
    private final AtomicReference<String> firstError = new AtomicReference<>();

    private Peer(Map<String, String> order) throws Exception {
        this.order = order;
        byte[] bytes = Files.readAllBytes(Path.of(order.get("payloads")));
        int size = Integer.parseInt(order.get("size"));
        values = new byte[bytes.length / size][];
        for (int i = 0; i < values.length; i++) {
            values[i] = Arrays.copyOfRange(bytes, i * size, (i + 1) * size);
        }
    }

    public static void main(String[] args) throws Exception {
        Map<String, String> order = new HashMap<>();
        // The first is the task, produce or consume; then names and values alternate.
        for (int i = 1; i + 1 < args.length; i += 2) {
            order.put(args[i].substring(2), args[i + 1]);
        }
        System.out.println(args[0].equals("consume") ? new Reading(order).consume() : new Peer(order).produce());
        System.out.flush();
        Thread.sleep(LOOKED_AT_LIMIT.toMillis());
    }

    private String produce() throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings())) {
            send(producer, Integer.parseInt(order.get("warm-up")));
            long cpuBefore = cpuNanos();
            long began = System.nanoTime();
            long[] latencies = send(producer, Integer.parseInt(order.get("records")));
            double seconds = (System.nanoTime() - began) / 1e9;
            double cpuSeconds = (cpuNanos() - cpuBefore) / 1e9;
            Arrays.sort(latencies);
            String error = firstError.get() == null ? "null" : '"' + firstError.get().replace('"', '\'') + '"';
            return String.format(Locale.ROOT,
                "{\"failed\":%d,\"first_error\":%s,\"seconds\":%f,\"cpu_seconds\":%f,\"p50_us\":%f,\"p99_us\":%f}",
                failed.get(), error, seconds, cpuSeconds, microsAt(latencies, 500), microsAt(latencies, 990));
        }
    }

    private Map<String, Object> settings() {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", order.get("bootstrap"));
        settings.put("key.serializer", ByteArraySerializer.class);
        settings.put("value.serializer", ByteArraySerializer.class);
        settings.put("acks", "all");
        settings.put("compression.type", order.get("codec"));
        switch (order.get("settings")) {
            case "prompt" -> settings.put("linger.ms", 0);
            case "tuned" -> settings.putAll(Map.of(
                "linger.ms", 10,
                "batch.size", 512 * 1024,
                "buffer.memory", 32L * 1024 * 1024,
                "enable.idempotence", true));
            default -> { }
        }
        return settings;
    }

    private long[] send(KafkaProducer<byte[], byte[]> producer, int count) throws Exception {
        String topic = order.get("topic");
        boolean single = order.get("mode").equals("single");
        long[] latencies = new long[single ? count : (count + TIMED_EVERY - 1) / TIMED_EVERY];
        for (int i = 0; i < count; i++) {
            ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, values[i % values.length]);
            if (single) {
                long began = System.nanoTime();
                producer.send(record).get(ACK_LIMIT_MS, TimeUnit.MILLISECONDS);
                latencies[i] = System.nanoTime() - began;
            } else {
                int timed = i % TIMED_EVERY == 0 ? i / TIMED_EVERY : -1;
                long began = timed < 0 ? 0 : System.nanoTime();
                producer.send(record, (metadata, error) -> {
                    if (timed >= 0) {
                        latencies[timed] = System.nanoTime() - began;
                    }
                    if (error != null) {
                        failed.incrementAndGet();
                        firstError.compareAndSet(null, error.toString());
                    }
                });
            }
        }
        producer.flush();
        return latencies;
    }

    /** Of all threads of the virtual machine, its compiler's and collector's included. */
    static long cpuNanos() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
            .getProcessCpuTime();
    }

    static double microsAt(long[] latencies, int thousandths) {
        return latencies.length == 0 ? 0 : latencies[(int) (latencies.length * (long) thousandths / 1000)] / 1e3;
    }
}
