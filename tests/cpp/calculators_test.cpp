// The C++ calculators against those in C: the same inputs, the same results, whatever the dtype.
#include "calculator_fixture.hpp"

#include <cmath>
#include <random>

using zcx::array;
using zcx::map;

namespace
{

// Both of them, with the same options, on the same input.
struct pair {
    zcx::calculator c, cpp;

    pair(const place &at, const std::string &type, const std::string &options)
        : c(config(&at, ZCX_BINARY_DIR "/calculators/" + type + ".so", type, options)),
          cpp(config(&at, ZCX_BINARY_DIR "/calculators/cpp/" + type + ".so", type, options))
    {
    }
};

bool close_to(double one, double other)
{
    if (std::isnan(one) || std::isnan(other)) return std::isnan(one) && std::isnan(other);
    return one == other ||
           std::abs(one - other) <= 1e-12 * std::max({1.0, std::abs(one), std::abs(other)});
}

template <typename T> void same_elements(const array &one, const array &other)
{
    REQUIRE(one.dtype == other.dtype);
    REQUIRE(one.shape == other.shape);
    CHECK(one.order == other.order);
    CHECK(std::ranges::equal(one.as<T>(), other.as<T>(), [](T a, T b) {
        return close_to(static_cast<double>(a), static_cast<double>(b));
    }));
}

void same_groups(const pair &both, const map &input)
{
    zcx::result one = both.c.calculate(input), other = both.cpp.calculate(input);
    zcx::value c = one.unpack(), cpp = other.unpack();
    REQUIRE(c.map().size() == cpp.map().size());
    for (const char *name : {"mean", "std", "min", "max", "quantiles"}) {
        CAPTURE(std::string(name));
        same_elements<double>(c[name].array(), cpp[name].array());
    }
    for (const char *name : {"count", "missing"})
        same_elements<std::int64_t>(c[name].array(), cpp[name].array());
    const array &groups = c["group"].array(), &mine = cpp["group"].array();
    CHECK(groups.dtype == mine.dtype);
    CHECK(std::ranges::equal(groups.data, mine.data));
}

std::mt19937 random_numbers(1);

template <typename T> std::vector<T> numbers(std::size_t size, int from, int to)
{
    std::uniform_int_distribution<int> any(from, to);
    std::vector<T> out(size);
    for (T &one : out)
        one = static_cast<T>(any(random_numbers));
    return out;
}

} // namespace

TEST_CASE_TEMPLATE("groups of every integer", T, std::int8_t, std::uint8_t, std::int16_t,
                   std::uint16_t, std::int32_t, std::uint32_t, std::int64_t, std::uint64_t)
{
    place at;
    pair both(at, "group_delays", R"({"quantiles": [0, 0.1, 0.5, 0.9, 1], "missing": 3})");
    for (std::size_t size : {0, 1, 2, 3, 100, 5'000}) {
        CAPTURE(size);
        std::vector<T> groups = numbers<T>(size, -20, 20), delays = numbers<T>(size, 0, 100);
        same_groups(both, map{{"group", array::of(groups)}, {"delay", array::of(delays)}});
    }
}

TEST_CASE("groups of text and booleans, delays that are missing or infinite")
{
    place at;
    pair both(at, "group_delays", R"({"group": "carrier", "delay": "late"})");
    std::vector<double> late = numbers<double>(999, -60, 600);
    for (std::size_t i = 0; i < late.size(); i += 7)
        late[i] = i % 3 ? NAN : INFINITY;
    std::vector<zcx::boolean> yes(999);
    for (std::size_t i = 0; i < yes.size(); i += 2)
        yes[i] = zcx::boolean::yes;
    same_groups(both, map{{"carrier", array::of(yes)}, {"late", array::of(late)}});
    for (std::size_t width = 1; width <= 8; width++) {
        std::vector<std::uint8_t> letters = numbers<std::uint8_t>(999 * width, 'A', 'B');
        array carrier{"|S" + std::to_string(width), {999}, 'C', std::as_bytes(std::span(letters))};
        same_groups(both, map{{"late", array::of(late)}, {"carrier", carrier}, {"ignored", 1}});
    }
    std::vector<float> single(late.begin(), late.end());
    same_groups(both, map{{"carrier", array::of(yes)}, {"late", array::of(single)}});
}

TEST_CASE_TEMPLATE("transforms of every shape", T, double, float)
{
    place at;
    std::vector<T> values = numbers<T>(1'200, -1'000, 1'000);
    for (std::size_t i = 0; i < values.size(); i += 11)
        values[i] = NAN;
    values[100] = INFINITY;
    std::vector<T> equal(50, 3);
    for (const char *options :
         {"{}", R"({"operation": "clip", "low": -10.5, "high": 200})",
          R"({"operation": "clip", "high": 0})", R"({"operation": "standardise"})",
          R"({"operation": "rolling_mean"})", R"({"operation": "rolling_mean", "window": 1})",
          R"({"operation": "rolling_mean", "window": 1000000})"}) {
        CAPTURE(std::string(options));
        pair both(at, "transform", options);
        std::vector<array> inputs{array::of(values), array::of(std::span(values).first(99)),
                                  array::of(equal), array::of(std::span(values).first(0))};
        if (std::string(options).find("rolling") == std::string::npos) {
            inputs.push_back(array::of(values, {30, 40}));
            inputs.push_back(array::of(values, {30, 40}, 'F'));
        }
        for (const array &input : inputs) {
            zcx::result one = both.c.calculate(input), other = both.cpp.calculate(input);
            same_elements<T>(one.array(), other.array());
        }
    }
    pair named(at, "transform", R"({"array": "x"})");
    map input{{"x", array::of(equal)}};
    zcx::result one = named.c.calculate(input), other = named.cpp.calculate(input);
    same_elements<T>(one.array(), other.array());
}

TEST_CASE("what one refuses, the other refuses with the same words")
{
    place at;
    auto refused = [&](const std::string &type, const std::string &options, const map &input) {
        std::string said[2];
        for (int i = 0; i < 2; i++)
            try {
                std::string plugin =
                    ZCX_BINARY_DIR "/calculators/" + std::string(i ? "cpp/" : "") + type + ".so";
                zcx::calculator(config(&at, plugin, type, options)).calculate(input);
            } catch (const zcx::error &thrown) {
                said[i] = thrown.what();
            }
        CHECK(!said[0].empty());
        CHECK(said[0] == said[1]);
    };
    std::vector<double> one{1}, two{1, 2};
    for (const char *options :
         {R"({"windw": 3})", R"({"operation": 3})", R"({"operation": "sort"})", R"({"low": "x"})",
          R"({"low": 2, "high": 1})", R"({"window": 1.5})", R"({"window": 0})"})
        refused("transform", options, {});
    refused("transform", R"({"operation": "rolling_mean", "array": "x"})",
            map{{"x", array::of(two, {2, 1})}});
    refused("transform", R"({"array": "x"})", map{{"y", array::of(two)}});
    std::vector<int> integers{1};
    refused("transform", R"({"array": "x"})", map{{"x", array::of(integers)}});
    for (const char *options :
         {R"({"quantiles": [0.5, 0.2]})", R"({"quantiles": 1.5})", R"({"quantiles": ["a"]})",
          R"({"group": 7})", R"({"quantiles": [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]})"})
        refused("group_delays", options, {});
    refused("group_delays", "{}", map{{"group", array::of(integers)}, {"delay", array::of(two)}});
    refused("group_delays", "{}", map{{"group", array::of(one)}, {"delay", array::of(one)}});
    refused("group_delays", "{}", map{{"group", array::of(integers)}});
}
