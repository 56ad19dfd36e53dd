import io.zcx.Calculator;
import io.zcx.Result;
import java.nio.DoubleBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

public final class Main {
    /** Usage: Main CONFIG */
    public static void main(String[] arguments) throws Exception {
        double[] numbers = new double[1_000_000];
        Arrays.fill(numbers, 14);
        try (Calculator scale = Calculator.open(Files.readString(Path.of(arguments[0])));
                Result result = scale.calculate(numbers)) {
            DoubleBuffer scaled = result.array().asDoubles();
            System.out.println(scaled.limit() + " numbers, the last one is " + scaled.get(scaled.limit() - 1));
        }
    }
}
