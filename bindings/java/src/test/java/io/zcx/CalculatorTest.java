package io.zcx;

import static io.zcx.StoreTest.fails;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Calculators in Java and in C, called from Java in this process: modes, chains, failures. */
class CalculatorTest {
    private static final Path PATH = TestStores.path();

    private final Store store = TestStores.open(PATH);

    @AfterEach
    void close() {
        store.close();
    }

    static String config(String mode, String rest) {
        return "{\"name\": \"calc\", \"lmdb_enabled\": true, \"lmdb_db_path\": \"" + PATH
                + "\", \"lmdb_exchange_mode\": \"" + mode + "\", " + rest + "}";
    }

    static String java(Class<? extends Plugin> type, String options) {
        return "\"calculator\": \"java\", \"type\": \"" + type.getName() + "\", \"options\": " + options;
    }

    private static String c(String type, String options) {
        return "\"calculator\": \"c\", \"type\": \"" + type + "\", \"plugin\": \""
                + TestStores.built("calculators/" + type + ".so") + "\", \"options\": " + options;
    }

    /** Doubles what it is given, whichever way it is told to. */
    public static final class Twice implements Plugin {
        static final List<Object> KEPT = new ArrayList<>();
        private final String how;

        public Twice(Options options) {
            how = options.string("how", "like");
        }

        @Override
        public void calculate(Call call) {
            TypedArray in = call.array(null, "<f8");
            double[] twice = new double[(int) in.count()];
            Arrays.setAll(twice, i -> 2 * in.asDoubles().get(i));
            KEPT.add(in.asDoubles());
            KEPT.add(call);
            switch (how) {
                case "like" -> put(call.answerLike(in), twice);
                case "array" -> put(call.answerArray("<f8", in.shape()), twice);
                case "map" -> put(call.answerMap(new Call.Column("a", "<f8", in.shape()))[0], twice);
                case "value" -> call.answer(Map.of("a", twice));
                case "rows" -> {
                    put(call.answerArray("<f8", in.count()), twice);
                    call.answerRows(1);
                }
                case "output" -> put(call.output(in.nbytes(), Envelope.numpy("<f8", in.shape())), twice);
                case "nothing" -> KEPT.add("nothing");
                case "two" -> {
                    call.answer(1);
                    call.answer(2);
                }
                case "fail" -> throw call.fail("it rained");
                case "missing" -> call.array("b", null);
                case "throw" -> throw new IllegalStateException("Sunday");
                case "overflow" -> throw new StackOverflowError();
                default -> put(call.answerArray("<f8", 1), new double[2]);
            }
        }

        private static void put(LoanBuffer out, double[] values) {
            KEPT.add(out);
            out.put(0, values);
        }
    }

    private static double first(Result result) {
        Object found = result.get();
        TypedArray array = (TypedArray) (found instanceof Map<?, ?> map ? map.get("a") : found);
        return array.asDoubles().get(0);
    }

    @Test
    void everyAnswerInEveryMode() {
        double[] large = new double[5000];
        large[0] = 21;
        for (String mode : List.of("input", "output", "both", "reference")) {
            for (String how : List.of("like", "array", "map", "value", "rows", "output")) {
                try (Calculator calculator = Calculator.open(config(mode, java(Twice.class, "{\"how\": \"" + how + "\"}")));
                        Result few = calculator.calculate(new double[] {4});
                        Result many = calculator.calculate(large)) {
                    assertEquals(8, first(few));
                    assertEquals(42, first(many));
                    assertEquals(how.equals("rows") ? 8 : large.length * 8, how.matches("map|value") ? 40_000
                            : many.length());
                }
            }
        }
        assertEverythingIsGone();
    }

    private void assertEverythingIsGone() {
        Twice.KEPT.clear();
        LifetimeTest.untilCollected(() -> {
            try (Calculator sweeper = Calculator.open(config("both", java(Twice.class, "{}")))) {
                sweeper.sweep();
            }
            return store.count() == 0;
        });
    }

