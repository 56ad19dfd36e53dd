// What a record says about its payload.
#pragma once

#include "core.hpp"

#include <optional>

namespace zcx
{

using milliseconds = std::chrono::milliseconds;
using time_point = std::chrono::sys_time<std::chrono::nanoseconds>;

inline constexpr milliseconds never{ZCX_TTL_NEVER}; // a time to live: until deleted
inline constexpr milliseconds forever{-1};          // a timeout

// Given to put and publish (the first part), and read from views and scans (all of it). Owns all
// that it says. As arguments, name what you set: {.format = ZCX_JSON, .ttl = 60s}.
struct envelope {
    std::uint32_t format = ZCX_RAW; // a zcx_format; reading: may be a tag of a later version
    std::uint32_t flags = 0;        // ZCX_FLAG_ERROR, ZCX_FLAG_CHECKSUM
    milliseconds ttl{0};            // 0: five minutes; zcx::never; reading: 0
    std::optional<std::string> source{}, target{}, content_type{};
    std::string dtype{};                // numpy, as in zcx::array
    std::vector<std::uint64_t> shape{}; // numpy
    char order = 0;                     // numpy: 'C' or 'F'

    // Read only.
    bool in_slot = false; // the payload lies in a slot, not in the record
    std::uint32_t slot = 0, generation = 0;
    std::uint32_t checksum = 0; // CRC32C of the payload, with ZCX_FLAG_CHECKSUM
    std::uint64_t length = 0;   // of the payload, bytes
    std::uint64_t transaction = 0;
    time_point created{};
    std::optional<time_point> expires{}; // none: never

    // An error record: the payload is a msgpack map {message, trace}, not a result.
    bool failed() const noexcept { return flags & ZCX_FLAG_ERROR; }
};

namespace detail
{

inline const char *pointer(const std::optional<std::string> &text)
{
    return text ? text->c_str() : nullptr;
}

// Valid as long as `from`.
inline zcx_envelope to_core(const envelope &from)
{
    zcx_envelope to{};
    to.struct_size = sizeof to;
    to.format = from.format;
    to.flags = from.flags;
    to.ttl_ms = from.ttl.count();
    to.source = pointer(from.source);
    to.target = pointer(from.target);
    to.content_type = pointer(from.content_type);
    to.dtype = from.dtype.empty() ? nullptr : from.dtype.c_str();
    to.shape = from.shape.data();
    to.ndim = static_cast<std::uint32_t>(from.shape.size());
    to.order = from.order;
    return to;
}

inline std::optional<std::string> optional_text(const char *text)
{
    return text ? std::optional<std::string>(text) : std::nullopt;
}

inline envelope from_core(const zcx_envelope &from)
{
    auto time = [](std::uint64_t ns) { return time_point(std::chrono::nanoseconds(ns)); };
    envelope to{.format = from.format,
                .flags = from.flags,
                .source = optional_text(from.source),
                .target = optional_text(from.target),
                .content_type = optional_text(from.content_type),
                .order = from.order};
    if (from.dtype) to.dtype = from.dtype;
    if (from.ndim) to.shape.assign(from.shape, from.shape + from.ndim);
    to.in_slot = from.in_slot;
    to.slot = from.slot;
    to.generation = from.generation;
    to.checksum = from.checksum;
    to.length = from.length;
    to.transaction = from.transaction;
    to.created = time(from.created);
    if (from.expires) to.expires = time(from.expires);
    return to;
}

// `of` with the description of an array that is the whole payload.
inline envelope as_numpy(envelope of, const array &array)
{
    of.format = ZCX_NUMPY;
    of.dtype = array.dtype;
    of.shape = array.shape;
    of.order = array.order;
    return of;
}

} // namespace detail
} // namespace zcx
