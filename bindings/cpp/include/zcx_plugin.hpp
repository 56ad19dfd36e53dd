// A calculator plug-in in C++20: a class and one macro. Links nothing (CMake: zcx::plugin).
//
//     #include <zcx_plugin.hpp>
//
//     class scale
//     {
//     public:
//         explicit scale(zcx::plugin::options &options) : factor(options.number("factor", 2)) {}
//
//         void calculate(zcx::plugin::call &call) const
//         {
//             zcx::array in = call.array<double>();
//             std::span<double> out = call.answer_like<double>(in);
//             std::ranges::transform(in.as<double>(), out.begin(),
//                                    [this](double x) { return factor * x; });
//         }
//
//     private:
//         double factor;
//     };
//
//     ZCX_PLUGIN("scale", scale)
//
// An exception becomes the failure of the call, or of the opening, with its what(); nothing unwinds
// into zcx. What a call hands out is valid until calculate() returns. If calculate() is const, it
// may run in several threads at once, on one object; if not, one call waits for the other.
#pragma once

#include "zcx/array.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <tuple>

namespace zcx::plugin
{

// Thrown where zcx has recorded already why a call fails; what() says no more than that.
class recorded : public std::exception
{
public:
    const char *what() const noexcept override { return "the failure is recorded"; }
};

// What the constructor is given: the object "options" of the calculator's configuration. One of a
// wrong type, and one that is never asked for, make the opening fail with a sentence of zcx's own.
class options
{
public:
    options(const zcx_core *core, zcx_options *given) : core_(core), options_(given) {}

    std::string string(const char *name, const char *fallback = "") const
    {
        return core_->option_string(options_, name, fallback);
    }
    std::optional<std::string> optional_string(const char *name) const
    {
        const char *found = core_->option_string(options_, name, nullptr);
        return found ? std::optional<std::string>(found) : std::nullopt;
    }
    double number(const char *name, double fallback) const
    {
        return core_->option_number(options_, name, fallback);
    }
    bool boolean(const char *name, bool fallback) const
    {
        return core_->option_bool(options_, name, fallback) != 0;
    }
    // A number or a list of at most `most` numbers.
    std::vector<double> numbers(const char *name, const std::vector<double> &fallback,
                                std::size_t most = 1024) const
    {
        std::vector<double> found(most);
        found.resize(std::min(most, core_->option_numbers(options_, name, found.data(), most,
                                                          fallback.data(), fallback.size())));
        return found;
    }
    // All of them as JSON text, for a parser of the author's own.
    std::string json() const { return core_->options_json(options_); }

private:
    const zcx_core *core_;
    zcx_options *options_;
};

// One array of an answered map. The elements are T's; of std::byte with a dtype that is given.
template <typename T> struct column {
    const char *name;
    std::vector<std::uint64_t> shape;
    const char *dtype;

    column(const char *called, std::vector<std::uint64_t> sizes) requires element<T>
        : name(called), shape(std::move(sizes)), dtype(zcx::dtype<T>())
    {
    }
    column(const char *called, std::vector<std::uint64_t> sizes,
           const char *type) requires std::same_as<T, std::byte>
        : name(called), shape(std::move(sizes)), dtype(type)
    {
    }
};

// What calculate() is given: the input, read where it lies, and the answer, built where it will be
// read. A failure of any of these is thrown; caught or not, the call fails.
class call
{
public:
    call(const zcx_core *core, zcx_call *given) : core_(core), call_(given) {}

    // The whole input.
    bytes input() const { return {static_cast<const std::byte *>(raw().data), raw().length}; }
    std::string_view format() const { return raw().format; } // "raw", "json", …
    std::optional<std::string_view> content_type() const
    {
        const char *found = raw().content_type;
        return found ? std::optional<std::string_view>(found) : std::nullopt;
    }

    // The array under `name` in a msgpack map, or the whole input when there is no name, of one of
    // the types `Ts`, or of any type when none is given.
    template <element... Ts> zcx::array array(const char *name = nullptr) const
    {
        std::string wanted = dtypes<Ts...>();
        return array(name, wanted.empty() ? nullptr : wanted.c_str());
    }
    zcx::array array(const char *name, const char *dtypes) const // "<f8 <f4", nullptr: any
    {
        return from(need(core_->array(call_, name, dtypes)));
    }
    // Nothing when `name` is missing from the map.
    template <element... Ts> std::optional<zcx::array> optional_array(const char *name) const
    {
        std::string wanted = dtypes<Ts...>();
        const zcx_typed *found =
            core_->optional_array(call_, name, wanted.empty() ? nullptr : wanted.c_str());
        return found ? std::optional(from(*found)) : std::nullopt;
    }

    // The answer is exactly one of the following. The memory is 64-byte aligned, not zeroed.

