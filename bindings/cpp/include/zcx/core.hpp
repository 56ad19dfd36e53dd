// How the C API is called: its handles owned, its failures thrown. Internal.
#pragma once

#include "array.hpp"

#include <chrono>
#include <memory>
#include <string_view>

namespace zcx::detail
{

[[noreturn, gnu::cold]] inline void raise(zcx_status status, const zcx_error &why)
{
    throw error(status, why.cause, *why.message ? why.message : zcx_status_message(status));
}

// A zcx_error that is fit for the next call: nothing reads its 504 bytes before they are written.
struct no_error : zcx_error {
    no_error() noexcept // NOLINT
    {
        status = ZCX_OK;
        cause = 0;
        message[0] = 0;
    }
};

// function(arguments…, &error), thrown when it fails.
template <typename F, typename... Arguments> void check(F function, Arguments... arguments)
{
    no_error why;
    zcx_status status = function(arguments..., &why);
    if (status != ZCX_OK) [[unlikely]]
        raise(status, why);
}

template <auto Drop> struct dropper {
    template <typename T> void operator()(T *handle) const noexcept { (void)Drop(handle); }
};

template <typename T, auto Drop> using owner = std::unique_ptr<T, dropper<Drop>>;

// What every call on an object begins with: it may be closed, or moved from.
template <typename T, typename D> T *use(const std::unique_ptr<T, D> &handle, const char *noun)
{
    if (!handle) [[unlikely]]
        throw error(ZCX_ECLOSED, 0, std::string("the ") + noun + " is closed, or was moved from");
    return handle.get();
}

inline bytes as_span(const void *data, std::uint64_t length)
{
    return {static_cast<const std::byte *>(data), length};
}

inline std::string_view as_text(bytes data)
{
    return {reinterpret_cast<const char *>(data.data()), data.size()};
}

} // namespace zcx::detail
