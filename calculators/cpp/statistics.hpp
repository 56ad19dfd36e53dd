// Mean, spread and quantiles of doubles that have no NaN among them.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

struct summary {
    double mean = NAN, std = NAN, least = NAN, most = NAN;
};

// Two passes; the second also corrects what the first one lost by rounding.
inline summary summarise(std::span<const double> values)
{
    summary of;
    if (values.empty()) return of;
    double sum = 0, off = 0, squares = 0, count = static_cast<double>(values.size());
    of.least = of.most = values[0];
    for (double x : values) {
        sum += x;
        of.least = std::min(of.least, x);
        of.most = std::max(of.most, x);
    }
    of.mean = sum / count;
    if (!std::isfinite(of.mean)) return of;
    for (double x : values) {
        double d = x - of.mean;
        off += d;
        squares += d * d;
    }
    of.mean += off / count;
    if (count > 1) of.std = std::sqrt((squares - off * off / count) / (count - 1));
    return of;
}

// Reorders the values; quantiles ascend, so each search begins where the last one ended.
inline void find_quantiles(std::span<double> out, std::span<double> values,
                           std::span<const double> quantiles)
{
    auto from = values.begin();
    for (std::size_t i = 0; i < quantiles.size(); i++) {
        out[i] = NAN;
        if (values.empty()) continue;
        double position = quantiles[i] * static_cast<double>(values.size() - 1);
        double part = position - std::floor(position);
        auto at = values.begin() + static_cast<std::ptrdiff_t>(position);
        std::nth_element(from, at, values.end());
        from = at;
        out[i] = *at;
        if (part > 0) out[i] += part * (*std::min_element(at + 1, values.end()) - *at);
    }
}
