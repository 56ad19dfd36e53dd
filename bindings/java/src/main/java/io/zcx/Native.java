package io.zcx;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The C functions. A {@code long} is a pointer, and nothing here checks it: {@link Handle} does.
 * Text is bytes of UTF-8, with a NUL at its end where it goes in.
 */
final class Native {
    /** The library that this jar was built with. */
    private static final String VERSION = "0.1";

    static {
        load();
        Class<?> needed = Unpacker.class; // unpack.c keeps its method ids
        String found = text(version());
        if (!found.startsWith(VERSION + ".")) {
            throw new UnsatisfiedLinkError("libzcx is version " + found + ", but this io.zcx needs "
                    + VERSION + "; install the two together");
        }
        assert needed != null;
    }

    private Native() {}

    /**
     * libzcx of the system before the carried one: a directory of java.library.path, then wherever
     * the dynamic loader looks, then the jar. A process has one libzcx, whoever loaded it first. The
     * JNI library goes with the classes, so the jar's comes first.
     */
    private static void load() {
        try {
            Path system = findInLibraryPath("libzcx.so.0");
            if (system != null) {
                System.load(system.toString());
            }
            if (Native.class.getResource(resource("libzcxjni.so")) != null) {
                loadCarried();
                return;
            }
            Path jni = findInLibraryPath("libzcxjni.so");
            if (jni == null) {
                throw missing(new IOException("the jar has no io/zcx/" + resource("libzcxjni.so")));
            }
            System.load(jni.toString());
        } catch (IOException error) {
            throw missing(error);
        } catch (UnsatisfiedLinkError error) {
            throw String.valueOf(error.getMessage()).contains("undefined symbol")
                    ? missing(new IOException("libzcx is older than this jar: " + error.getMessage())) : error;
        }
    }

    private static Path findInLibraryPath(String name) {
        for (String directory : System.getProperty("java.library.path", "").split(":")) {
            Path file = Path.of(directory, name).toAbsolutePath();
            if (!directory.isEmpty() && Files.isRegularFile(file)) { // empty: the current one, unnamed
                return file;
            }
        }
        return null;
    }

    /** Loads what lies in the jar from a directory that nobody else can write to or foresee. */
    private static void loadCarried() throws IOException {
        Path directory = Files.createTempDirectory("zcx-");
        try {
            Path jni = extract("libzcxjni.so", directory);
            try {
                System.load(jni.toString());
            } catch (UnsatisfiedLinkError error) {
                if (!String.valueOf(error.getMessage()).contains("libzcx.so.0")) {
                    throw error;
                }
                System.load(extract("libzcx.so.0", directory).toString());
                System.load(jni.toString());
            }
        } finally {
            for (String name : new String[] {"libzcxjni.so", "libzcx.so.0"}) {
                Files.deleteIfExists(directory.resolve(name)); // what is loaded stays mapped
            }
            Files.delete(directory);
        }
    }

    private static String resource(String name) {
        String arch = System.getProperty("os.arch");
        return "native/linux-" + (arch.equals("amd64") ? "x86_64" : arch) + "/" + name;
    }

    private static Path extract(String name, Path directory) throws IOException {
        try (InputStream in = Native.class.getResourceAsStream(resource(name))) {
            if (in == null) {
                throw new IOException("the jar has no io/zcx/" + resource(name));
            }
            Path out = directory.resolve(name);
            Files.copy(in, out);
            return out;
        }
    }

    private static UnsatisfiedLinkError missing(IOException why) {
        UnsatisfiedLinkError error = new UnsatisfiedLinkError("zcx's native library cannot be loaded ("
                + why.getMessage() + "); install zcx, or name its directory in -Djava.library.path");
        error.initCause(why);
        return error;
    }

