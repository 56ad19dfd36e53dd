// A payload, read where it lies.
#pragma once

#include "payload.hpp"

namespace zcx
{

// Holds a payload: its bytes do not change until the view is released or destroyed, whatever
// happens to its key. May be read by all threads at once; released by one, when no other uses it.
// What it hands out refers to it, so a temporary view hands out nothing that could dangle.
class view
{
public:
    view() noexcept = default; // holds nothing; calls on it are ECLOSED
    explicit view(zcx_view *owned) noexcept : view_(owned) {}

    zcx::bytes bytes() const & // 64-byte aligned
    {
        return detail::as_span(zcx_view_data(handle()), zcx_view_length(handle()));
    }
    template <typename T> std::span<const T> as() const & { return as_elements<T>(bytes()); }
    std::string_view text() const & { return detail::as_text(bytes()); }
    zcx::array array() const & { return payload().array(); }
    value unpack() const & { return zcx::unpack(bytes()); }
    zcx::payload payload() const & { return {bytes(), envelope()}; }
    std::string_view key() const &
    {
        std::size_t length;
        auto *key = static_cast<const char *>(zcx_view_key(handle(), &length));
        return {key, length};
    }

    zcx::bytes bytes() const && = delete;
    template <typename T> std::span<const T> as() const && = delete;
    std::string_view text() const && = delete;
    zcx::array array() const && = delete;
    value unpack() const && = delete;
    zcx::payload payload() const && = delete;
    std::string_view key() const && = delete;

    zcx::envelope envelope() const
    {
        zcx_envelope said{};
        said.struct_size = sizeof said;
        detail::check(zcx_view_envelope, handle(), &said);
        return detail::from_core(said);
    }

    // Compares the payload with its stored checksum: ECORRUPT, or ENOTFOUND when it has none.
    void verify() const { detail::check(zcx_view_verify, handle()); }

    void release() noexcept { view_.reset(); }
    explicit operator bool() const noexcept { return static_cast<bool>(view_); }
    zcx_view *handle() const { return detail::use(view_, "view"); } // for calls in C

private:
    detail::owner<zcx_view, zcx_view_release> view_;
};

namespace detail
{

inline view view_of(zcx_store *store, std::string_view key)
{
    zcx_view *made;
    check(zcx_store_view, &made, store, key.data(), key.size());
    return view(made);
}

} // namespace detail
} // namespace zcx
