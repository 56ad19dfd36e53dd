package io.zcx;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * An actor of tests/torture, of the roles produce, view and work: it follows the rules of
 * tests/torture/actor.h until it is killed, and writes what it does to its page of the ledger, whose
 * words are in tests/torture/ledger.h.
 */
public final class Actor {
    private static final long GOLDEN = 0x9E3779B97F4A7C15L;
    private static final int SHARED = 16;
    private static final int OWN = 8;
    private static final int LOOSE = 100;
    private static final int OWN_KEYS = 1000;
    private static final int ANSWERS = 500;
    private static final int HELD = 5;
    private static final int PAGE = 4096;

    // Words of a place's page.
    private static final int RESTS = 0;
    private static final int STEPS = 1;
    private static final int PUBLISHED = 2;
    private static final int VIEWED = 3;
    private static final int FULL = 4;
    private static final int PINS = 5;
    private static final int LOANS = 6;
    private static final int CALLS = 10;
    private static final int INTENT = 16;
    private static final int DONE = INTENT + OWN;
    private static final int TOLD = DONE + OWN;
    private static final int COMPLAINT = 64;
    private static final long NOT_KNOWN = -1; // a view's memory goes when the collector finds it gone

    private static final List<View> NOTHING = List.of();

    private final Store store;
    private final FileChannel ledger;
    private final long place;
    private final long seed;
    private final SplittableRandom random;
    private long count;

    private Actor(String store, FileChannel ledger, long place, long seed) {
        this.store = Store.open(Path.of(store),
                new Store.Options().budget(16 << 20).lockTimeout(Duration.ofSeconds(60)));
        this.ledger = ledger;
        this.place = place;
        this.seed = seed;
        this.random = new SplittableRandom(seed);
    }

    // ---- the ledger

