// Typed arrays: elements that lie somewhere, and what describes them. Links nothing.
#pragma once

#include "error.hpp"

#include <complex>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace zcx
{

using bytes = std::span<const std::byte>;

// An element of dtype "|b1". Not bool: a byte that another program wrote may be neither 0 nor 1.
enum class boolean : std::uint8_t { no = 0, yes = 1 };

namespace detail
{

template <typename T, typename... Ts> constexpr bool one_of = (std::same_as<T, Ts> || ...);

// The letter of T's dtype, 0 when it has none.
template <typename T> constexpr char kind()
{
    if (std::same_as<T, boolean>) return 'b';
    if (one_of<T, std::complex<float>, std::complex<double>>) return 'c';
    if (std::floating_point<T>) return 'f';
    if (!std::integral<T> || one_of<T, bool, char, wchar_t, char8_t, char16_t, char32_t>) return 0;
    return std::signed_integral<T> ? 'i' : 'u';
}

template <typename T> constexpr const char *dtype_of()
{
    constexpr char letter = kind<T>();
    constexpr std::size_t size = sizeof(T);
    if (letter == 'b') return "|b1";
    if (letter == 'c') return size == 8 ? "<c8" : "<c16";
    if (letter == 'f') return size == 4 ? "<f4" : size == 8 ? "<f8" : "<f16";
    if (letter == 'i') return size == 1 ? "|i1" : size == 2 ? "<i2" : size == 4 ? "<i4" : "<i8";
    return size == 1 ? "|u1" : size == 2 ? "<u2" : size == 4 ? "<u4" : "<u8";
}

[[noreturn, gnu::cold]] inline void refuse(const std::string &sentence)
{
    throw error(ZCX_EINVAL, 0, sentence);
}

// `T` is const, or `data` is writable.
template <typename T, typename Byte> std::span<T> typed(std::span<Byte> data)
{
    static_assert(std::is_trivially_copyable_v<T>, "only trivial types can lie in shared memory");
    static_assert(!std::same_as<std::remove_const_t<T>, bool>, "read zcx::boolean instead");
    if (data.size() % sizeof(T))
        refuse(std::to_string(data.size()) + " bytes are no whole number of elements of " +
               std::to_string(sizeof(T)) + " bytes");
    if (auto off = reinterpret_cast<std::uintptr_t>(data.data()) % alignof(T); off && data.size())
        refuse("elements that need an alignment of " + std::to_string(alignof(T)) + " begin " +
               std::to_string(off) + " bytes behind it");
    return {reinterpret_cast<T *>(data.data()), data.size() / sizeof(T)};
}

} // namespace detail

// A number that a dtype can say: integers of 1 to 8 bytes, floating point, complex, zcx::boolean.
template <typename T>
concept element = detail::kind<std::remove_const_t<T>>()
!= 0;

// "<f8" for double, "|u1" for std::uint8_t, …
template <element T> constexpr const char *dtype()
{
    return detail::dtype_of<std::remove_const_t<T>>();
}

// The same bytes as elements of T, in place. EINVAL when size or alignment do not fit. `T` may be
// any trivially copyable type, the struct of a structured dtype for instance.
template <typename T> std::span<const T> as_elements(bytes data)
{
    return detail::typed<const T>(data);
}
template <typename T> std::span<T> as_elements(std::span<std::byte> data)
{
    return detail::typed<T>(data);
}

// A typed array: owns its description, refers to its elements, which live as long as what they were
// read from (a view, a call, the author's own memory).
struct array {
    std::string dtype; // NumPy's type string, "<f8"; JSON text if it has fields
    std::vector<std::uint64_t> shape;
    char order = 'C'; // or 'F'
    bytes data;       // the elements without gaps, 64-byte aligned when they were read in place

    // An array of one dimension, or of `shape`, over elements that stay the caller's: a vector, a
    // span, a C array, but not a temporary that would be gone at once.
    template <std::ranges::borrowed_range Range> static array of(Range &&elements)
    {
        return of(elements, {std::span(elements).size()});
    }
    template <std::ranges::borrowed_range Range>
    static array of(Range &&elements, std::vector<std::uint64_t> shape, char order = 'C')
    {
        std::span all(elements);
        using T = std::remove_const_t<typename decltype(all)::element_type>;
        return {zcx::dtype<T>(), std::move(shape), order, std::as_bytes(all)};
    }

    std::uint64_t count() const noexcept // elements
    {
        std::uint64_t product = 1;
        for (std::uint64_t size : shape)
            product *= size;
        return product;
    }

    // Is it of T's dtype? Of single bytes the order does not matter.
    template <element T> bool is() const noexcept
    {
        std::string_view own = dtype, other = zcx::dtype<T>();
        return own == other || (sizeof(T) == 1 && !own.empty() && own.substr(1) == other.substr(1));
    }

    // The elements in memory order. EINVAL when the dtype is another one.
    template <element T> std::span<const T> as() const
    {
        expect<T>();
        return as_elements<T>(data);
    }

    // Calls f(std::span<const T>) with the T of `Ts` that the dtype is; EINVAL when it is none.
    template <element... Ts, typename F> void visit(F &&f) const
    {
        expect<Ts...>();
        (void)((is<Ts>() && (f(as<Ts>()), true)) || ...);
    }

    // EINVAL, with both dtypes, unless it is of one of `Ts`.
    template <element... Ts> void expect() const
    {
        if ((is<Ts>() || ...)) return;
        std::string wanted = ((std::string(" ") + zcx::dtype<Ts>()) + ...);
        detail::refuse("an array has dtype \"" + dtype + "\", not" + wanted);
    }
};

} // namespace zcx
