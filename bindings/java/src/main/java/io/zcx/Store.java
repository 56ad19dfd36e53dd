package io.zcx;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;

/**
 * A store: payloads at keys, in memory that all processes which open it share. All threads may use
 * one at once. A key is text, or 1 to 511 bytes of any kind. Closing it always succeeds: new calls
 * fail, and what still lives of it (views, buffers, loans) stays usable until its own end.
 */
public final class Store implements AutoCloseable {
    /** How to open a store; what is not set is the default. */
    public static final class Options {
        private String database;
        private long budget;
        private long mapSize;
        private int durability;
        private int maxReaders;
        private int flags;
        private Duration lockTimeout = Duration.ZERO;
        private String group;

        /** The records' database; default "default". */
        public Options database(String name) {
            database = name;
            return this;
        }

        /** Bytes that the store may use; fixed at its creation. */
        public Options budget(long bytes) {
            budget = bytes;
            return this;
        }

        /** Bytes of address space; fixed at its creation. */
        public Options mapSize(long bytes) {
            mapSize = bytes;
            return this;
        }

        /** Publishing returns after the payload is on disk; fixed at its creation. */
        public Options durable(boolean wanted) {
            durability = wanted ? 2 : 1;
            return this;
        }

        public Options maxReaders(int readers) {
            maxReaders = readers;
            return this;
        }

        /** ENOTFOUND when there is no store at the path. */
        public Options existing() {
            flags |= 1;
            return this;
        }

        /** The name or number of a group whose members share the store; every opener names it. */
        public Options group(String name) {
            group = name;
            return this;
        }

        /** For locks that another process holds; default 10 s. */
        public Options lockTimeout(Duration timeout) {
            lockTimeout = timeout;
            return this;
        }
    }

    private final Handle handle;

    private Store(long store) {
        handle = new Handle(Handle.Kind.STORE, store, null).ownedBy(this);
    }

    /** At $ZCX_PATH, else /dev/shm/zcx-&lt;uid&gt;. */
    public static Store open() {
        return open(null, new Options());
    }

    public static Store open(Path path) {
        return open(path, new Options());
    }

    /** Creates the store unless it is there or options say not to. */
    public static Store open(Path path, Options options) {
        return new Store(Native.storeOpen(Native.bytes(path == null ? null : path.toString()),
                Native.bytes(options.database), Native.bytes(options.group), options.budget, options.mapSize,
                options.durability, options.maxReaders, options.flags, options.lockTimeout.toMillis()));
    }

    private interface Use<T> {
        T of(long store);
    }

    private <T> T use(Use<T> call) {
        long store = handle.enter();
        try {
            return call.of(store);
        } finally {
            handle.leave();
        }
    }

    /** A new native object of this store, whose handle counts as a user of ours. */
    private interface Child {
        long of(long store);
    }

    private long child(Child call) {
        long store = handle.enter();
        long made = 0;
        try {
            try {
                made = call.of(store);
            } catch (ZcxException error) {
                made = Handle.untilCollected(error, () -> call.of(store));
            }
            return made;
        } finally {
            if (made == 0) {
                handle.leave();
            }
        }
    }

    public Path path() {
        String path = use(store -> Native.text(Native.storePath(store)));
        return Path.of(path);
    }

    public String database() {
        return use(store -> Native.text(Native.storeDatabase(store)));
    }

    public long put(String key, Object value) {
        return put(Utf8.bytes(key), value, null);
    }

    public long put(String key, Object value, Envelope envelope) {
        return put(Utf8.bytes(key), value, envelope);
    }

    /**
     * Publishes a value: byte[] and ByteBuffer as raw, TypedArray and arrays of numbers as numpy,
     * anything else as msgpack; or as `envelope` says (nullable), where json takes a String and arrow
     * the bytes of a stream. Returns LMDB's transaction id.
     */
    public long put(byte[] key, Object value, Envelope envelope) {
        Encoded encoded = new Encoded(value, envelope);
        try (Loan loan = loan(encoded.size)) {
            loan.fill(encoded);
            return loan.publish(key, encoded.size, encoded.envelope);
        }
    }

    /** Publishes an error record: getting it is EFAILED with this message and trace (nullable). */
    public void putError(String key, String message, String trace) {
        byte[] said = Native.bytes(Objects.requireNonNull(message));
        use(store -> {
            Native.storePutError(store, Utf8.bytes(key), said, Native.bytes(trace), 0);
            return null;
        });
    }

    /** The value at a key, read in place: {@link View#get}. ENOTFOUND, EEXPIRED. */
    public Object get(String key) {
        try (View view = view(key)) {
            return view.get();
        }
    }

    public View view(String key) {
        return view(Utf8.bytes(key));
    }

    /** Pins the payload at a key. ENOTFOUND, EEXPIRED. */
    public View view(byte[] key) {
        return new View(child(store -> Native.viewOpen(store, key)), handle);
    }

    /**
     * Waits until the key has a record of a later transaction than `after` (0: any), and views it.
     * ETIMEDOUT, EDELETED (`after` is not 0, and there is none any more), EEXPIRED; of an error
     * record EFAILED or what it stands for, with its message. A null timeout: for ever.
     */
    public View await(String key, long after, Duration timeout) {
        long millis = timeout == null ? -1 : timeout.toMillis();
        byte[] at = Utf8.bytes(key);
        return new View(child(store -> Native.viewWait(store, at, after, millis)), handle);
    }

    public Loan loan(long size) {
        return loan(size, Duration.ZERO);
    }

    /** Lends memory for a payload of `size` bytes. When the store is full it waits for room as long
     * as `timeout`: EFULL, ETIMEDOUT. */
    public Loan loan(long size, Duration timeout) {
        if (size < 0) {
            throw new ZcxException(Status.EINVAL, "a loan of " + size + " bytes; allowed: 0 and more");
        }
        return new Loan(child(store -> Native.loanOpen(store, size, timeout.toMillis())), handle, size);
    }

    /** False when there was none. Views of it stay valid. */
    public boolean delete(String key) {
        return delete(Utf8.bytes(key));
    }

    public boolean delete(byte[] key) {
        return use(store -> Native.storeDelete(store, key));
    }

    public boolean exists(String key) {
        return exists(Utf8.bytes(key));
    }

    public boolean exists(byte[] key) {
        return use(store -> Native.storeExists(store, key));
    }

    /** Records, expired ones that no sweep has met yet included. */
    public long count() {
        return use(Native::storeCount);
    }

    /** All keys in order. */
    public Scan scan() {
        return scan(new Scan.Options());
    }

    public Scan scan(Scan.Options options) {
        return new Scan(child(options::open), handle, options);
    }

    /** Many puts and deletes in one atomic transaction. */
    public Batch batch() {
        return new Batch(child(Native::batchOpen), handle, this);
    }

    /** What it is and holds, as JSON. */
    public String stat() {
        return use(store -> Native.text(Native.storeStat(store)));
    }

    /** Deletes what expired and frees what dead processes held; `trim` gives the memory of idle
     * slots back. Returns what it did, as JSON. */
    public String sweep(boolean trim) {
        return use(store -> Native.text(Native.storeSweep(store, trim ? 1 : 0)));
    }

    /** Sound or not, as JSON. */
    public String check() {
        return use(store -> Native.text(Native.storeCheck(store)));
    }

    public boolean closed() {
        return handle.closed();
    }

    @Override
    public void close() {
        handle.close();
    }
}