    // An array of T.
    template <element T> std::span<T> answer_array(const std::vector<std::uint64_t> &shape)
    {
        void *data = core_->answer_array(call_, dtype<T>(), dimensions(shape), shape.data());
        return {&need(static_cast<T *>(data)), elements(shape)};
    }
    // An array of the dtype, shape and order of one that was read.
    template <typename T = std::byte> std::span<T> answer_like(const zcx::array &like)
    {
        zcx_typed typed{like.dtype.c_str(), like.shape.data(), dimensions(like.shape), like.order,
                        like.count(),       like.data.size(),  like.data.data()};
        auto *data = static_cast<std::byte *>(core_->answer_like(call_, &typed));
        return as_elements<T>(std::span(&need(data), like.data.size()));
    }
    // A map of arrays: auto [count, mean] = call.answer_map(column<std::int64_t>("count", {n}),
    // column<double>("mean", {n})) gives where their elements go, in C order.
    template <typename... T> std::tuple<std::span<T>...> answer_map(const column<T> &...columns)
    {
        std::array<zcx_column, sizeof...(T)> described{zcx_column{
            columns.name, columns.dtype, dimensions(columns.shape), columns.shape.data()}...};
        std::array<void *, sizeof...(T)> data{};
        if (core_->answer_map(call_, described.data(), described.size(), data.data()))
            throw recorded();
        return [&]<std::size_t... I>(std::index_sequence<I...>)
        {
            return std::tuple(std::span(static_cast<T *>(data[I]), elements(columns))...);
        }
        (std::index_sequence_for<T...>());
    }
    // Memory for a payload of any format, then its true length and format.
    std::span<std::byte> output(std::uint64_t size)
    {
        return {&need(static_cast<std::byte *>(core_->output(call_, size))), size};
    }
    void answer(std::uint64_t length, const char *format)
    {
        if (core_->answer(call_, length, format)) throw recorded();
    }
    // After answer_array: keep only the first `rows` of the first dimension.
    void answer_rows(std::uint64_t rows)
    {
        if (core_->answer_rows(call_, rows)) throw recorded();
    }

private:
    template <typename T> static T &need(T *found)
    {
        if (!found) throw recorded();
        return *found;
    }

    const zcx_input &raw() const { return need(core_->input(call_)); }

    template <typename... Ts> static std::string dtypes() // "<f8 <f4"; empty: any
    {
        std::string text = (std::string() + ... + (std::string(" ") + dtype<Ts>()));
        return text.empty() ? text : text.substr(1);
    }

    static std::uint32_t dimensions(const std::vector<std::uint64_t> &shape)
    {
        return static_cast<std::uint32_t>(shape.size());
    }

    static std::size_t elements(const std::vector<std::uint64_t> &shape)
    {
        return zcx::array{{}, shape, 'C', {}}.count();
    }
    template <typename T> static std::size_t elements(const column<T> &of)
    {
        std::size_t count = elements(of.shape);
        if constexpr (std::same_as<T, std::byte>) count *= item_size(of.dtype);
        return count;
    }
    // Of a dtype that zcx has accepted: its number, of U characters of 4 bytes.
    static std::size_t item_size(const char *dtype)
    {
        return std::strtoull(dtype + 2, nullptr, 10) * (dtype[1] == 'U' ? 4 : 1);
    }

    static zcx::array from(const zcx_typed &typed)
    {
        return {typed.dtype,
                {typed.shape, typed.shape + typed.ndim},
                typed.order,
                {static_cast<const std::byte *>(typed.data), typed.nbytes}};
    }

    const zcx_core *core_;
    zcx_call *call_;
};

// The plug-in's functions over a class: what ZCX_PLUGIN exports. Internal.
template <typename T> struct exported {
    static constexpr bool threads = requires(const T &object, call &one) { object.calculate(one); };

    // Hands what() of the exception in flight to `fail`.
    template <typename F> static void report(F fail) noexcept
    {
        try {
            throw;
        } catch (const recorded &) {
        } catch (const std::exception &thrown) {
            fail(thrown.what());
        } catch (...) {
            fail("it threw something that is no std::exception");
        }
    }

    static void *create(const zcx_core *core, zcx_options *given) noexcept
    {
        try {
            if constexpr (std::constructible_from<T, options &>) {
                options all(core, given);
                return new T(all);
            } else {
                return new T();
            }
        } catch (...) {
            report([&](const char *why) { core->options_fail(given, "%s", why); });
            return nullptr;
        }
    }

    static int calculate(void *instance, const zcx_core *core, zcx_call *given) noexcept
    {
        try {
            call one(core, given);
            static_cast<T *>(instance)->calculate(one);
            return 0;
        } catch (...) {
            report([&](const char *why) { core->fail(given, "%s", why); });
            return 1;
        }
    }

    static void destroy(void *instance) noexcept { delete static_cast<T *>(instance); }
};

} // namespace zcx::plugin

// Exports `class_` as the plug-in that a configuration calls by `type_`. Once in a shared object,
// in no namespace.
#define ZCX_PLUGIN(type_, ...)                                                                     \
    ZCX_PLUGIN_EXPORT const struct zcx_plugin zcx_plugin = {                                       \
        sizeof(struct zcx_plugin),                                                                 \
        ZCX_PLUGIN_ABI,                                                                            \
        zcx::plugin::exported<__VA_ARGS__>::threads ? ZCX_PLUGIN_THREADS : 0,                      \
        type_,                                                                                     \
        zcx::plugin::exported<__VA_ARGS__>::create,                                                \
        zcx::plugin::exported<__VA_ARGS__>::calculate,                                             \
        zcx::plugin::exported<__VA_ARGS__>::destroy};
