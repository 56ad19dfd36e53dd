// A payload where it lies, with what was said about it; and what can be put.
#pragma once

#include "envelope.hpp"
#include "msgpack.hpp"

namespace zcx
{

// Refers to the memory of what it was got from (a view, a call, a result), as long as that lives.
struct payload {
    zcx::bytes bytes; // 64-byte aligned
    zcx::envelope envelope;

    // As elements of T; EINVAL when size or alignment do not fit.
    template <typename T> std::span<const T> as() const { return as_elements<T>(bytes); }
    std::string_view text() const { return detail::as_text(bytes); }
    value unpack() const { return zcx::unpack(bytes); }

    // A numpy payload, or msgpack that is one array. EINVAL when it is neither.
    zcx::array array() const
    {
        if (envelope.format == ZCX_MSGPACK) {
            value object = unpack();
            return object.array();
        }
        if (envelope.format != ZCX_NUMPY)
            detail::refuse(std::string("the payload is ") + zcx_format_name(envelope.format) +
                           ", not an array");
        return {envelope.dtype, envelope.shape, envelope.order, bytes};
    }
};

namespace detail
{

// Things that are put as msgpack.
template <typename T>
concept object = one_of<T, value, map, list>;

// An object as the two passes of a packer.
inline auto packing(const value &object)
{
    return [&object](packer &to) { to.object(object); };
}

// Private memory that is aligned as a payload is.
struct alignas(ZCX_ALIGNMENT) block {
    std::byte bytes[ZCX_ALIGNMENT];
};

inline envelope as_msgpack(envelope of)
{
    of.format = ZCX_MSGPACK;
    return of;
}

} // namespace detail
} // namespace zcx
