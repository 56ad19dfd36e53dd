// Statistics of delays by group.
//
// Input: a msgpack map with two arrays of one dimension and the same length: the groups (integers,
// booleans, or byte strings of up to 8 bytes) and the delays (integers or floats; NaN is missing).
//
// Output: a msgpack map of arrays with one row per group, in ascending order of the groups:
//   group      dtype of the input's
//   count      i8, delays that are there
//   missing    i8, delays that are not
//   mean, std, min, max   f8; std is the sample's (n - 1); NaN where there are too few delays
//   quantiles  f8, shape (groups, quantiles), interpolated linearly, as NumPy does by default
//
// Options:
//   group      "group"  name of the groups' array
//   delay      "delay"  name of the delays' array
//   missing    none     a delay of this value is missing, too
//   quantiles  [0.25, 0.5, 0.75]   ascending, 0 to 1, at most 16
#include "statistics.hpp"
#include "text.hpp"

#include <zcx_plugin.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_map>

namespace
{

constexpr const char *group_dtypes =
    "|b1 |i1 |u1 <i2 <u2 <i4 <u4 <i8 <u8 |S1 |S2 |S3 |S4 |S5 |S6 |S7 |S8";

// A row's group as a number whose order is the groups' order: signed integers are shifted to begin
// at 0, strings are read with their first byte as the highest.
class group_type
{
public:
    explicit group_type(const std::string &dtype)
        : size(static_cast<std::size_t>(dtype[2] - '0')), text(dtype[1] == 'S'),
          sign(dtype[1] == 'i' ? std::uint64_t(1) << (8 * size - 1) : 0)
    {
    }
    std::uint64_t read(const std::byte *item) const
    {
        std::uint64_t key = 0;
        std::memcpy(&key, item, size); // little-endian
        return text ? __builtin_bswap64(key) : key ^ sign;
    }
    void write(std::byte *item, std::uint64_t key) const
    {
        key = text ? __builtin_bswap64(key) : key ^ sign;
        std::memcpy(item, &key, size);
    }
    const std::size_t size; // bytes

private:
    bool text;
    std::uint64_t sign;
};

struct group {
    std::uint64_t key;
    std::int64_t count = 0, missing = 0;
    std::size_t first = 0; // of its delays, among those that lie side by side by group
};

// The rows' groups in order of appearance, and which one each row belongs to.
struct grouping {
    std::vector<group> groups;
    std::vector<std::uint32_t> of_row;

    grouping(const zcx::array &column, const group_type &type, const std::vector<double> &delays)
        : of_row(delays.size())
    {
        std::unordered_map<std::uint64_t, std::uint32_t> numbers;
        const std::byte *item = column.data.data();
        for (std::size_t row = 0; row < delays.size(); row++, item += type.size) {
            std::uint64_t key = type.read(item);
            auto next = static_cast<std::uint32_t>(groups.size());
            std::uint32_t number = row && groups[of_row[row - 1]].key == key
                                       ? of_row[row - 1]
                                       : numbers.try_emplace(key, next).first->second;
            if (number == next) groups.push_back({key});
            of_row[row] = number;
            std::isnan(delays[row]) ? groups[number].missing++ : groups[number].count++;
        }
    }

    // The delays that are there, those of a group side by side.
    std::vector<double> scatter(const std::vector<double> &delays)
    {
        std::vector<std::size_t> next;
        std::size_t all = 0;
        for (group &one : groups) {
            next.push_back(one.first = all);
            all += static_cast<std::size_t>(one.count);
        }
        std::vector<double> out(all);
        for (std::size_t row = 0; row < delays.size(); row++)
            if (!std::isnan(delays[row])) out[next[of_row[row]]++] = delays[row];
        return out;
    }
};

class group_delays
{
public:
    explicit group_delays(zcx::plugin::options &options)
        : group_name(options.string("group", "group")),
          delay_name(options.string("delay", "delay")), missing(options.number("missing", NAN)),
          quantiles(options.numbers("quantiles", {0.25, 0.5, 0.75}, 16))
    {
        double last = 0;
        for (double quantile : quantiles) {
            if (!(quantile >= last && quantile <= 1))
                throw std::invalid_argument("option 'quantiles' has " + text_of(quantile) +
                                            " after " + text_of(last) +
                                            "; allowed: ascending numbers from 0 to 1");
            last = quantile;
        }
    }

    void calculate(zcx::plugin::call &call) const
    {
        zcx::array group = call.array(group_name.c_str(), group_dtypes);
        std::vector<double> delays = read_delays(call, group);
        group_type type(group.dtype);
        grouping rows(group, type, delays);
        std::vector<double> sorted = rows.scatter(delays);
        std::ranges::sort(rows.groups, {}, &group::key);
        answer(call, rows.groups, sorted, group.dtype.c_str(), type);
    }

private:
    std::vector<double> read_delays(zcx::plugin::call &call, const zcx::array &group) const
    {
        zcx::array delay =
            call.array<double, float, std::int8_t, std::uint8_t, std::int16_t, std::uint16_t,
                       std::int32_t, std::uint32_t, std::int64_t, std::uint64_t>(
                delay_name.c_str());
        if (group.shape.size() != 1 || delay.shape.size() != 1 || group.count() != delay.count())
            throw std::invalid_argument("'" + group_name + "' and '" + delay_name +
                                        "' need one dimension and the same length, not " +
                                        std::to_string(group.shape.size()) + " and " +
                                        std::to_string(delay.shape.size()) + " dimensions with " +
                                        std::to_string(group.count()) + " and " +
                                        std::to_string(delay.count()) + " elements");
        std::vector<double> out(delay.count());
        delay.visit<double, float, std::int8_t, std::uint8_t, std::int16_t, std::uint16_t,
                    std::int32_t, std::uint32_t, std::int64_t, std::uint64_t>([&](auto values) {
            std::ranges::transform(values, out.begin(), [this](auto x) {
                return static_cast<double>(x) == missing ? NAN : static_cast<double>(x);
            });
        });
        return out;
    }

    void answer(zcx::plugin::call &call, const std::vector<group> &groups, std::span<double> sorted,
                const char *dtype, const group_type &type) const
    {
        using zcx::plugin::column;
        std::uint64_t n = groups.size(), width = quantiles.size();
        auto [key, count, absent, mean, std, least, most, found] = call.answer_map(
            column<std::byte>("group", {n}, dtype), column<std::int64_t>("count", {n}),
            column<std::int64_t>("missing", {n}), column<double>("mean", {n}),
            column<double>("std", {n}), column<double>("min", {n}), column<double>("max", {n}),
            column<double>("quantiles", {n, width}));
        for (std::size_t i = 0; i < n; i++) {
            std::span delays =
                sorted.subspan(groups[i].first, static_cast<std::size_t>(groups[i].count));
            summary of = summarise(delays);
            type.write(&key[i * type.size], groups[i].key);
            count[i] = groups[i].count;
            absent[i] = groups[i].missing;
            mean[i] = of.mean;
            std[i] = of.std;
            least[i] = of.least;
            most[i] = of.most;
            find_quantiles(found.subspan(i * width, width), delays, quantiles);
        }
    }

    std::string group_name, delay_name;
    double missing; // NaN: none
    std::vector<double> quantiles;
};

} // namespace

ZCX_PLUGIN("group_delays", group_delays)
