import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Assignment;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
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
 * The racks are those of each partition's replicas, "-" for none. The members of sticky groups say besides what they own and
 * since which generation:
 *
 * <pre>
 * ID,INSTANCE,RACK,TOPIC+TOPIC,GENERATION,TOPIC-PARTITION+TOPIC-PARTITION ...
 * </pre>
 *
 * These groups rebalance several times, and something happens in between. Left out are rebalances in which Kafka's classes
 * fail, or give a member a topic to which it does not subscribe: that befalls members that subscribe to nothing, and what
 * an older generation says of topics that a member gave up. Run with the jars of Kafka on the class path; arguments, if any,
 * are how many sticky groups there are and a seed for them.
 */
public final class Assignors {
    private static final int CASES = 80;
    private static final int STICKY_CASES = 40;
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
        int groups = args.length > 0 ? Integer.parseInt(args[0]) : STICKY_CASES;
        Random seeds = new Random(args.length > 1 ? Long.parseLong(args[1]) : 881);
        for (int at = 0; at < groups; at++) {
            long seed = seeds.nextLong();
            new StickyGroup(new Random(seed), false).run();
            new StickyGroup(new Random(seed), true).run();
        }
    }

    /** A group of a sticky assignor, with what its members own. */
    private static final class StickyGroup {
        private static final int ROUNDS = 4;

        private final Random random;
        private final boolean cooperative;
        private final boolean equal;
        private final boolean memberRacks;
        /** One for all partitions: all replicas everywhere, or nowhere near; otherwise each has its own. */
        private final String oneForAll;
        private final int partitionsMax;
        private final Map<String, List<PartitionInfo>> topics = new TreeMap<>();
        private final Map<String, Member> members = new TreeMap<>();
        private int generation = 3;

        private static final class Member {
            String instance;
            String rack;
            List<String> topics;
            int generation = -1;
            List<TopicPartition> owned = List.of();
        }

        StickyGroup(Random random, boolean cooperative) {
            this.random = random;
            this.cooperative = cooperative;
            equal = random.nextInt(5) < 2;
            memberRacks = random.nextInt(8) > 0;
            oneForAll = List.of("", "", "", "", "", "", "-", "away", "r0+r1+r2").get(random.nextInt(9));
            partitionsMax = random.nextInt(6) == 0 ? 30 : 1 + random.nextInt(6);
            for (int n = random.nextInt(5); n >= 0; n--) {
                topics.put("t" + n, new ArrayList<>());
                grow("t" + n, 1 + random.nextInt(partitionsMax));
            }
            int count = random.nextInt(8) == 0 ? 13 + random.nextInt(12) : 1 + random.nextInt(7);
            IntStream.range(0, count).forEach(n -> join());
        }

        void run() {
            for (int round = 0; round < ROUNDS; round++) {
                rebalance();
                // A cooperative group's next rebalance gives out what members gave up in this one.
                if (!cooperative || random.nextInt(3) == 0) {
                    IntStream.rangeClosed(0, random.nextInt(3)).forEach(n -> change());
                }
            }
        }

        private void grow(String topic, int count) {
            List<PartitionInfo> partitions = topics.get(topic);
            IntStream.range(0, count).forEach(n -> partitions.add(partition(topic, partitions.size())));
        }

        private PartitionInfo partition(String topic, int partition) {
            String racks = oneForAll.isEmpty()
                ? IntStream.range(0, random.nextInt(3) + (random.nextInt(8) > 0 ? 1 : 0))
                    .mapToObj(n -> rack()).collect(Collectors.joining("+"))
                : oneForAll;
            Node[] replicas = (racks.isEmpty() || racks.equals("-") ? List.<String>of() : List.of(racks.split("\\+"))).stream()
                .map(rack -> new Node(1, "h", 1, rack)).toArray(Node[]::new);
            return new PartitionInfo(topic, partition, null, replicas, replicas);
        }

        private String rack() {
            return RACKS[random.nextInt(RACKS.length)];
        }

        private List<String> someTopics() {
            List<String> some = topics.keySet().stream().filter(t -> equal || random.nextInt(5) < 3).collect(Collectors.toList());
            if (!equal && random.nextInt(8) == 0) {
                some.add("gone");
            }
            return some;
        }

        private void join() {
            Member member = new Member();
            member.instance = random.nextInt(8) == 0 ? "i" + random.nextInt(1000) : "";
            member.rack = memberRacks && random.nextInt(6) > 0 ? rack() : "";
            member.topics = someTopics();
            members.put("c" + Integer.toHexString(random.nextInt(1 << 20)), member);
        }

        private Member anyMember() {
            return new ArrayList<>(members.values()).get(random.nextInt(members.size()));
        }

        private String anyTopic() {
            return new ArrayList<>(topics.keySet()).get(random.nextInt(topics.size()));
        }

        private void change() {
            switch (random.nextInt(8)) {
                case 0, 1 -> join();
                case 2, 3 -> {
                    if (members.size() > 1) {
                        members.remove(new ArrayList<>(members.keySet()).get(random.nextInt(members.size())));
                    }
                }
                case 4 -> grow(anyTopic(), 1 + random.nextInt(3));
                case 5 -> {
                    List<PartitionInfo> partitions = topics.get(anyTopic());
                    partitions.replaceAll(p -> partition(p.topic(), p.partition()));
                }
                case 6 -> anyMember().rack = memberRacks ? rack() : "";
                default -> {
                    Member member = anyMember();
                    if (!equal) {
                        member.topics = someTopics();
                        // A cooperative member gives up what it does not want any more before it joins.
                        if (cooperative) {
                            member.owned = member.owned.stream()
                                .filter(p -> member.topics.contains(p.topic())).collect(Collectors.toList());
                        }
                    }
                }
            }
        }

        private void rebalance() {
            Map<String, Subscription> subscriptions = new TreeMap<>();
            members.forEach((id, member) -> subscriptions.put(id, subscription(member)));
            AbstractPartitionAssignor assignor = cooperative ? new CooperativeStickyAssignor() : new StickyAssignor();
            Map<String, List<PartitionInfo>> known = new TreeMap<>(topics);
            known.keySet().removeIf(t -> members.values().stream().noneMatch(m -> m.topics.contains(t)));
            generation++;
            if (!known.isEmpty() && members.values().iterator().next().topics.isEmpty()) {
                System.err.println("left out: the first member subscribes to nothing");
                return;
            }
            Map<String, List<TopicPartition>> shares;
            try {
                shares = assignor.assignPartitions(known, subscriptions);
            } catch (RuntimeException e) {
                System.err.println("left out: " + e);
                return;
            }
            boolean valid = shares.entrySet().stream().allMatch(share ->
                share.getValue().stream().allMatch(p -> members.get(share.getKey()).topics.contains(p.topic())));
            if (!valid) {
                System.err.println("left out: a topic to which the member does not subscribe");
                return;
            }
            String memberWords = members.entrySet().stream().map(entry -> {
                Member member = entry.getValue();
                String owned = member.owned.stream().map(TopicPartition::toString).collect(Collectors.joining("+"));
                return String.join(",", entry.getKey(), member.instance, member.rack, String.join("+", member.topics),
                    String.valueOf(member.generation), owned);
            }).collect(Collectors.joining(" "));
            System.out.println(String.join("; ", assignor.name(), topicWords(topics), memberWords, shareWords(shares)));
            members.forEach((id, member) -> {
                // Now and then one misses a generation, and claims what others have by now.
                if (random.nextInt(12) > 0) {
                    member.owned = shares.get(id);
                    // Now and then one is wrong, and claims what others have in the same generation.
                    if (random.nextInt(24) == 0) {
                        Set<TopicPartition> more = new HashSet<>(member.owned);
                        shares.get(new ArrayList<>(members.keySet()).get(random.nextInt(members.size()))).stream()
                            .filter(p -> member.topics.contains(p.topic())).limit(2).forEach(more::add);
                        member.owned = new ArrayList<>(more);
                    }
                    member.generation = generation;
                }
            });
        }

        private Subscription subscription(Member member) {
            Assignment assignment = new Assignment(member.owned);
            ConsumerGroupMetadata metadata = new ConsumerGroupMetadata("g", member.generation, "", Optional.empty());
            Optional<String> rack = Optional.of(member.rack).filter(r -> !r.isEmpty());
            Subscription subscription;
            if (cooperative) {
                CooperativeStickyAssignor assignor = new CooperativeStickyAssignor();
                assignor.onAssignment(assignment, metadata);
                subscription = new Subscription(
                    member.topics, assignor.subscriptionUserData(Set.of()), member.owned, member.generation, rack);
            } else {
                StickyAssignor assignor = new StickyAssignor();
                if (member.generation >= 0) {
                    assignor.onAssignment(assignment, metadata);
                }
                subscription = new Subscription(
                    member.topics, assignor.subscriptionUserData(Set.of()), List.of(), member.generation, rack);
            }
            subscription.setGroupInstanceId(Optional.of(member.instance).filter(i -> !i.isEmpty()));
            return subscription;
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
        String memberWords = members.entrySet().stream().map(member -> String.join(",",
            member.getKey(),
            member.getValue().groupInstanceId().orElse(""),
            member.getValue().rackId().orElse(""),
            String.join("+", member.getValue().topics()))).collect(Collectors.joining(" "));
        System.out.println(String.join("; ", assignor.name(), topicWords(topics), memberWords,
            shareWords(assignor.assignPartitions(topics, members))));
    }

    private static String topicWords(Map<String, List<PartitionInfo>> topics) {
        return topics.entrySet().stream()
            .map(topic -> topic.getKey() + "=" + topic.getValue().stream().map(Assignors::racks).collect(Collectors.joining("/")))
            .collect(Collectors.joining(" "));
    }

    private static String shareWords(Map<String, List<TopicPartition>> shares) {
        return new TreeMap<>(shares).entrySet().stream()
            .map(share -> share.getKey() + ": " + sorted(share.getValue()))
            .collect(Collectors.joining(" | "));
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
