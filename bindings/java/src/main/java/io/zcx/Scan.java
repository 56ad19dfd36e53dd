package io.zcx;

import java.util.Iterator;
import java.util.NoSuchElementException;

/** Keys in byte order, with their envelopes where asked for. For one thread at a time. */
public final class Scan implements Iterator<Scan.Entry>, Iterable<Scan.Entry>, AutoCloseable {
    /** A key, and its envelope or null. */
    public record Entry(byte[] keyBytes, Envelope envelope) {
        public String key() {
            return Native.text(keyBytes);
        }
    }

    /** What to show; by default all that is not expired. */
    public static final class Options {
        private byte[] prefix;
        private byte[] from;
        private byte[] to;
        private long limit;
        private int flags;
        private boolean envelopes;

        public Options prefix(String text) {
            prefix = Utf8.bytes(text);
            return this;
        }

        /** Inclusive: the lower bound, in reverse too. */
        public Options from(String key) {
            from = Utf8.bytes(key);
            return this;
        }

        /** Exclusive: the upper bound. */
        public Options to(String key) {
            to = Utf8.bytes(key);
            return this;
        }

        public Options limit(long records) {
            limit = records;
            return this;
        }

        public Options reverse() {
            flags |= 1;
            return this;
        }

        /** All keys of one moment, whatever memory that takes. */
        public Options snapshot() {
            flags |= 2;
            return this;
        }

        public Options expired() {
            flags |= 4;
            return this;
        }

        public Options envelopes() {
            envelopes = true;
            return this;
        }

        long open(long store) {
            return Native.scanOpen(store, prefix, from, to, limit, flags);
        }
    }

    private final Handle handle;
    private final boolean envelopes;
    private Entry next;

    Scan(long scan, Handle store, Options options) {
        handle = new Handle(Handle.Kind.SCAN, scan, store).ownedBy(this);
        envelopes = options.envelopes;
    }

    /** ECORRUPT for a damaged envelope; the next call goes on behind it. */
    @Override
    public synchronized boolean hasNext() {
        long scan = handle.enterAlone();
        try {
            if (next == null) {
                byte[][] envelope = envelopes ? new byte[1][] : null;
                byte[] key = Native.scanNext(scan, envelope);
                next = key == null ? null
                        : new Entry(key, envelope == null ? null : Envelope.unpack(envelope[0]));
            }
            return next != null;
        } finally {
            handle.leave();
        }
    }

    @Override
    public synchronized Entry next() {
        if (!hasNext()) {
            throw new NoSuchElementException("the scan is at its end");
        }
        Entry out = next;
        next = null;
        return out;
    }

    @Override
    public Iterator<Entry> iterator() {
        return this;
    }

    @Override
    public void close() {
        handle.close();
    }
}
