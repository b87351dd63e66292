import java.io.BufferedWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Sends numbers to all partitions of a topic at a steady pace, with the producer's defaults, until it is told to end, and writes
 * what became of each to a file: "partition number offset nanoseconds-since-1970", or "failed number error".
 * Arguments: bootstrap servers, topic, partitions, milliseconds between two rounds, file.
 */
public final class Steady {
    private static final int SIZE = 100;
    private static final long END_LIMIT_MS = 30_000;

    public static void main(String[] args) throws Exception {
        String topic = args[1];
        int partitions = Integer.parseInt(args[2]);
        long pause = TimeUnit.MILLISECONDS.toNanos(Long.parseLong(args[3]));
        AtomicBoolean stop = new AtomicBoolean();
        Thread sending = Thread.currentThread();
        // It ends by a signal: what is under way is waited for, and written down.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stop.set(true);
            try {
                sending.join(END_LIMIT_MS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", args[0],
            "key.serializer", ByteArraySerializer.class,
            "value.serializer", ByteArraySerializer.class);
        try (BufferedWriter out = Files.newBufferedWriter(Path.of(args[4]));
             KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings)) {
            long next = System.nanoTime();
            for (long number = 0; !stop.get();) {
                for (int partition = 0; partition < partitions; partition++) {
                    long sent = number++;
                    byte[] value = String.format("%0" + SIZE + "d", sent).getBytes();
                    int to = partition;
                    producer.send(new ProducerRecord<>(topic, to, null, value), (written, error) -> {
                        Instant now = Instant.now();
                        long nanos = TimeUnit.SECONDS.toNanos(now.getEpochSecond()) + now.getNano();
                        line(out, error == null
                            ? to + " " + sent + " " + written.offset() + " " + nanos
                            : "failed " + sent + " " + error);
                    });
                }
                flush(out);
                next += pause;
                LockSupport.parkNanos(next - System.nanoTime());
            }
            producer.flush();
        }
    }

    private static void line(BufferedWriter out, String line) {
        synchronized (out) {
            try {
                out.write(line.replace('\n', ' '));
                out.newLine();
            } catch (java.io.IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        }
    }

    private static void flush(BufferedWriter out) throws java.io.IOException {
        synchronized (out) {
            out.flush();
        }
    }
}
