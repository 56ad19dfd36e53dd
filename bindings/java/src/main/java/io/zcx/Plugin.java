package io.zcx;

/**
 * A calculator in Java: a public class with a public constructor that takes {@link Options}, or
 * nothing. The `type` of a configuration is its name. Runs in the caller's JVM, or in {@link Worker}.
 */
public interface Plugin {
    /**
     * Answers one call: reads its input where it lies, and builds the answer where it will be read.
     * Whatever is thrown fails the call, with its message and trace.
     */
    void calculate(Call call) throws Exception;

    /** May calculate() run in several threads at once? Else its calls wait for each other. */
    default boolean threadSafe() {
        return false;
    }
}
