import io.zcx.Call;
import io.zcx.LoanBuffer;
import io.zcx.Options;
import io.zcx.Plugin;
import io.zcx.TypedArray;
import java.nio.DoubleBuffer;

public final class Scale implements Plugin {
    private final double factor;

    public Scale(Options options) {
        factor = options.number("factor", 2);
    }

    @Override
    public void calculate(Call call) {
        TypedArray array = call.array(null, "<f8");
        DoubleBuffer in = array.asDoubles(); // in the store
        LoanBuffer out = call.answerLike(array); // built where it will be read
        for (int i = 0; i < in.limit(); i++) {
            out.putDouble(8L * i, factor * in.get(i));
        }
    }
}
