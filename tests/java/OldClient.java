import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.FileOutputStream;
import java.io.FileReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.StringWriter;
import java.io.PrintWriter;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The Java client of any release from 0.9 on, driven by lines of tab-separated words on standard input; each is answered
 * by one line, "ok" and what is known or "failed" and why. What the releases do not share is called by reflection.
 *
 * <pre>
 * produce TOPIC PARTITIONS CODEC ACKS FILE   sends each line `headers TAB key TAB value` to partition (number % PARTITIONS)
 * consume TOPIC PARTITIONS COUNT FILE        reads by assignment from the beginning and writes a line for each record
 * group TOPIC GROUP COUNT FILE               as consume, as a member of a group from where that is or the beginning, and commits
 * share TOPIC GROUP PARTITIONS               is a member of a group until it has some of the partitions and others the rest; which it had
 * touch TOPIC                                waits until every partition is led; asking for a topic creates it where the broker allows it
 * partitions TOPIC                           what partitionsFor says
 * topics                                     what the consumer's listTopics says
 * create TOPIC PARTITIONS                    by the admin client
 * describe TOPIC                             by the admin client
 * delete TOPIC                               by the admin client
 * </pre>
 */
public final class OldClient {
    /** For everything that is waited for. */
    private static final long LIMIT_MS = 30_000;
    /** How the console tools write null; in the files it stands for null, too. */
    private static final String NULL = "null";

    private final String bootstrap;
    private final boolean timestamps = has(ConsumerRecord.class, "timestamp");
    private final boolean headers = has(ConsumerRecord.class, "headers");

    private OldClient(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    public static void main(String[] args) throws Exception {
        // Answers only: what libraries print must not come between them.
        PrintStream answers = new PrintStream(System.out, true, "UTF-8");
        System.setOut(System.err);
        OldClient client = new OldClient(args[0]);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String answer;
            try {
                answer = "ok\t" + client.run(line.split("\t", -1));
            } catch (Throwable error) {
                answer = "failed\t" + text(error);
            }
            answers.println(answer.replace("\\", "\\\\").replace("\n", "\\n"));
        }
    }

    private String run(String[] words) throws Exception {
        switch (words[0]) {
            case "produce":
                return produce(words[1], Integer.parseInt(words[2]), words[3], words[4], words[5]);
            case "consume":
                return consume(words[1], Integer.parseInt(words[2]), Long.parseLong(words[3]), words[4]);
            case "group":
                return group(words[1], words[2], Long.parseLong(words[3]), words[4]);
            case "share":
                return share(words[1], words[2], Integer.parseInt(words[3]));
            case "touch":
                return touch(words[1]);
            case "partitions":
                return partitions(words[1]);
            case "topics":
                return topics();
            case "create":
                return create(words[1], Integer.parseInt(words[2]));
            case "describe":
                return describe(words[1]);
            case "delete":
                return delete(words[1]);
            default:
                throw new IllegalArgumentException(words[0]);
        }
    }

