import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.internals.AbstractPartitionAssignor;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;

/**
 * What Kafka's own assignors make of random groups: prints the lines of client/src/consumer/assignor/java.txt.
 *
 * <pre>
 * ASSIGNOR; TOPIC=RACK+RACK/RACK/... ...; ID,INSTANCE,RACK,TOPIC+TOPIC ...; ID: TOPIC-PARTITION ... | ...
 * </pre>
 *
 * The racks are those of each partition's replicas, "-" for none. Run with the jars of Kafka on the class path.
 */
public final class Assignors {
    private static final int CASES = 80;
    private static final String[] RACKS = {"r0", "r1", "r2"};

    public static void main(String[] args) {
        Random random = new Random(4_3_1);
        for (int at = 0; at < CASES; at++) {
            boolean racks = random.nextInt(3) > 0;
            boolean oneSize = random.nextBoolean();
            Map<String, List<PartitionInfo>> topics = topics(random, racks, oneSize ? 1 + random.nextInt(6) : 0);
            Map<String, Subscription> members = members(random, new ArrayList<>(topics.keySet()), racks);
            print(new RangeAssignor(), topics, members);
            print(new RoundRobinAssignor(), topics, members);
        }
    }

    private static Map<String, List<PartitionInfo>> topics(Random random, boolean racks, int size) {
        Map<String, List<PartitionInfo>> topics = new TreeMap<>();
        for (int n = random.nextInt(4); n >= 0; n--) {
            String topic = "t" + n;
            int count = size > 0 ? size : 1 + random.nextInt(8);
            topics.put(topic, IntStream.range(0, count).mapToObj(partition -> {
                Node[] replicas = IntStream.range(0, racks ? 1 + random.nextInt(2) : 0)
                    .mapToObj(id -> new Node(id, "h", 1, RACKS[random.nextInt(RACKS.length)]))
                    .toArray(Node[]::new);
                return new PartitionInfo(topic, partition, null, replicas, replicas);
            }).collect(Collectors.toList()));
        }
        return topics;
    }

    private static Map<String, Subscription> members(Random random, List<String> topics, boolean racks) {
        Map<String, Subscription> members = new TreeMap<>();
        boolean equal = random.nextBoolean();
        topics.add("gone");
        for (int n = random.nextInt(6); n >= 0; n--) {
            List<String> some = topics.stream().filter(t -> equal || random.nextBoolean()).collect(Collectors.toList());
            Optional<String> rack =
                racks && random.nextInt(8) > 0 ? Optional.of(RACKS[random.nextInt(RACKS.length)]) : Optional.empty();
            Subscription subscription = new Subscription(some, null, List.of(), -1, rack);
            if (random.nextInt(3) == 0) {
                subscription.setGroupInstanceId(Optional.of("i" + random.nextInt(10) + n));
            }
            members.put("m" + random.nextInt(10) + n, subscription);
        }
        return members;
    }

    private static void print(
        AbstractPartitionAssignor assignor, Map<String, List<PartitionInfo>> topics, Map<String, Subscription> members
    ) {
        String topicWords = topics.entrySet().stream()
            .map(topic -> topic.getKey() + "=" + topic.getValue().stream().map(Assignors::racks).collect(Collectors.joining("/")))
            .collect(Collectors.joining(" "));
        String memberWords = members.entrySet().stream().map(member -> String.join(",",
            member.getKey(),
            member.getValue().groupInstanceId().orElse(""),
            member.getValue().rackId().orElse(""),
            String.join("+", member.getValue().topics()))).collect(Collectors.joining(" "));
        String shares = new TreeMap<>(assignor.assignPartitions(topics, members)).entrySet().stream()
            .map(share -> share.getKey() + ": " + sorted(share.getValue()))
            .collect(Collectors.joining(" | "));
        System.out.println(String.join("; ", assignor.name(), topicWords, memberWords, shares));
    }

    private static String racks(PartitionInfo partition) {
        String racks = java.util.Arrays.stream(partition.replicas()).map(Node::rack).collect(Collectors.joining("+"));
        return racks.isEmpty() ? "-" : racks;
    }

    private static String sorted(List<TopicPartition> share) {
        return share.stream()
            .sorted(Comparator.comparing(TopicPartition::topic).thenComparing(TopicPartition::partition))
            .map(TopicPartition::toString)
            .collect(Collectors.joining(" "));
    }
}
