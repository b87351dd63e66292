import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.AbstractCollection;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Random;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

/**
 * Kafka's own message classes, driven by lines of words on standard input; each is answered by one line.
 *
 * <pre>
 * versions NAME               the versions its class has: "ok FIRST LAST", or "none"
 * recode NAME VERSION HEX     decodes a body and encodes it again: "ok HEX"
 * random NAME VERSION SEED    a body with random values: "ok HEX"
 * </pre>
 *
 * NAME is that of the schema: ProduceRequest, TopicRecord. Whatever fails is answered by "failed" and the top of the stack.
 */
public final class Messages {
    private static final HexFormat HEX = HexFormat.of();
    private static final String[] PLACES = {
        "org.apache.kafka.common.message.%sData",
        "org.apache.kafka.common.message.%s",
        "org.apache.kafka.common.metadata.%s",
        "org.apache.kafka.coordinator.group.generated.%s",
        "org.apache.kafka.coordinator.share.generated.%s",
        "org.apache.kafka.coordinator.transaction.generated.%s",
        "org.apache.kafka.raft.generated.%s",
    };

    public static void main(String[] args) throws Exception {
        // Answers only: what libraries print must not come between them.
        PrintStream answers = new PrintStream(System.out, true, "UTF-8");
        System.setOut(System.err);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String answer;
            try {
                answer = answer(line.split(" "));
            } catch (Throwable error) {
                StackTraceElement[] stack = error.getStackTrace();
                answer = "failed " + error + " at " + Arrays.toString(Arrays.copyOf(stack, Math.min(4, stack.length)));
            }
            answers.println(answer.replace("\n", " "));
        }
    }

    private static String answer(String[] words) throws ReflectiveOperationException {
        Class<?> type = find(words[1]);
        if (type == null) {
            return "none";
        }
        Message message = fresh(new Random(0), type);
        if (words[0].equals("versions")) {
            return "ok " + message.lowestSupportedVersion() + " " + message.highestSupportedVersion();
        }
        short version = Short.parseShort(words[2]);
        if (words[0].equals("recode")) {
            // An empty body is no word at all.
            return "ok " + HEX.formatHex(recode(message, version, HEX.parseHex(words.length > 3 ? words[3] : "")));
        }
        Random random = new Random(Long.parseLong(words[3]));
        return "ok " + HEX.formatHex(encode(filled(random, message, version), version));
    }

    private static Class<?> find(String name) {
        for (String place : PLACES) {
            try {
                return Class.forName(String.format(place, name));
            } catch (ClassNotFoundException elsewhere) {
                continue;
            }
        }
        return null;
    }

    private static byte[] recode(Message message, short version, byte[] body) {
        ByteBuffer in = ByteBuffer.wrap(body);
        message.read(new ByteBufferAccessor(in), version);
        if (in.hasRemaining()) {
            throw new IllegalStateException(in.remaining() + " bytes are left of " + message);
        }
        return encode(message, version);
    }

    private static byte[] encode(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer out = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(out), cache, version);
        if (out.hasRemaining()) {
            throw new IllegalStateException("size is " + out.remaining() + " too much for " + message);
        }
        return out.array();
    }

    /** One that can be written: records have no default. */
    private static Message fresh(Random random, Class<?> type) throws ReflectiveOperationException {
        Message message = (Message) type.getConstructor().newInstance();
        for (Method setter : type.getMethods()) {
            if (setter.getParameterCount() == 1 && setter.getParameterTypes()[0].getSimpleName().equals("BaseRecords")) {
                setter.invoke(message, records(bytes(random)));
            }
        }
        return message;
    }

    /** Sets every field that the version has to something it can be. */
    private static Message filled(Random random, Message message, short version) throws ReflectiveOperationException {
        // The order of reflection is nobody's promise, and a seed shall give the same message again.
        Method[] methods = message.getClass().getMethods();
        Arrays.sort(methods, Comparator.comparing(Method::getName));
        for (Method setter : methods) {
            // The setters of fields return the message; those of the lists that hold it do not.
            boolean isField = setter.getName().startsWith("set") && setter.getReturnType() == message.getClass();
            if (isField && setter.getParameterCount() == 1 && random.nextInt(10) > 0) {
                set(random, message, setter, version);
            }
        }
        return message;
    }

    /** Null is tried, too; what cannot be written in this version is left at its default. */
    private static void set(Random random, Message message, Method setter, short version)
            throws ReflectiveOperationException {
        String name = setter.getName().substring(3, 4).toLowerCase(Locale.ROOT) + setter.getName().substring(4);
        Object before = message.getClass().getMethod(name).invoke(message);
        boolean isPrimitive = setter.getParameterTypes()[0].isPrimitive();
        if (!isPrimitive && random.nextInt(10) < 3 && takes(message, setter, null, version)) {
            return;
        }
        Object value = value(random, setter.getGenericParameterTypes()[0], version);
        if (value == null || !takes(message, setter, value, version)) {
            setter.invoke(message, before);
        }
    }

    private static boolean takes(Message message, Method setter, Object value, short version)
            throws ReflectiveOperationException {
        try {
            setter.invoke(message, value);
            encode(message, version);
            // Sets of structures hash fields that the version does not have, too.
            message.hashCode();
            return true;
        } catch (InvocationTargetException outOfRange) {
            return false;
        } catch (NullPointerException | UnsupportedVersionException absent) {
            return false;
        }
    }

    /** A value of that type, null if there is none in this version. */
    private static Object value(Random random, Type type, short version) throws ReflectiveOperationException {
        if (type instanceof ParameterizedType) {
            Type element = ((ParameterizedType) type).getActualTypeArguments()[0];
            return elements(random, new ArrayList<>(), element, version);
        }
        Class<?> plain = (Class<?>) type;
        if (AbstractCollection.class.isAssignableFrom(plain)) {
            Type element = ((ParameterizedType) plain.getGenericSuperclass()).getActualTypeArguments()[0];
            @SuppressWarnings("unchecked")
            Collection<Object> empty = (Collection<Object>) plain.getConstructor().newInstance();
            return elements(random, empty, element, version);
        }
        if (Message.class.isAssignableFrom(plain)) {
            Message message = fresh(random, plain);
            try {
                encode(message, version);
            } catch (UnsupportedVersionException absent) {
                return null;
            }
            return filled(random, message, version);
        }
        return plain(random, plain.getSimpleName());
    }

    private static Object elements(Random random, Collection<Object> list, Type element, short version)
            throws ReflectiveOperationException {
        boolean isStruct = element instanceof Class && Message.class.isAssignableFrom((Class<?>) element);
        // More than 127 elements take a longer compact length.
        int count = !isStruct && random.nextInt(20) == 0 ? 130 : random.nextInt(3);
        for (int i = 0; i < count; i++) {
            Object value = value(random, element, version);
            if (value == null) {
                break;
            }
            list.add(value);
        }
        return list;
    }

    private static Object plain(Random random, String type) {
        switch (type) {
            case "boolean":
                return random.nextBoolean();
            case "byte":
            case "Byte":
                return (byte) number(random, Byte.MIN_VALUE, Byte.MAX_VALUE);
            case "short":
            case "Short":
                return (short) number(random, Short.MIN_VALUE, Short.MAX_VALUE);
            case "int":
            case "Integer":
                return (int) number(random, Integer.MIN_VALUE, Integer.MAX_VALUE);
            case "long":
            case "Long":
                return number(random, Long.MIN_VALUE, Long.MAX_VALUE);
            case "double":
                return random.nextInt() / 3.0;
            case "Uuid":
                return random.nextInt(4) == 0 ? Uuid.ZERO_UUID : new Uuid(random.nextLong(), random.nextLong());
            case "String":
                return text(random);
            case "byte[]":
                return bytes(random).array();
            case "ByteBuffer":
                return bytes(random);
            case "BaseRecords":
                return records(bytes(random));
            default:
                throw new IllegalArgumentException("no such type: " + type);
        }
    }

    /** The class has moved with 4.x. */
    private static Object records(ByteBuffer bytes) {
        for (String place : new String[] {"internal.", ""}) {
            try {
                return Class.forName("org.apache.kafka.common.record." + place + "MemoryRecords")
                        .getMethod("readableRecords", ByteBuffer.class)
                        .invoke(null, bytes);
            } catch (ClassNotFoundException elsewhere) {
                continue;
            } catch (ReflectiveOperationException error) {
                throw new IllegalStateException(error);
            }
        }
        throw new IllegalStateException("no MemoryRecords");
    }

    private static long number(Random random, long min, long max) {
        switch (random.nextInt(6)) {
            case 0:
                return min;
            case 1:
                return max;
            case 2:
                return 0;
            case 3:
                return Math.max(-1, min);
            default:
                // The casts cut what is too much.
                return min == 0 ? random.nextLong() & max : random.nextLong();
        }
    }

    private static String text(Random random) {
        String characters = random.nextInt(5) == 0 ? "é€\uD834\uDD1E" : "abcXYZ019-._";
        int[] points = characters.codePoints().toArray();
        // 126 to 128 bytes lie around the end of a one-byte compact length.
        int kind = random.nextInt(12);
        int length = kind == 0 ? 0 : kind == 1 ? 126 + random.nextInt(3) : kind == 2 ? 300 : 1 + random.nextInt(11);
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < length; i++) {
            text.appendCodePoint(points[random.nextInt(points.length)]);
        }
        return text.toString();
    }

    private static ByteBuffer bytes(Random random) {
        byte[] bytes = new byte[random.nextInt(5) == 0 ? 126 + random.nextInt(4) : random.nextInt(40)];
        random.nextBytes(bytes);
        return ByteBuffer.wrap(bytes);
    }
}
