package io.zcx;

import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Modifier;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;

/**
 * A calculator, by its configuration, a JSON object: a plug-in in C, C++ or Rust ("plugin"), a class
 * in this JVM ("calculator": "java" and "type", with "plugin" the jar if it is not on the class
 * path), or whichever workers take requests from "queue". All threads may call it at once; what is
 * not thread-safe runs one call at a time.
 */
public final class Calculator implements AutoCloseable {
    private final Handle handle;
    private final boolean isNative;
    private final Plugin plugin; // of this JVM; else null
    private final Envelope format; // of inputs
    private final String name;

    private Calculator(Handle handle, boolean isNative, Plugin plugin) {
        this.handle = handle.ownedBy(this);
        this.isNative = isNative;
        this.plugin = plugin;
        long exchange = exchange(handle.pointer());
        this.format = Envelope.of(Format.of(Native.exchangeFormat(exchange)));
        this.name = Native.text(Native.exchangeName(exchange));
    }

    /** EINVAL names the option that is wrong; EVERSION, ENOTFOUND, EFAILED the plug-in. */
    public static Calculator open(String json) {
        Objects.requireNonNull(json);
        Map<String, Object> config = config(json);
        if (!"java".equals(config.get("calculator")) || config.containsKey("queue")) {
            return new Calculator(new Handle(Handle.Kind.CALCULATOR,
                    Native.calculatorOpen(Native.bytes(json)), null), true, null);
        }
        Handle exchange = new Handle(Handle.Kind.EXCHANGE, Native.exchangeOpen(Native.bytes(json)), null);
        try {
            return new Calculator(exchange, false, plugin(config));
        } catch (RuntimeException | Error error) {
            exchange.close();
            throw error;
        }
    }

    /** What is no JSON object here, the core refuses with a better sentence. */
    @SuppressWarnings("unchecked")
    static Map<String, Object> config(String json) {
        try {
            return Json.parse(json) instanceof Map<?, ?> map ? (Map<String, Object>) map : Map.of();
        } catch (ZcxException error) {
            return Map.of();
        }
    }

    /** A new instance of the class that `type` names. */
    @SuppressWarnings("unchecked")
    static Plugin plugin(Map<String, Object> config) {
        String of = "calculator '" + config.get("name") + "'";
        if (!(config.get("type") instanceof String type)) {
            throw new ZcxException(Status.EINVAL, "option 'type' of " + of
                    + " is missing; it is the name of a class that implements io.zcx.Plugin");
        }
        Object given = config.get("options");
        Options options = new Options(given instanceof Map<?, ?> map ? (Map<String, Object>) map : Map.of());
        try {
            Class<?> found = Class.forName(type, true, loader((String) config.get("plugin"), of));
            if (!Plugin.class.isAssignableFrom(found) || Modifier.isAbstract(found.getModifiers())) {
                throw new ZcxException(Status.EINVAL, "the class " + type + " of " + of
                        + " does not implement io.zcx.Plugin");
            }
            Plugin made = instance(found.asSubclass(Plugin.class), options);
            options.check();
            return made;
        } catch (ClassNotFoundException error) {
            throw new ZcxException(Status.ENOTFOUND, "the class " + type + " of " + of
                    + " is not there; name its jar in 'plugin', or put it on the class path");
        } catch (InvocationTargetException error) {
            boolean ours = error.getCause() instanceof ZcxException;
            throw new ZcxException(ours ? ((ZcxException) error.getCause()).status() : Status.EFAILED,
                    of + ": " + (ours ? error.getCause().getMessage() : error.getCause().toString()));
        } catch (ReflectiveOperationException error) {
            throw new ZcxException(Status.EINVAL, "the class " + type + " of " + of
                    + " needs to be public, with a public constructor of io.zcx.Options or of nothing");
        } catch (ZcxException error) {
            throw error.getMessage().contains(of) ? error : new ZcxException(error.status(), of + ": " + error.getMessage());
        }
    }

    private static ClassLoader loader(String jar, String of) {
        ClassLoader context = Thread.currentThread().getContextClassLoader();
        ClassLoader known = context == null ? Calculator.class.getClassLoader() : context;
        if (jar == null) {
            return known;
        }
        if (!Files.exists(Path.of(jar))) {
            throw new ZcxException(Status.ENOTFOUND, "plug-in " + jar + " of " + of + " is not there");
        }
        try {
            return new URLClassLoader(new URL[] {Path.of(jar).toUri().toURL()}, known);
        } catch (MalformedURLException error) {
            throw new ZcxException(Status.EINVAL, "plug-in " + jar + " of " + of + " is no path");
        }
    }

    private static Plugin instance(Class<? extends Plugin> type, Options options)
            throws ReflectiveOperationException {
        for (Constructor<?> made : type.getConstructors()) {
            if (made.getParameterCount() == 1 && made.getParameterTypes()[0] == Options.class) {
                return (Plugin) made.newInstance(options);
            }
        }
        return type.getConstructor().newInstance();
    }

    private long exchange(long pointer) {
        return isNative ? Native.calculatorExchange(pointer) : pointer;
    }

    public String name() {
        return name;
    }

    /**
     * Its answer to `data`: a View, a Result, its Reference or a whole array that was read travels by
     * the record that it has, anything else is written in the configured format. EFAILED, with the
     * calculator's message and trace; ETIMEDOUT and EDEAD of workers.
     */
    public Result calculate(Object data) {
        try (Pending call = begin(data)) {
            call.run();
            return call.result();
        }
    }

    /** Begins a call without waiting, where workers answer; in process it does the whole call. */
    public Pending submit(Object data) {
        Pending call = begin(data);
        try {
            call.send();
            return call;
        } catch (RuntimeException | Error error) {
            call.close();
            throw error;
        }
    }

    private Pending begin(Object data) {
        long pointer = handle.enter(); // until the call is closed
        Handle call;
        try {
            call = new Handle(Handle.Kind.CALL, Native.callOpen(exchange(pointer)), handle);
        } catch (RuntimeException | Error error) {
            handle.leave();
            throw error;
        }
        Pending out = new Pending(this, call);
        try {
            out.give(data, format);
            return out;
        } catch (RuntimeException | Error error) {
            out.close();
            throw error;
        }
    }

    /** The callee's part, of a call that keeps us. */
    void run(long call, Handle given) {
        if (isNative) {
            Native.calculatorCall(handle.pointer(), call);
        } else if (plugin.threadSafe()) {
            Call.run(plugin, call, given);
        } else {
            synchronized (plugin) {
                Call.run(plugin, call, given);
            }
        }
    }

    void send(long call, Handle given) {
        if (isNative) {
            Native.calculatorSend(handle.pointer(), call);
        } else {
            run(call, given);
        }
    }

    /** False: it is still under way. */
    boolean await(long call, Duration timeout) {
        return !isNative || Native.callWait(call, timeout == null ? -1 : timeout.toMillis());
    }

    /** Deletes the records of results that are gone now, instead of at the next call. */
    public void sweep() {
        long pointer = handle.enter();
        try {
            Native.exchangeSweep(exchange(pointer));
        } finally {
            handle.leave();
        }
    }

    /** Calls under way are finished, and results stay valid. */
    @Override
    public void close() {
        handle.close();
    }
}