    /** For C: UTF-8 and a NUL. */
    static byte[] bytes(String text) {
        if (text == null) {
            return null;
        }
        if (text.indexOf('\0') >= 0) {
            throw new ZcxException(Status.EINVAL, "a text has a NUL at " + text.indexOf('\0'));
        }
        return (text + '\0').getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    static native byte[] version();
    static native byte[] statusName(int status);
    static native ByteBuffer buffer(long address, long length);
    static native long addressOf(ByteBuffer direct);

    static native long storeOpen(byte[] path, byte[] database, byte[] group, long budget, long mapSize,
            int durability, int maxReaders, int flags, long lockTimeoutMs);
    static native void storeClose(long store);
    static native byte[] storePath(long store);
    static native byte[] storeDatabase(long store);
    static native void storePutError(long store, byte[] key, byte[] message, byte[] trace, long ttlMs);
    static native boolean storeDelete(long store, byte[] key);
    static native boolean storeExists(long store, byte[] key);
    static native long storeCount(long store);
    static native byte[] storeStat(long store);
    static native byte[] storeSweep(long store, int flags);
    static native byte[] storeCheck(long store);

    static native long loanOpen(long store, long size, long timeoutMs);
    static native long loanData(long loan);
    static native long loanPublish(long loan, byte[] key, long length, byte[] envelope);
    static native void loanDiscard(long loan);

    static native long viewOpen(long store, byte[] key);
    static native long viewWait(long store, byte[] key, long after, long timeoutMs);
    static native long viewData(long view);
    static native long viewLength(long view);
    static native byte[] viewKey(long view);
    static native byte[] viewEnvelope(long view);
    static native boolean viewVerify(long view);
    static native void viewRelease(long view);

    static native long scanOpen(long store, byte[] prefix, byte[] from, byte[] to, long limit, int flags);
    static native byte[] scanNext(long scan, byte[][] envelope);
    static native void scanClose(long scan);
    static native long batchOpen(long store);
    static native void batchPublish(long batch, long loan, byte[] key, long length, byte[] envelope);
    static native void batchDelete(long batch, byte[] key);
    static native long batchCommit(long batch);
    static native void batchDiscard(long batch);

    static native long packerOpen(long address, long capacity);
    static native void packNil(long packer);
    static native void packBool(long packer, boolean value);
    static native void packInt(long packer, long value);
    static native void packUint(long packer, long value);
    static native void packDouble(long packer, double value);
    static native void packBytes(long packer, byte[] bytes, boolean text);
    static native void packList(long packer, long items);
    static native void packMap(long packer, long pairs);
    static native long packArray(long packer, byte[] dtype, long[] shape, char order, long nbytes);
    static native long packerClose(long packer);
    static native Object unpack(long address, long length, Unpacker unpacker);

    static native long exchangeOpen(byte[] json);
    static native void exchangeClose(long exchange);
    static native void exchangeSweep(long exchange);
    static native byte[] exchangeName(long exchange);
    static native byte[] exchangeLanguage(long exchange);
    static native int exchangeFormat(long exchange);
    static native long calculatorOpen(byte[] json);
    static native void calculatorClose(long calculator);
    static native long calculatorExchange(long calculator);
    static native void calculatorCall(long calculator, long call);

    static native long callOpen(long exchange);
    static native void callClose(long call);
    static native byte[] callId(long call);
    static native long callInput(long call, long size);
    static native void callSubmit(long call, long length, byte[] envelope);
    static native void callInputView(long call, long view);
    static native void callInputReference(long call, byte[] reference);
    static native byte[] callResult(long call, long[] addressAndLength);
    static native long callResultView(long call);
    static native byte[] callResultReference(long call);
    static native long callPinResult(long call);
    static native void callKeepResult(long call);
    static native byte[] callTrace(long call);
    static native byte[] callRead(long call, long[] addressAndLength);
    static native long callTakeInput(long call);
    static native long callOutput(long call, long size);
    static native void callAnswer(long call, long length, byte[] envelope);
    static native void callFail(long call, byte[] message, byte[] trace);
    static native byte[] referenceConvert(byte[] encoded, int from, int to);

    static native void calculatorSend(long calculator, long call);
    static native boolean callWait(long call, long timeoutMs);
    static native void callCancel(long call);
    static native long workerOpen(byte[] json);
    static native long workerTake(long worker, long timeoutMs);
    static native void workerStop(long worker);
    static native void workerClose(long worker);
}
