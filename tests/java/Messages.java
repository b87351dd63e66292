import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.Struct;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;

/**
 * The Java client's own message classes, driven by lines of words on standard input; each is answered by one line.
 *
 * <pre>
 * versions KEY DIRECTION                the versions its class has: "ok FIRST LAST", or "none"
 * recode KEY DIRECTION VERSION HEX      decodes a body and encodes it again: "ok HEX"
 * random KEY DIRECTION VERSION SEED     a body with random values: "ok HEX"
 * </pre>
 *
 * DIRECTION is request or response. Whatever fails is answered by "failed" and the stack trace.
 */
public final class Messages {
    private static final HexFormat HEX = HexFormat.of();

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
                StringWriter text = new StringWriter();
                error.printStackTrace(new PrintWriter(text, true));
                answer = "failed " + text.toString().trim();
            }
            answers.println(answer.replace("\n", " | "));
        }
    }

    private static String answer(String[] words) {
        boolean isRequest = words[2].equals("request");
        ApiMessageType api;
        try {
            api = ApiMessageType.fromApiKey(Short.parseShort(words[1]));
        } catch (UnsupportedVersionException absent) {
            return "none";
        }
        ApiMessage message = isRequest ? api.newRequest() : api.newResponse();
        if (words[0].equals("versions")) {
            return "ok " + message.lowestSupportedVersion() + " " + message.highestSupportedVersion();
        }
        short version = Short.parseShort(words[3]);
        if (words[0].equals("recode")) {
            // An empty body is no word at all.
            return "ok " + HEX.formatHex(recode(message, version, HEX.parseHex(words.length > 4 ? words[4] : "")));
        }
        Schema schema = (isRequest ? api.requestSchemas() : api.responseSchemas())[version];
        Random random = new Random(Long.parseLong(words[4]));
        Struct struct = struct(random, schema);
        ByteBuffer buffer = ByteBuffer.allocate(schema.sizeOf(struct));
        schema.write(buffer, struct);
        // By the class, not by the schema: that is what goes over the wire.
        return "ok " + HEX.formatHex(recode(message, version, buffer.array()));
    }

    private static byte[] recode(ApiMessage message, short version, byte[] body) {
        ByteBuffer in = ByteBuffer.wrap(body);
        message.read(new ByteBufferAccessor(in), version);
        if (in.hasRemaining()) {
            throw new IllegalStateException(in.remaining() + " bytes are left of " + message);
        }
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer out = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(out), cache, version);
        if (out.hasRemaining()) {
            throw new IllegalStateException("size is " + out.remaining() + " too much for " + message);
        }
        return out.array();
    }

    private static Struct struct(Random random, Schema schema) {
        Struct struct = new Struct(schema);
        for (BoundField field : schema.fields()) {
            struct.set(field, value(random, field.def.type));
        }
        return struct;
    }

    private static Object value(Random random, Type type) {
        if (type instanceof TaggedFields) {
            TreeMap<Integer, Object> tags = new TreeMap<>();
            for (Map.Entry<Integer, Field> field : tags((TaggedFields) type).entrySet()) {
                if (random.nextInt(10) < 7) {
                    tags.put(field.getKey(), value(random, field.getValue().type));
                }
            }
            return tags;
        }
        if (type.isNullable() && random.nextInt(10) < 3) {
            return null;
        }
        if (type.isArray()) {
            Type element = type.arrayElementType().get();
            // More than 127 elements take a longer compact length.
            boolean isLong = !(element instanceof Schema) && random.nextInt(20) == 0;
            Object[] elements = new Object[isLong ? 130 : random.nextInt(3)];
            for (int i = 0; i < elements.length; i++) {
                elements[i] = value(random, element);
            }
            return elements;
        }
        if (type instanceof Schema) {
            return struct(random, (Schema) type);
        }
        return plain(random, ((Type.DocumentedType) type).typeName());
    }

    /** There is no way in before 4.0. */
    @SuppressWarnings("unchecked")
    private static Map<Integer, Field> tags(TaggedFields type) {
        try {
            java.lang.reflect.Field fields = TaggedFields.class.getDeclaredField("fields");
            fields.setAccessible(true);
            return (Map<Integer, Field>) fields.get(type);
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
    }

    private static Object plain(Random random, String type) {
        switch (type) {
            case "BOOLEAN":
                return random.nextBoolean();
            case "INT8":
                return (byte) number(random, Byte.MIN_VALUE, Byte.MAX_VALUE);
            case "INT16":
                return (short) number(random, Short.MIN_VALUE, Short.MAX_VALUE);
            case "UINT16":
                return (int) number(random, 0, 65_535);
            case "INT32":
                return (int) number(random, Integer.MIN_VALUE, Integer.MAX_VALUE);
            case "UINT32":
                return number(random, 0, 4_294_967_295L);
            case "INT64":
                return number(random, Long.MIN_VALUE, Long.MAX_VALUE);
            case "FLOAT64":
                return random.nextInt() / 3.0;
            case "UUID":
                return random.nextInt(4) == 0 ? Uuid.ZERO_UUID : new Uuid(random.nextLong(), random.nextLong());
            case "STRING":
            case "COMPACT_STRING":
            case "NULLABLE_STRING":
            case "COMPACT_NULLABLE_STRING":
                return text(random);
            case "BYTES":
            case "COMPACT_BYTES":
            case "NULLABLE_BYTES":
            case "COMPACT_NULLABLE_BYTES":
                return bytes(random);
            case "RECORDS":
            case "COMPACT_RECORDS":
            case "NULLABLE_RECORDS":
            case "COMPACT_NULLABLE_RECORDS":
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