    @Test
    void withoutAStoreCallsGoDirectly() {
        String json = "{\"name\": \"calc\", " + java(Twice.class, "{}") + "}";
        try (Calculator calculator = Calculator.open(json); Result result = calculator.calculate(new double[] {4, 5})) {
            assertEquals("calc", calculator.name());
            assertEquals(8, first(result));
            assertNull(result.reference());
            assertEquals(16, first(calculator.calculate(result)));
        }
    }

    @Test
    void whatACalculatorKeepsIsHarmless() {
        try (Calculator calculator = Calculator.open(config("both", java(Twice.class, "{}")))) {
            for (double[] input : new double[][] {{1}, new double[5000]}) {
                Twice.KEPT.clear();
                calculator.calculate(input).close();
                for (int i = 0; i < 50; i++) {
                    store.put("other", new double[5000]);
                }
                assertEquals(input[0], ((java.nio.DoubleBuffer) Twice.KEPT.get(0)).get(0));
                Call call = (Call) Twice.KEPT.get(1);
                fails(Status.ECLOSED, call::input);
                fails(Status.ECLOSED, call::buffer);
                fails(Status.ECLOSED, () -> call.answer(1));
                fails(Status.ECLOSED, () -> ((LoanBuffer) Twice.KEPT.get(2)).putInt(0, 1));
            }
        }
        store.delete("other");
        assertEverythingIsGone();
    }

    @Test
    void chainsWriteEachPayloadOnce() {
        double[] input = new double[5000];
        input[0] = 1;
        store.put("input", input);
        try (Calculator twice = Calculator.open(config("both", java(Twice.class, "{}")));
                Calculator transform = Calculator.open(config("both", c("transform", "{\"operation\": \"clip\"}")));
                View view = store.view("input")) {
            try (Result one = twice.calculate(view)) {
                assertEquals(2, store.count()); // the input and one's: no second put
                try (Result two = transform.calculate(one); Result three = twice.calculate(two.array())) {
                    assertEquals(4, store.count());
                    assertEquals(4, first(three));
                    assertEquals(8, first(twice.calculate(three.reference())));
                }
            }
        }
        try (Calculator twice = Calculator.open(config("reference", java(Twice.class, "{}")));
                Result result = twice.calculate(store.get("input"))) {
            Reference reference = result.reference();
            assertEquals(4, first(twice.calculate(Reference.parse(reference.json()))));
            result.keep();
            assertTrue(reference.toString().contains("_lmdb_output_key"));
        }
        try (Scan scan = store.scan(new Scan.Options().prefix("output:calc:"))) {
            scan.forEachRemaining(entry -> store.delete(entry.keyBytes()));
        }
        store.delete("input");
        assertEverythingIsGone();
    }

    @Test
    void failuresSayWhyAndWhere() {
        String[][] cases = {{"fail", "calculator 'calc': it rained"}, {"throw", "Sunday"}, {"nothing", "without an answer"},
            {"two", "answered twice"}, {"too much", "outside"}, {"missing", "no msgpack map"}, {"overflow", "StackOverflow"}};
        for (String[] one : cases) {
            try (Calculator calculator = Calculator.open(config("both", java(Twice.class, "{\"how\": \"" + one[0] + "\"}")))) {
                ZcxException error = fails(Status.EFAILED, () -> calculator.calculate(new double[] {1}));
                assertTrue(error.getMessage().contains(one[1]), error.getMessage());
                assertTrue(error.trace().contains("io.zcx"), error.trace());
                ZcxException large = fails(Status.EFAILED, () -> calculator.calculate(new double[5000]));
                assertTrue(large.getMessage().contains(one[1]), large.getMessage());
                ZcxException other = fails(Status.EFAILED, () -> calculator.calculate(new int[] {1}));
                assertTrue(other.getMessage().contains("the input has dtype <i4; this calculator reads <f8"), other.getMessage());
            }
        }
        assertEverythingIsGone();
    }

    public static final class Broken implements Plugin {
        public Broken() {
            throw new IllegalStateException("not today");
        }

        @Override
        public void calculate(Call call) {}
    }

    static final class Hidden implements Plugin {
        @Override
        public void calculate(Call call) {}
    }

