import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;

import org.apache.kafka.common.utils.Exit;

/**
 * Kafka's command-line tools, each call of which would take a virtual machine of its own. A line on standard input is the name of
 * a class and the arguments of its main method, with tabs between; it is answered by one line:
 *
 * <pre>
 * STATUS STDOUT STDERR       the exit status, and what was written in hexadecimal behind an x
 * </pre>
 */
public final class Tools {
    /** The tool asked for the end of the process. */
    private static final class Ended extends Error {
    }

    /** The status that the tool that runs asked for first; null while it has not. */
    private static Integer ended;

    public static void main(String[] args) throws Exception {
        PrintStream answers = new PrintStream(System.out, true, "UTF-8");
        PrintStream log = System.err;
        Exit.setExitProcedure((status, message) -> {
            // Some tools catch what is thrown here, say so and ask again: the process would not have come so far.
            if (ended == null) {
                ended = status;
                System.out.flush();
                System.err.flush();
                System.setOut(new PrintStream(OutputStream.nullOutputStream()));
                System.setErr(new PrintStream(OutputStream.nullOutputStream()));
            }
            throw new Ended();
        });
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split("\t");
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            ByteArrayOutputStream err = new ByteArrayOutputStream();
            System.setOut(new PrintStream(out, true, "UTF-8"));
            System.setErr(new PrintStream(err, true, "UTF-8"));
            int status = run(words[0], Arrays.copyOfRange(words, 1, words.length));
            System.out.flush();
            System.setErr(log);
            answers.println(status + " x" + hex(out) + " x" + hex(err));
        }
    }

    private static int run(String tool, String[] arguments) throws ReflectiveOperationException {
        Method main = Class.forName(tool).getMethod("main", String[].class);
        ended = null;
        try {
            main.invoke(null, (Object) arguments);
            return ended == null ? 0 : ended;
        } catch (InvocationTargetException error) {
            if (ended != null) {
                return ended;
            }
            error.getCause().printStackTrace();
            return 1;
        }
    }

    private static String hex(ByteArrayOutputStream bytes) {
        return HexFormat.of().formatHex(bytes.toByteArray());
    }
}