    private String produce(String topic, int partitions, String codec, String acks, String file) throws Exception {
        Properties config = config();
        config.put("compression.type", codec);
        config.put("acks", acks);
        List<Future<?>> deliveries = new ArrayList<>();
        // Not the time of sending: a reader can know it in advance. Not old enough to be deleted, either.
        long firstTimestamp = System.currentTimeMillis() - 3_600_000;
        try (KafkaProducer<byte[], byte[]> producer =
                        new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
                BufferedReader lines = new BufferedReader(new FileReader(file, StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                String[] parts = line.split("\t", 3);
                int number = deliveries.size();
                deliveries.add(producer.send(record(topic, number % partitions, firstTimestamp + number, parts)));
            }
            for (Future<?> delivery : deliveries) {
                delivery.get(LIMIT_MS, TimeUnit.MILLISECONDS);
            }
        }
        return deliveries.size() + "\t" + firstTimestamp;
    }

    private ProducerRecord<byte[], byte[]> record(String topic, int partition, long timestamp, String[] parts)
            throws Exception {
        byte[] key = bytes(parts[1]);
        byte[] value = bytes(parts[2]);
        Class<?> type = ProducerRecord.class;
        Object made;
        if (headers) {
            List<Object> list = new ArrayList<>();
            Class<?> header = Class.forName("org.apache.kafka.common.header.internals.RecordHeader");
            for (String pair : parts[0].equals(NULL) ? new String[0] : parts[0].split(",")) {
                String[] words = pair.split(":", 2);
                list.add(header.getConstructor(String.class, byte[].class).newInstance(words[0], bytes(words[1])));
            }
            made = type.getConstructor(
                            String.class, Integer.class, Long.class, Object.class, Object.class, Iterable.class)
                    .newInstance(topic, partition, timestamp, key, value, list);
        } else if (timestamps) {
            made = type.getConstructor(String.class, Integer.class, Long.class, Object.class, Object.class)
                    .newInstance(topic, partition, timestamp, key, value);
        } else {
            return new ProducerRecord<>(topic, partition, key, value);
        }
        @SuppressWarnings("unchecked")
        ProducerRecord<byte[], byte[]> record = (ProducerRecord<byte[], byte[]>) made;
        return record;
    }

    /** Each record as the console consumer writes it with everything on that the release has. */
    private String consume(String topic, int partitions, long count, String file) throws Exception {
        List<TopicPartition> assignment = new ArrayList<>();
        for (int partition = 0; partition < partitions; partition++) {
            assignment.add(new TopicPartition(topic, partition));
        }
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(config())) {
            consumer.assign(assignment);
            seekToBeginning(consumer, assignment);
            return read(consumer, count, file);
        }
    }

