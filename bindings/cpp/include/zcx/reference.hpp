// What travels instead of a payload: a request or an answer of the reference protocol.
#pragma once

#include "core.hpp"

#include <optional>

namespace zcx
{

// Immutable; may be read by all threads.
class reference
{
public:
    reference() noexcept = default;
    explicit reference(zcx_reference *owned) noexcept : reference_(owned) {}

    // Reads one that came from anywhere; copies what it needs. EINVAL names the field, ECORRUPT.
    static reference parse(zcx_encoding encoding, bytes data)
    {
        zcx_reference *made;
        detail::check(zcx_reference_parse, &made, encoding, data.data(), data.size());
        return reference(made);
    }
    // Does this look like a reference? Never throws.
    static bool is(zcx_encoding encoding, bytes data) noexcept
    {
        return zcx_reference_is(encoding, data.data(), data.size());
    }
    // The answer to this request, whose output was written. EINVAL when it asked for none.
    reference answer() const
    {
        zcx_reference *made;
        detail::check(zcx_reference_answer, &made, handle());
        return reference(made);
    }

    std::vector<std::byte> write(zcx_encoding encoding) const
    {
        std::uint64_t length;
        detail::check(zcx_reference_write, &length, handle(), encoding, nullptr, 0);
        std::vector<std::byte> out(length);
        detail::check(zcx_reference_write, &length, handle(), encoding, out.data(), out.size());
        return out;
    }

    std::optional<std::string_view> text(zcx_reference_field field) const
    {
        const char *found = zcx_reference_text(handle(), field);
        return found ? std::optional<std::string_view>(found) : std::nullopt;
    }
    std::optional<bytes> data() const // _lmdb_data
    {
        std::uint64_t length;
        const void *found = zcx_reference_data(handle(), &length);
        return found ? std::optional(detail::as_span(found, length)) : std::nullopt;
    }
    bool written() const { return zcx_reference_written(handle()); }

    explicit operator bool() const noexcept { return static_cast<bool>(reference_); }
    zcx_reference *handle() const { return detail::use(reference_, "reference"); }

private:
    detail::owner<zcx_reference, zcx_reference_free> reference_;
};

} // namespace zcx