    @Test
    void badConfigurationsAreNamed() {
        String[][] cases = {
            {"EINVAL", "{", "JSON"},
            {"EINVAL", "{\"name\": \"n\", \"nonsense\": 1}", "'nonsense'"},
            {"EINVAL", "{\"name\": \"n\", \"calculator\": \"java\"}", "option 'type'"},
            {"ENOTFOUND", "{\"name\": \"n\", \"calculator\": \"java\", \"type\": \"no.Such\"}", "no.Such"},
            {"EINVAL", "{\"name\": \"n\", \"calculator\": \"java\", \"type\": \"java.lang.String\"}", "io.zcx.Plugin"},
            {"ENOTFOUND", "{\"name\": \"n\", \"calculator\": \"java\", \"type\": \"x\", \"plugin\": \"/no/such.jar\"}",
                "/no/such.jar"},
            {"EINVAL", config("both", java(Twice.class, "{\"how\": 1}")), "option 'how' is 1; allowed: text"},
            {"EINVAL", config("both", java(Twice.class, "{\"what\": 1}")), "it has no option 'what'"},
            {"EFAILED", config("both", java(Broken.class, "{}")), "not today"},
            {"EINVAL", config("both", java(Hidden.class, "{}")), "needs to be public"},
            {"ENOTFOUND", config("both", "\"type\": \"x\", \"plugin\": \"/no/such.so\""), "/no/such.so"},
        };
        for (String[] one : cases) {
            ZcxException error = fails(Status.valueOf(one[0]), () -> Calculator.open(one[1]));
            assertTrue(error.getMessage().contains(one[2]), error.getMessage());
        }
    }

    /** A thread-unsafe calculator runs one call at a time, whoever calls. */
    public static final class Alone implements Plugin {
        static final AtomicInteger INSIDE = new AtomicInteger();

        @Override
        public void calculate(Call call) {
            int others = INSIDE.getAndIncrement();
            Thread.yield();
            INSIDE.decrementAndGet();
            call.answer(others);
        }
    }

    @Test
    void threadsShareACalculatorWhileItIsClosed() throws Exception {
        List<Throwable> wrong = java.util.Collections.synchronizedList(new ArrayList<>());
        for (int round = 0; round < 20; round++) {
            Calculator calculator = Calculator.open(config("both", java(Alone.class, "{}")));
            Thread[] threads = new Thread[3];
            for (int i = 0; i < threads.length; i++) {
                threads[i] = new Thread(() -> {
                    try {
                        for (;;) {
                            try (Result result = calculator.calculate(new byte[2000])) {
                                assertEquals(0L, result.get());
                            }
                        }
                    } catch (ZcxException closed) {
                        if (closed.status() != Status.ECLOSED) {
                            wrong.add(closed);
                        }
                    } catch (Throwable error) {
                        wrong.add(error);
                    }
                });
                threads[i].start();
            }
            calculator.calculate(new byte[1]).close();
            calculator.close();
            for (Thread thread : threads) {
                thread.join();
            }
            fails(Status.ECLOSED, () -> calculator.calculate(1));
        }
        assertEquals(List.of(), wrong);
        assertEverythingIsGone();
    }

    @Test
    void aCallInProcessIsOverWhenItIsSubmitted() {
        try (Calculator calculator = Calculator.open(config("both", c("transform", "{\"operation\": \"clip\"}")));
                Pending pending = calculator.submit(new double[] {3})) {
            assertTrue(pending.await(Duration.ZERO));
            try (Result result = pending.get(null)) {
                assertEquals(3, first(result));
                assertNotNull(result.envelope());
            }
            fails(Status.ECLOSED, () -> pending.await(null));
        }
        assertEverythingIsGone();
    }

    @Test
    void resultsOutliveTheirCalculator() {
        Result result;
        try (Calculator calculator = Calculator.open(config("both", java(Twice.class, "{}")))) {
            result = calculator.calculate(new double[5000]);
        }
        ByteBuffer buffer = result.buffer();
        result.close();
        fails(Status.ECLOSED, result::get);
        fails(Status.ECLOSED, result::reference);
        assertEquals(40_000, buffer.remaining());
        assertEquals(0, buffer.getDouble(39_992));
        buffer = null;
        assertEverythingIsGone();
    }
}