    private String group(String topic, String group, long count, String file) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = member(topic, group)) {
            String seen = read(consumer, count, file);
            consumer.commitSync();
            return seen;
        }
    }

    private String share(String topic, String group, int partitions) throws Exception {
        long deadline = System.currentTimeMillis() + LIMIT_MS;
        try (KafkaConsumer<byte[], byte[]> consumer = member(topic, group)) {
            while (true) {
                poll(consumer);
                // A set from 0.10 on; before, the method has another return type.
                Collection<?> had = (Collection<?>) call(consumer, "assignment");
                if (!had.isEmpty() && had.size() < partitions) {
                    return had.toString();
                }
                if (System.currentTimeMillis() > deadline) {
                    throw new TimeoutException(had.toString());
                }
            }
        }
    }

    private KafkaConsumer<byte[], byte[]> member(String topic, String group) throws Exception {
        Properties config = config();
        config.put("group.id", group);
        config.put("auto.offset.reset", "earliest");
        // 0.9 may stay behind in the group for as long.
        config.put("session.timeout.ms", "10000");
        KafkaConsumer<byte[], byte[]> consumer = consumer(config);
        // A list in 0.9, a collection later.
        call(consumer, "subscribe", Collections.singletonList(topic));
        return consumer;
    }

    /** Writes each record that comes to the file, until there were enough. */
    private String read(KafkaConsumer<byte[], byte[]> consumer, long count, String file) throws Exception {
        long deadline = System.currentTimeMillis() + LIMIT_MS;
        long seen = 0;
        try (OutputStream out = new java.io.BufferedOutputStream(new FileOutputStream(file))) {
            while (seen < count) {
                for (ConsumerRecord<byte[], byte[]> record : poll(consumer)) {
                    write(out, record);
                    seen++;
                }
                if (System.currentTimeMillis() > deadline) {
                    throw new TimeoutException(seen + " records of " + count);
                }
            }
        }
        return Long.toString(seen);
    }

    private void write(OutputStream out, ConsumerRecord<byte[], byte[]> record) throws Exception {
        StringBuilder start = new StringBuilder();
        if (timestamps) {
            Object type = call(record, "timestampType");
            start.append(type).append(':').append(call(record, "timestamp")).append('\t');
        }
        start.append("Partition:").append(record.partition()).append('\t');
        start.append("Offset:").append(record.offset()).append('\t');
        out.write(start.toString().getBytes(StandardCharsets.UTF_8));
        if (headers) {
            boolean first = true;
            for (Object header : (Iterable<?>) call(record, "headers")) {
                out.write(((first ? "" : ",") + call(header, "key") + ":").getBytes(StandardCharsets.UTF_8));
                out.write(orNull((byte[]) call(header, "value")));
                first = false;
            }
            out.write((first ? "NO_HEADERS\t" : "\t").getBytes(StandardCharsets.UTF_8));
        }
        out.write(orNull(record.key()));
        out.write('\t');
        out.write(orNull(record.value()));
        out.write('\n');
    }

    /**
     * A broker names itself as leader before it leads: what comes between with acks=0 is lost unnoticed, and a first
     * batch that is refused may be overtaken by the second. Only a leader says where a partition begins.
     */
    private String touch(String topic) throws Exception {
        long deadline = System.currentTimeMillis() + LIMIT_MS;
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            while (true) {
                List<PartitionInfo> partitions = consumer.partitionsFor(topic);
                List<TopicPartition> led = new ArrayList<>();
                for (PartitionInfo partition : partitions == null ? new ArrayList<PartitionInfo>() : partitions) {
                    if (partition.leader() != null && partition.leader().id() >= 0) {
                        led.add(new TopicPartition(topic, partition.partition()));
                    }
                }
                if (!led.isEmpty() && led.size() == partitions.size()) {
                    consumer.assign(led);
                    seekToBeginning(consumer, led);
                    led.forEach(consumer::position);
                    return Integer.toString(led.size());
                }
                if (System.currentTimeMillis() > deadline) {
                    throw new TimeoutException(String.valueOf(partitions));
                }
            }
        }
    }

    private String partitions(String topic) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            List<PartitionInfo> partitions = new ArrayList<>(consumer.partitionsFor(topic));
            partitions.sort(Comparator.comparingInt(PartitionInfo::partition));
            List<String> shown = new ArrayList<>();
            for (PartitionInfo info : partitions) {
                shown.add(shown(info.partition(), info.leader(), Arrays.asList(info.replicas()),
                        Arrays.asList(info.inSyncReplicas())));
            }
            return String.join("; ", shown);
        }
    }

    private String topics() {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            return String.join(",", new TreeSet<>(consumer.listTopics().keySet()));
        }
    }

    private String create(String topic, int partitions) throws Exception {
        try (AutoCloseable admin = admin()) {
            Object wanted = Class.forName("org.apache.kafka.clients.admin.NewTopic")
                    .getConstructor(String.class, int.class, short.class)
                    .newInstance(topic, partitions, (short) 1);
            done(call(call(admin, "createTopics", Collections.singleton(wanted)), "all"));
            return "";
        }
    }

    private String describe(String topic) throws Exception {
        try (AutoCloseable admin = admin()) {
            Object result = call(admin, "describeTopics", Collections.singleton(topic));
            // `all` until 3.x, `allTopicNames` from 3.1 on.
            String all = has(result.getClass(), "allTopicNames") ? "allTopicNames" : "all";
            Object description = ((Map<?, ?>) done(call(result, all))).get(topic);
            List<String> shown = new ArrayList<>();
            for (Object info : (List<?>) call(description, "partitions")) {
                @SuppressWarnings("unchecked")
                String line = shown((Integer) call(info, "partition"), (Node) call(info, "leader"),
                        (List<Node>) call(info, "replicas"), (List<Node>) call(info, "isr"));
                shown.add(line);
            }
            return String.join("; ", shown);
        }
    }

    private String delete(String topic) throws Exception {
        try (AutoCloseable admin = admin()) {
            done(call(call(admin, "deleteTopics", Collections.singleton(topic)), "all"));
            return "";
        }
    }

    private static String shown(int partition, Node leader, List<Node> replicas, List<Node> isr) {
        return "Partition: " + partition + " Leader: " + leader.id() + " Replicas: " + ids(replicas) + " Isr: " + ids(isr);
    }

    private static String ids(List<Node> nodes) {
        List<String> ids = new ArrayList<>();
        for (Node node : nodes) {
            ids.add(node.idString());
        }
        return String.join(",", ids);
    }

    private Properties config() {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("request.timeout.ms", "20000");
        return config;
    }

    private KafkaConsumer<byte[], byte[]> consumer() {
        return consumer(config());
    }

    private KafkaConsumer<byte[], byte[]> consumer(Properties config) {
        config.put("enable.auto.commit", "false");
        // 0.9 wants a longer request.timeout.ms than these; later releases do not.
        config.put("session.timeout.ms", "10000");
        config.put("fetch.max.wait.ms", "500");
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private AutoCloseable admin() throws Exception {
        Class<?> type = Class.forName("org.apache.kafka.clients.admin.AdminClient");
        return (AutoCloseable) type.getMethod("create", Properties.class).invoke(null, config());
    }

    /** Varargs in 0.9, a collection later. */
    private static void seekToBeginning(KafkaConsumer<?, ?> consumer, List<TopicPartition> partitions) throws Exception {
        for (Method method : KafkaConsumer.class.getMethods()) {
            if (method.getName().equals("seekToBeginning")) {
                boolean isVarargs = method.getParameterTypes()[0].isArray();
                Object argument = isVarargs ? partitions.toArray(new TopicPartition[0]) : (Collection<?>) partitions;
                method.invoke(consumer, argument);
                return;
            }
        }
        throw new NoSuchMethodException("seekToBeginning");
    }

    /** Milliseconds until 3.x, a duration from 2.0 on. */
    @SuppressWarnings("unchecked")
    private static ConsumerRecords<byte[], byte[]> poll(KafkaConsumer<byte[], byte[]> consumer) throws Exception {
        try {
            return (ConsumerRecords<byte[], byte[]>) KafkaConsumer.class
                    .getMethod("poll", java.time.Duration.class)
                    .invoke(consumer, java.time.Duration.ofMillis(500));
        } catch (NoSuchMethodException absent) {
            return (ConsumerRecords<byte[], byte[]>)
                    KafkaConsumer.class.getMethod("poll", long.class).invoke(consumer, 500L);
        }
    }

    private static Object done(Object future) throws Exception {
        return ((Future<?>) future).get(LIMIT_MS, TimeUnit.MILLISECONDS);
    }

    private static boolean has(Class<?> type, String method) {
        return Arrays.stream(type.getMethods()).anyMatch(one -> one.getName().equals(method));
    }

    /** A public method with that name that takes these arguments. */
    private static Object call(Object target, String name, Object... arguments) throws Exception {
        for (Method method : target.getClass().getMethods()) {
            Class<?>[] types = method.getParameterTypes();
            boolean fits = method.getName().equals(name) && types.length == arguments.length;
            for (int i = 0; fits && i < types.length; i++) {
                fits = types[i].isInstance(arguments[i]);
            }
            if (fits) {
                // The class itself may be hidden behind a public interface.
                method.setAccessible(true);
                return method.invoke(target, arguments);
            }
        }
        throw new NoSuchMethodException(target.getClass() + "." + name);
    }

    private static byte[] bytes(String text) {
        return text.equals(NULL) ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] orNull(byte[] bytes) {
        return bytes == null ? NULL.getBytes(StandardCharsets.UTF_8) : bytes;
    }

    private static String text(Throwable error) {
        StringWriter text = new StringWriter();
        error.printStackTrace(new PrintWriter(text, true));
        return text.toString().trim();
    }
}
