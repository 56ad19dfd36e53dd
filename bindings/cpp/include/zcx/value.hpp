// What msgpack can say, as one C++ type. Text, bytes and arrays are referred to, not owned: a value
// that was read is valid as long as its payload, one that is built as long as what it was built of.
#pragma once

#include "array.hpp"

#include <variant>

namespace zcx
{

class value;
using list = std::vector<value>;
using map = std::vector<std::pair<value, value>>; // in order; of two equal keys the last one counts

struct extension { // of a type that zcx does not know
    std::int8_t type;
    bytes data;
};

class value
{
public:
    using variant =
        std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string_view,
                     bytes, zcx::list, zcx::map, zcx::array, extension>;

    value() noexcept = default; // nil
    value(bool from) : is_(from) {}
    template <std::integral T>
    requires(!std::same_as<T, bool>) value(T from)
    {
        if (std::in_range<std::int64_t>(from))
            is_ = static_cast<std::int64_t>(from);
        else
            is_ = static_cast<std::uint64_t>(from);
    }
    value(std::floating_point auto from) : is_(static_cast<double>(from)) {}
    value(const char *from) : is_(std::string_view(from)) {}
    value(std::string_view from) : is_(from) {}
    value(const std::string &from) : is_(std::string_view(from)) {}
    value(std::string &&) = delete; // would be gone when the value is used
    value(bytes from) : is_(from) {}
    value(zcx::list from) : is_(std::move(from)) {}
    value(zcx::map from) : is_(std::move(from)) {}
    value(zcx::array from) : is_(std::move(from)) {}
    value(extension from) : is_(from) {}

    const variant &get() const noexcept { return is_; } // for std::visit

    // What it is, or EINVAL with what it is instead.
    bool is_nil() const noexcept { return is_.index() == 0; }
    bool boolean() const { return of<bool>("a boolean"); }
    std::int64_t integer() const { return of<std::int64_t>("an integer of 64 bits with a sign"); }
    std::string_view text() const { return of<std::string_view>("text"); }
    bytes binary() const { return of<bytes>("bytes"); }
    const zcx::list &list() const & { return of<zcx::list>("a list"); }
    const zcx::map &map() const & { return of<zcx::map>("a map"); }
    const zcx::array &array() const & { return of<zcx::array>("an array"); }
    const zcx::list &list() const && = delete; // these are part of the value
    const zcx::map &map() const && = delete;
    const zcx::array &array() const && = delete;

    double number() const // of any kind; integers over 2^53 are rounded
    {
        if (auto *found = std::get_if<std::int64_t>(&is_)) return static_cast<double>(*found);
        if (auto *found = std::get_if<std::uint64_t>(&is_)) return static_cast<double>(*found);
        return of<double>("a number");
    }

    // The value at a key of a map; nullptr when there is none.
    const value *find(std::string_view key) const &
    {
        const zcx::map &pairs = map();
        for (auto pair = pairs.rbegin(); pair != pairs.rend(); ++pair)
            if (auto *text = std::get_if<std::string_view>(&pair->first.is_); text && *text == key)
                return &pair->second;
        return nullptr;
    }
    const value *find(std::string_view key) const && = delete;

    // The same; ENOTFOUND, with the keys that are there, when there is none.
    const value &operator[](std::string_view key) const &
    {
        if (const value *found = find(key)) return *found;
        std::string names;
        for (const auto &[name, item] : map())
            if (auto *text = std::get_if<std::string_view>(&name.is_))
                names += (names.empty() ? " '" : ", '") + std::string(*text) + "'";
        throw error(ZCX_ENOTFOUND, 0,
                    "the map has no '" + std::string(key) + "'; it has" +
                        (names.empty() ? " no text keys" : names));
    }
    const value &operator[](std::string_view key) const && = delete;

    const char *kind() const noexcept // "text", "a map", …
    {
        static constexpr const char *names[] = {"nil",    "a boolean", "an integer",  "an integer",
                                                "a real", "text",      "bytes",       "a list",
                                                "a map",  "an array",  "an extension"};
        return names[is_.index()];
    }

private:
    template <typename T> const T &of(const char *wanted) const
    {
        if (const T *found = std::get_if<T>(&is_)) return *found;
        throw error(ZCX_EINVAL, 0, std::string("the value is ") + kind() + ", not " + wanted);
    }

    variant is_;
};

} // namespace zcx