    private long readAt(long at) {
        try {
            ByteBuffer word = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
            ledger.read(word, at);
            return word.getLong(0);
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    private long read(int word) {
        return readAt((place + 1) * PAGE + word * 8L);
    }

    private void write(int word, long value) {
        try {
            ByteBuffer bytes = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(0, value);
            ledger.write(bytes, (place + 1) * PAGE + word * 8L);
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    private void add(int word) {
        write(word, read(word) + 1);
    }

    private void restIfAsked(List<View> held) throws InterruptedException {
        long pause = readAt(0);
        if (pause == 0) {
            return;
        }
        held.forEach(view -> check(view, "held"));
        write(PINS, NOT_KNOWN); // who holds nothing may have pins of what he viewed before he began
        write(LOANS, 0);
        write(RESTS, pause);
        while (readAt(0) == pause) {
            Thread.sleep(1);
        }
        held.forEach(view -> check(view, "held over a pause"));
        write(RESTS, 0);
    }

    // ---- payloads

    private long sequence() {
        return seed << 24 | ++count;
    }

    private int length() {
        if (random.nextInt(4) == 0) {
            return 24 + random.nextInt(110) * 8;
        }
        int size = 2304;
        while (size < 300_000 && random.nextInt(8) != 0) {
            size += size / 2;
        }
        return size / 8 * 8;
    }

    private static void fill(LoanBuffer buffer, long key, long sequence, int size) {
        buffer.putLong(0, key);
        buffer.putLong(8, sequence);
        buffer.putLong(16, size);
        long first = sequence * GOLDEN + key * 31;
        for (int i = 0; i < size / 8 - 3; i++) {
            buffer.putLong(24 + i * 8L, first + i);
        }
    }

    /** The sequence of a payload that is whole. */
    private static long check(ByteBuffer bytes, long key, String when) {
        LongBuffer words = bytes.order(ByteOrder.LITTLE_ENDIAN).asLongBuffer();
        long first = words.get(1) * GOLDEN + key * 31;
        boolean whole = words.get(0) == key && words.get(2) == words.remaining() * 8L;
        for (int i = 3; whole && i < words.remaining(); i++) {
            whole = words.get(i) == first + (i - 3);
        }
        if (!whole) {
            throw new IllegalStateException("a payload at key " + key + " is not whole, " + when);
        }
        return words.get(1);
    }

    private static long check(View view, String when) {
        return check(view.buffer(), Long.parseLong(view.key()), when);
    }

    /** The transaction, or 0 when the store is full. */
    private long publish(long key, long sequence) {
        int size = length();
        try (Loan loan = store.loan(size)) {
            loan.fill(buffer -> fill(buffer, key, sequence, size));
            long transaction = loan.publish(Long.toString(key), Envelope.of(Format.RAW).ttl(Envelope.NEVER));
            add(PUBLISHED);
            return transaction;
        } catch (ZcxException error) {
            if (error.status() != Status.EFULL) {
                throw error;
            }
            add(FULL);
            return 0;
        }
    }

    private View find(long key) {
        try {
            return store.view(Long.toString(key));
        } catch (ZcxException error) {
            if (error.status() != Status.ENOTFOUND && error.status() != Status.EEXPIRED) {
                throw error;
            }
            return null;
        }
    }

    // ---- roles

    private long ownKey(int i) {
        return OWN_KEYS + place * OWN + i;
    }

    private void settleOwn() {
        for (int i = 0; i < OWN; i++) {
            long found = 0;
            try (View view = find(ownKey(i))) {
                found = view == null ? 0 : check(view, "after a kill");
            }
            if (found != read(INTENT + i) && found != read(DONE + i)) {
                throw new IllegalStateException("own key " + ownKey(i) + " has sequence " + found
                        + " after a kill, not " + read(INTENT + i) + " or " + read(DONE + i));
            }
            write(DONE + i, found);
            write(INTENT + i, found);
        }
    }

    private boolean delete(long key, boolean there) {
        try {
            if (!store.delete(Long.toString(key)) && there) {
                throw new IllegalStateException("own key " + key + " is gone");
            }
            return true;
        } catch (ZcxException error) {
            if (error.status() != Status.EFULL) {
                throw error;
            }
            return false;
        }
    }

    private void changeOwn() {
        int i = random.nextInt(OWN);
        long next = random.nextInt(3) == 0 ? 0 : sequence();
        write(INTENT + i, next);
        boolean happened = next == 0 ? delete(ownKey(i), read(DONE + i) != 0) : publish(ownKey(i), next) != 0;
        write((happened ? DONE : INTENT) + i, read((happened ? INTENT : DONE) + i));
    }

    private void produce() throws InterruptedException {
        settleOwn();
        for (;; add(STEPS)) {
            restIfAsked(NOTHING);
            if (random.nextInt(3) == 0) {
                changeOwn();
                continue;
            }
            int key = random.nextInt(SHARED);
            long transaction = publish(key, sequence());
            if (transaction != 0) {
                write(TOLD + key, transaction);
            }
        }
    }

    private void view() throws InterruptedException {
        List<View> held = new ArrayList<>();
        for (;; add(STEPS)) {
            restIfAsked(held);
            View view = find(random.nextBoolean() ? random.nextInt(SHARED) : LOOSE + random.nextInt(8));
            if (view == null) {
                continue;
            }
            check(view, "in a new view");
            add(VIEWED);
            held.add(view);
            if (held.size() > HELD) {
                try (View one = held.remove(random.nextInt(HELD))) {
                    check(one, "held");
                }
            }
        }
    }

    private void answer(Call call) {
        ByteBuffer in = call.buffer();
        long key = in.order(ByteOrder.LITTLE_ENDIAN).getLong(0);
        long sequence = check(in, key, "as a request's input");
        int size = length();
        fill(call.output(size, Envelope.of(Format.RAW)), key + ANSWERS, sequence, size);
        add(CALLS);
    }

    private void work() {
        String json = "{\"name\": \"torture\", \"queue\": \"torture\", \"lmdb_enabled\": true, \"lmdb_db_path\": \""
                + store.path() + "\", \"lmdb_data_format\": \"raw\", \"lmdb_ttl\": 20, \"lmdb_wait_timeout\": 20000}";
        try (Worker worker = Worker.open(json)) {
            for (;;) {
                worker.answer(this::answer, Duration.ofSeconds(1));
            }
        }
    }

    /** actor ROLE STORE LEDGER PLACE SEED */
    public static void main(String[] words) throws Exception {
        long place = Long.parseLong(words[3]);
        FileChannel ledger = FileChannel.open(Path.of(words[2]), StandardOpenOption.READ, StandardOpenOption.WRITE);
        try {
            Actor actor = new Actor(words[1], ledger, place, Long.parseLong(words[4]));
            switch (words[0]) {
                case "produce" -> actor.produce();
                case "view" -> actor.view();
                default -> actor.work();
            }
        } catch (RuntimeException error) {
            byte[] text = ("in Java: " + error + "\0").getBytes(StandardCharsets.UTF_8);
            ledger.write(ByteBuffer.wrap(text), (place + 1) * PAGE + COMPLAINT * 8L);
            Runtime.getRuntime().halt(1);
        }
    }
}
