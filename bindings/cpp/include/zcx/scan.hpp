// Keys and envelopes in byte order.
#pragma once

#include "envelope.hpp"

#include <iterator>

namespace zcx
{

struct scan_options {
    std::string prefix{};
    std::string from{};      // inclusive; the lower bound, in reverse too; empty: none
    std::string to{};        // exclusive; the upper bound; empty: none
    std::uint64_t limit = 0; // records; 0: all
    bool reverse = false;
    bool snapshot = false; // copy all keys from one snapshot first, whatever that takes
    bool expired = false;  // show expired records too
};

struct entry {
    std::string key;
    zcx::envelope envelope;
};

// An input range of entries: for (auto &entry : store.scan()). Each step of at most 1,024 keys is
// one snapshot. Used by one thread at a time.
class scan
{
public:
    scan() noexcept = default;
    explicit scan(zcx_scan *owned) noexcept : scan_(owned) {}

    // The next entry, none at the end. A damaged envelope is ECORRUPT once; the next call goes on
    // behind it.
    std::optional<entry> next()
    {
        const void *key;
        std::size_t length;
        zcx_envelope said{};
        detail::no_error why;
        said.struct_size = sizeof said;
        zcx_status status = zcx_scan_next(handle(), &key, &length, &said, &why);
        if (status == ZCX_ENOTFOUND) return {};
        if (status != ZCX_OK) detail::raise(status, why);
        return entry{{static_cast<const char *>(key), length}, detail::from_core(said)};
    }

    class iterator
    {
    public:
        using difference_type = std::ptrdiff_t;
        using value_type = entry;
        explicit iterator(scan *of) : of_(of), entry_(of->next()) {}
        const entry &operator*() const { return *entry_; }
        iterator &operator++()
        {
            entry_ = of_->next();
            return *this;
        }
        void operator++(int) { ++*this; }
        bool operator==(std::default_sentinel_t) const { return !entry_; }

    private:
        scan *of_;
        std::optional<entry> entry_;
    };
    iterator begin() { return iterator(this); }
    std::default_sentinel_t end() const noexcept { return {}; }

    void close() noexcept { scan_.reset(); }
    zcx_scan *handle() const { return detail::use(scan_, "scan"); }

private:
    detail::owner<zcx_scan, zcx_scan_close> scan_;
};

} // namespace zcx
