// Finds what lies far from a straight line.
//
// Input: a msgpack map with two f8 arrays of one dimension and the same length, `x` and `y`, and
// whatever else; rows with a NaN take no part.
//
// Output: a msgpack map of arrays of that length:
//   expected   f8, the value of the line of least squares at x
//   score      f8, (y - expected) in standard deviations of all such differences; 0 without any
//   outlier    b1, whether the score is beyond the limit on either side
//
// Options:
//   x, y       "x", "y"   names of the arrays
//   limit      2
#include <zcx_plugin.hpp>

#include <cmath>

namespace
{

struct line {
    double slope = 0, offset = 0, deviation = 0;

    line(std::span<const double> x, std::span<const double> y)
    {
        double n = 0, sum_x = 0, sum_y = 0, xx = 0, xy = 0, squares = 0;
        for_each(x, y, [&](double a, double b) { n++, sum_x += a, sum_y += b; });
        if (n == 0) return;
        const double mean_x = sum_x / n, mean_y = sum_y / n;
        for_each(x, y, [&](double a, double b) {
            xx += (a - mean_x) * (a - mean_x);
            xy += (a - mean_x) * (b - mean_y);
        });
        slope = xx > 0 ? xy / xx : 0;
        offset = mean_y - slope * mean_x;
        for_each(x, y, [&](double a, double b) { squares += std::pow(b - at(a), 2); });
        deviation = std::sqrt(squares / n);
    }
    double at(double x) const { return offset + slope * x; }

private:
    template <typename F>
    static void for_each(std::span<const double> x, std::span<const double> y, F function)
    {
        for (std::size_t i = 0; i < x.size(); i++)
            if (!std::isnan(x[i]) && !std::isnan(y[i])) function(x[i], y[i]);
    }
};

class outliers
{
public:
    explicit outliers(zcx::plugin::options &options)
        : x_name(options.string("x", "x")), y_name(options.string("y", "y")),
          limit(options.number("limit", 2))
    {
    }

    void calculate(zcx::plugin::call &call) const
    {
        zcx::array x_array = call.array<double>(x_name.c_str());
        zcx::array y_array = call.array<double>(y_name.c_str());
        std::span<const double> x = x_array.as<double>(), y = y_array.as<double>();
        if (x.size() != y.size())
            throw std::invalid_argument("'" + x_name + "' has " + std::to_string(x.size()) +
                                        " elements, '" + y_name + "' " + std::to_string(y.size()));
        const line fit(x, y);
        using zcx::plugin::column;
        auto [expected, score, outlier] = call.answer_map(
            column<double>("expected", {x.size()}), column<double>("score", {x.size()}),
            column<std::byte>("outlier", {x.size()}, "|b1"));
        for (std::size_t i = 0; i < x.size(); i++) {
            expected[i] = fit.at(x[i]);
            score[i] = fit.deviation > 0 ? (y[i] - expected[i]) / fit.deviation : 0;
            outlier[i] = std::byte(std::abs(score[i]) > limit);
        }
    }

private:
    std::string x_name, y_name;
    double limit;
};

} // namespace

ZCX_PLUGIN("outliers", outliers)
