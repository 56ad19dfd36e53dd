package io.zcx;

import static io.zcx.StoreTest.fails;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Waiting for keys, and calls that workers answer: in a thread of this process, and in another one. */
class WorkerTest {
    private final Path path = TestStores.path();
    private final Store store = TestStores.open(path);

    @AfterEach
    void close() {
        store.close();
    }

    private String config(String rest) {
        return "{\"name\": \"calc\", \"lmdb_enabled\": true, \"lmdb_db_path\": \"" + path + "\", \"queue\": \"q\"" + rest
                + "}";
    }

    /** Answers the sum of its input, or does what "do" says. */
    public static final class Sum implements Plugin {
        private final String what;

        public Sum(Options options) {
            what = options.string("do", "sum");
        }

        @Override
        public void calculate(Call call) {
            if (what.equals("die")) {
                Runtime.getRuntime().halt(9);
            }
            if (what.equals("fail")) {
                throw new IllegalStateException("it snowed");
            }
            double sum = 0;
            for (var in = call.array(null, "<f8").asDoubles(); in.hasRemaining();) {
                sum += in.get();
            }
            call.answerArray("<f8").putDouble(0, sum);
        }
    }

    private Worker started(String options, List<Thread> threads) {
        Worker worker = Worker.open(config(", \"calculator\": \"java\", \"type\": \"" + Sum.class.getName()
                + "\", \"options\": " + options));
        threads.add(new Thread(worker::run));
        threads.get(threads.size() - 1).start();
        return worker;
    }

    @Test
    void aKeyIsWaitedFor() throws Exception {
        Thread putter = new Thread(() -> store.put("later", new byte[] {1}));
        putter.start();
        try (View view = store.await("later", 0, null)) {
            assertEquals(1, view.length());
            long transaction = view.envelope().transaction();
            fails(Status.ETIMEDOUT, () -> store.await("later", transaction, Duration.ofMillis(1)));
            store.delete("later");
            fails(Status.EDELETED, () -> store.await("later", transaction, Duration.ofMillis(1)));
        }
        putter.join();
        store.putError("later", "it rained", null);
        assertTrue(fails(Status.EFAILED, () -> store.await("later", 0, null)).getMessage().contains("it rained"));
        fails(Status.ETIMEDOUT, () -> store.await("never", 0, Duration.ofMillis(1)));
    }

    @Test
    void workersAnswer() throws Exception {
        List<Thread> threads = new ArrayList<>();
        try (Worker worker = started("{}", threads); Calculator calculator = Calculator.open(config(""))) {
            for (double[] input : new double[][] {{1, 2}, new double[5000]}) {
                try (Result result = calculator.calculate(input)) {
                    assertEquals(input[0] * 3, result.array().asDoubles().get(0));
                }
            }
            List<Pending> calls = new ArrayList<>();
            for (int i = 0; i < 50; i++) {
                calls.add(calculator.submit(new double[] {i, 1}));
            }
            for (int i = 0; i < 50; i++) {
                try (Pending call = calls.get(i); Result result = call.get(Duration.ofSeconds(20))) {
                    assertEquals(i + 1, result.array().asDoubles().get(0));
                }
            }
            assertTrue(fails(Status.EFAILED, () -> calculator.calculate(new int[1])).getMessage().contains("<f8"));
            worker.stop();
            threads.get(0).join();
        }
    }

    @Test
    void failuresCarryMessageAndTrace() throws Exception {
        List<Thread> threads = new ArrayList<>();
        try (Worker worker = started("{\"do\": \"fail\"}", threads); Calculator calculator = Calculator.open(config(""))) {
            ZcxException error = fails(Status.EFAILED, () -> calculator.calculate(new double[1]));
            assertTrue(error.getMessage().contains("it snowed"), error.getMessage());
            assertTrue(error.trace().contains("WorkerTest"), error.trace());
            worker.stop();
            threads.get(0).join();
        }
    }

    @Test
    void callsAreCancelledAndTimeOut() {
        try (Calculator calculator = Calculator.open(config(", \"lmdb_wait_timeout\": 1"))) {
            fails(Status.ETIMEDOUT, () -> calculator.calculate(new double[1]));
            try (Pending call = calculator.submit(new double[1])) {
                assertFalse(call.await(Duration.ZERO));
                fails(Status.ETIMEDOUT, () -> call.get(Duration.ZERO));
                call.cancel();
                fails(Status.ECANCELLED, () -> call.await(null));
            }
            calculator.submit(new double[5000]).close();
            calculator.sweep();
        }
        assertEquals(0, store.count());
    }

    @Test
    void badConfigurationsAreNamed() {
        fails(Status.EINVAL, () -> Worker.open("{\"name\": \"calc\"}"));
        fails(Status.EINVAL, () -> Calculator.open("{\"name\": \"calc\", \"queue\": \"q\"}"));
        try (Worker worker = Worker.open(config(""), "no.Such")) {
            fails(Status.ENOTFOUND, worker::run);
            assertFalse(worker.answer(new CalculatorTest.Alone(), Duration.ZERO));
            worker.stop();
            assertFalse(worker.answer(new CalculatorTest.Alone(), null));
            worker.close();
            fails(Status.ECLOSED, worker::stop);
            fails(Status.ECLOSED, () -> worker.answer(new CalculatorTest.Alone(), null));
        }
    }

    private Process program(String... arguments) throws Exception {
        List<String> words = new ArrayList<>(List.of(System.getProperty("java.home") + "/bin/java", "-cp",
                HammerTest.CLASS_PATH, "io.zcx.Worker"));
        words.addAll(List.of(arguments));
        return new ProcessBuilder(words).redirectErrorStream(true).start();
    }

    @Test
    void theProgramAnswersUntilItIsTerminated() throws Exception {
        Path file = Files.writeString(path.resolveSibling("config.json"), config(""));
        Process worker = program(Sum.class.getName(), "--config", file.toString(), "--concurrency", "2");
        try (Calculator calculator = Calculator.open(config("")); Result result = calculator.calculate(new double[] {20, 22})) {
            assertEquals(42, result.array().asDoubles().get(0));
        }
        worker.destroy(); // SIGTERM
        assertTrue(worker.waitFor(60, TimeUnit.SECONDS));
        assertEquals(0, worker.exitValue());
    }

    @Test
    void aDeadlyRequestIsAnError() throws Exception {
        List<Process> workers = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            workers.add(program(Sum.class.getName(), "--config", config(", \"options\": {\"do\": \"die\"}")));
        }
        try (Calculator calculator = Calculator.open(config(""))) {
            fails(Status.EDEAD, () -> calculator.calculate(new double[1]));
        }
        for (Process worker : workers) {
            assertEquals(9, worker.waitFor());
        }
    }

    @Test
    void theProgramSaysWhatIsWrong() throws Exception {
        String[][] cases = {{"2", "usage:"}, {"2", "usage:", "--config"}, {"2", "usage:", "A", "B", "--config", "{}"},
            {"2", "/no/such", "--config", "/no/such"}, {"1", "no.Such", "no.Such", "--config", config("")},
            {"1", "'name'", "--config", "{}"}};
        for (String[] one : cases) {
            Process worker = program(java.util.Arrays.copyOfRange(one, 2, one.length));
            try (BufferedReader reader = worker.inputReader()) {
                String said = reader.readLine();
                assertTrue(said.contains(one[1]), said);
            }
            assertEquals(Integer.parseInt(one[0]), worker.waitFor());
        }
    }
}
