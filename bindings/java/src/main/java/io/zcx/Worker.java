package io.zcx;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * Answers the requests of a queue with a calculator in Java. As a program:
 *
 * <pre>java -cp zcx.jar:calculator.jar io.zcx.Worker CLASS --config FILE [--concurrency N]</pre>
 *
 * The configuration is its callers', a file or the JSON itself, with the calculator's "options"; its
 * "type" may stand for the class. SIGTERM finishes the requests in hand.
 */
public final class Worker implements AutoCloseable {
    private static final String USAGE = "usage: java io.zcx.Worker [CLASS] --config FILE|JSON [--concurrency N]";

    private final Handle handle;
    private final Map<String, Object> config;
    private volatile boolean stopped;

    private Worker(Handle handle, Map<String, Object> config) {
        this.handle = handle.ownedBy(this);
        this.config = config;
    }

    /** EINVAL: no "queue", or lmdb_enabled false. */
    public static Worker open(String json) {
        return open(json, null);
    }

    /** `type`: the class, instead of the configuration's; nullable. */
    public static Worker open(String json, String type) {
        Handle worker = new Handle(Handle.Kind.WORKER,
                Native.workerOpen(Native.bytes(Objects.requireNonNull(json))), null);
        Map<String, Object> config = new HashMap<>(Calculator.config(json));
        if (type != null) {
            config.put("type", type);
        }
        return new Worker(worker, config);
    }

    /** A new instance of the calculator. */
    public Plugin plugin() {
        return Calculator.plugin(config);
    }

    /** Answers requests in this thread, with an instance of its own, until stop(). */
    public void run() {
        Plugin plugin = plugin();
        while (!stopped) {
            answer(plugin, null);
        }
    }

    /** Answers one request, waiting for it as long as `timeout` (null: for ever). False: there came
     * none, or the worker was stopped. */
    public boolean answer(Plugin plugin, Duration timeout) {
        long worker = handle.enter();
        try {
            long call = Native.workerTake(worker, timeout == null ? -1 : timeout.toMillis());
            if (call == 0) {
                return false;
            }
            try {
                Call.run(plugin, call, null);
            } finally {
                Native.callClose(call);
            }
            return true;
        } catch (ZcxException error) {
            if (error.status() == Status.ECLOSED) {
                return false;
            }
            throw error;
        } finally {
            handle.leave();
        }
    }

    /** From now on nothing is taken, and run() returns after the request in hand. */
    public void stop() {
        long worker = handle.enter();
        stopped = true;
        try {
            Native.workerStop(worker);
        } finally {
            handle.leave();
        }
    }

    @Override
    public void close() {
        handle.close();
    }

    public static void main(String[] arguments) throws InterruptedException {
        String type = null;
        String json = null;
        int threads = 1;
        try {
            for (int i = 0; i < arguments.length; i++) {
                switch (arguments[i]) {
                    case "--config" -> json = read(arguments[++i]);
                    case "--concurrency" -> threads = Integer.parseInt(arguments[++i]);
                    default -> type = name(arguments[i], type);
                }
            }
            if (json == null || threads < 1) {
                throw new IllegalArgumentException();
            }
        } catch (IllegalArgumentException | ArrayIndexOutOfBoundsException error) {
            System.err.println(USAGE);
            System.exit(2);
        } catch (IOException error) {
            System.err.println("zcx: the configuration cannot be read: " + error.getMessage());
            System.exit(2);
        }
        System.exit(serve(json, type, threads));
    }

    private static String name(String argument, String before) {
        if (before != null || argument.startsWith("-")) {
            throw new IllegalArgumentException(argument);
        }
        return argument;
    }

    private static String read(String config) throws IOException {
        return config.stripLeading().startsWith("{") ? config : Files.readString(Path.of(config));
    }

    private static int serve(String json, String type, int count) throws InterruptedException {
        List<Thread> threads = new ArrayList<>();
        int[] failures = new int[1];
        try (Worker worker = open(json, type)) {
            worker.plugin(); // what is wrong with it is said once
            for (int i = 0; i < count; i++) {
                threads.add(new Thread(worker::run, "zcx-worker-" + i));
            }
            Runtime.getRuntime().addShutdownHook(new Thread(() -> end(worker, threads)));
            for (Thread thread : threads) {
                thread.setUncaughtExceptionHandler((failed, error) -> {
                    System.err.println("zcx: " + error);
                    failures[0] = 1;
                    worker.stop();
                });
                thread.start();
            }
            for (Thread thread : threads) {
                thread.join();
            }
        } catch (ZcxException error) {
            System.err.println("zcx: " + error.getMessage());
            return 1;
        }
        return failures[0];
    }

    /** SIGTERM: finishes the requests in hand; then it has done what it was told. */
    private static void end(Worker worker, List<Thread> threads) {
        try {
            worker.stop();
        } catch (ZcxException closed) {
            return; // it had ended by itself, with a status of its own
        }
        for (Thread thread : threads) {
            try {
                thread.join();
            } catch (InterruptedException error) {
                return;
            }
        }
        Runtime.getRuntime().halt(0);
    }
}
