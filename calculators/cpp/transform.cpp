// Transforms an array into one of the same dtype, shape and order, built where it will be read.
//
// Input: an array of f8 or f4 (a NumPy payload, or a msgpack map with one under `array`). NaN is a
// missing value: it stays NaN, and no other value is computed from it.
//
// Options:
//   operation  "standardise"   (x - mean) / std of all values; 0 everywhere if they are all equal
//              "clip"          into [low, high]
//              "rolling_mean"  mean of the value and the window - 1 before it; one dimension; NaN
//                              only where the whole window is missing
//   low, high  -infinity, infinity
//   window     7
//   array      none            name of the array in a msgpack map
#include "text.hpp"

#include <zcx_plugin.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace
{

// Two passes; the second also corrects what the first one lost by rounding. Sums are of doubles.
template <typename T> void standardise(std::span<T> out, std::span<const T> in)
{
    double sum = 0, off = 0, squares = 0, there = 0;
    for (T x : in)
        if (!std::isnan(x)) sum += x, there++;
    double mean = sum / there;
    for (T x : in)
        if (!std::isnan(x)) {
            double d = x - mean;
            off += d;
            squares += d * d;
        }
    double variance = (squares - off * off / there) / there;
    mean += off / there;
    double scale = variance > 0 ? 1 / std::sqrt(variance) : 0;
    for (std::size_t i = 0; i < in.size(); i++)
        out[i] = std::isnan(in[i]) ? in[i] : static_cast<T>((in[i] - mean) * scale);
}

template <typename T> void clip(std::span<T> out, std::span<const T> in, double low, double high)
{
    for (std::size_t i = 0; i < in.size(); i++)
        out[i] = static_cast<T>(in[i] < low ? low : in[i] > high ? high : in[i]);
}

// A sum of values that are there, and how many they are.
struct part {
    double sum = 0;
    std::uint64_t there = 0;

    template <typename T> part plus(T x) const
    {
        return std::isnan(x) ? *this : part{sum + static_cast<double>(x), there + 1};
    }
};

// Sums are only ever added to, never subtracted from, so nothing drifts and an infinity spoils no
// later window: a window is the rest of one block of `window` values and the beginning of the next.
template <typename T> void rolling_mean(std::span<T> out, std::span<const T> in, std::size_t window)
{
    window = std::clamp<std::size_t>(window, 1, std::max<std::size_t>(in.size(), 1));
    std::vector<part> rest(window + 1); // of the last block: of its values from k on
    for (std::size_t first = 0; first < in.size(); first += window) {
        std::span block = in.subspan(first, std::min(window, in.size() - first));
        part begun;
        for (std::size_t k = 0; k < block.size(); k++) {
            begun = begun.plus(block[k]);
            std::uint64_t there = begun.there + rest[k + 1].there;
            double sum = begun.sum + rest[k + 1].sum;
            out[first + k] = static_cast<T>(there ? sum / static_cast<double>(there) : NAN);
        }
        if (block.size() < window) break;
        for (std::size_t k = window; k-- > 0;)
            rest[k] = rest[k + 1].plus(block[k]);
    }
}

class transform
{
public:
    explicit transform(zcx::plugin::options &options)
        : operation(options.string("operation", "standardise")),
          low(options.number("low", -std::numeric_limits<double>::infinity())),
          high(options.number("high", std::numeric_limits<double>::infinity())),
          window(options.number("window", 7)), name(options.optional_string("array"))
    {
        if (operation != "standardise" && operation != "clip" && operation != "rolling_mean")
            throw std::invalid_argument("option 'operation' is \"" + operation +
                                        "\"; allowed: standardise, clip, rolling_mean");
        if (!(low <= high))
            throw std::invalid_argument("option 'low' is " + text_of(low) +
                                        "; allowed: at most 'high', which is " + text_of(high));
        if (!(window >= 1 && window <= 1e9) || window != std::floor(window))
            throw std::invalid_argument("option 'window' is " + text_of(window) +
                                        "; allowed: a whole number from 1 to 1e9");
    }

    void calculate(zcx::plugin::call &call) const
    {
        zcx::array in = call.array<double, float>(name ? name->c_str() : nullptr);
        if (operation == "rolling_mean" && in.shape.size() != 1)
            throw std::invalid_argument("operation 'rolling_mean' needs one dimension, not " +
                                        std::to_string(in.shape.size()));
        std::span<std::byte> out = call.answer_like(in);
        in.visit<double, float>([&]<typename T>(std::span<const T> values) {
            std::span<T> to = zcx::as_elements<T>(out);
            if (operation == "rolling_mean")
                rolling_mean(to, values, static_cast<std::size_t>(window));
            else if (operation == "clip")
                clip(to, values, low, high);
            else
                standardise(to, values);
        });
    }

private:
    std::string operation;
    double low, high, window;
    std::optional<std::string> name;
};

} // namespace

ZCX_PLUGIN("transform", transform)
