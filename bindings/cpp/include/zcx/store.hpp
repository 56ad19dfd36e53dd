// The directory that programs share.
#pragma once

#include "loan.hpp"
#include "scan.hpp"

namespace zcx
{

struct store_options { // 0 and empty: the default, see zcx_store_open in zcx.h
    std::string database{};
    std::uint64_t budget = 0;   // bytes that the store may use; fixed at creation
    std::uint64_t map_size = 0; // address space in bytes; fixed at creation
    zcx_durability durability = ZCX_DURABILITY_DEFAULT; // fixed at creation
    std::uint32_t max_readers = 0;                      // fixed at creation
    bool create = true;                                 // false: ENOTFOUND when there is none
    milliseconds lock_timeout{0};
    std::string group{}; // whose members share the store; every opener names it
};

// May be used by all threads at once. Its views, loans, scans and batches have to be gone before it
// is: close() under them is EBUSY, and a store that is destroyed under them stays open until the
// process ends, so that nothing dangles.
class store
{
public:
    // Opens the store at a directory, and creates it unless told not to. Empty: the default path.
    explicit store(const std::string &path = {}, const store_options &options = {})
    {
        zcx_store *made;
        zcx_store_options given{};
        given.struct_size = sizeof given;
        given.database = options.database.empty() ? nullptr : options.database.c_str();
        given.budget = options.budget;
        given.map_size = options.map_size;
        given.durability = options.durability;
        given.max_readers = options.max_readers;
        given.flags = options.create ? 0 : ZCX_OPEN_EXISTING;
        given.lock_timeout_ms = options.lock_timeout.count();
        given.group = options.group.empty() ? nullptr : options.group.c_str();
        detail::check(zcx_store_open, &made, path.empty() ? nullptr : path.c_str(), &given);
        store_.reset(made);
    }

    // EBUSY while views, loans, scans or batches live; the store then stays open. Closing what is
    // closed does nothing.
    void close()
    {
        if (!store_) return;
        detail::check(zcx_store_close, store_.get());
        (void)store_.release();
    }

    std::string path() const { return zcx_store_path(handle()); }
    std::string database() const { return zcx_store_database(handle()); }

    // Publishes a copy at `key` in one step and returns LMDB's transaction id: bytes and text are
    // raw unless `envelope` says otherwise, an array is numpy, an object (value, map, list)
    // msgpack.
    std::uint64_t put(std::string_view key, bytes data, const envelope &envelope = {})
    {
        std::uint64_t transaction;
        zcx_envelope said = detail::to_core(envelope);
        detail::check(zcx_store_put, handle(), key.data(), key.size(), data.data(), data.size(),
                      &said, &transaction);
        return transaction;
    }
    std::uint64_t put(std::string_view key, std::string_view text, const envelope &envelope = {})
    {
        return put(key, std::as_bytes(std::span(text)), envelope);
    }
    std::uint64_t put(std::string_view key, const array &array, const envelope &envelope = {})
    {
        return put(key, array.data, detail::as_numpy(envelope, array));
    }
    template <detail::object Object>
    std::uint64_t put(std::string_view key, const Object &object, const envelope &envelope = {})
    {
        if constexpr (std::same_as<Object, value>)
            return build(key, detail::packing(object), envelope);
        else
            return put(key, value(object), envelope);
    }

    // Publishes what `build(packer &)` writes, in place. It is called twice: it counts, then
    // writes.
    template <std::invocable<packer &> Build>
    std::uint64_t build(std::string_view key, Build &&build, const envelope &envelope = {})
    {
        zcx::loan place = loan(packer::count(build));
        std::uint64_t length = packer::write(build, place.bytes());
        return place.publish(key, length, detail::as_msgpack(envelope));
    }

    // An error record: who waits for a result there fails with this sentence.
    void put_error(std::string_view key, const std::string &message, const std::string &trace = {},
                   milliseconds ttl = milliseconds(0))
    {
        detail::check(zcx_store_put_error, handle(), key.data(), key.size(), message.c_str(),
                      trace.empty() ? nullptr : trace.c_str(), ttl.count());
    }

    // Lends `size` bytes; waits up to `timeout` when the store is full. ELIMIT, EFULL, ETIMEDOUT.
    zcx::loan loan(std::uint64_t size, milliseconds timeout = milliseconds(0))
    {
        zcx_loan *made;
        detail::check(zcx_store_loan, &made, handle(), size, timeout.count());
        return zcx::loan(made, size);
    }

    // Holds the payload at `key`. ENOTFOUND, EEXPIRED, ECORRUPT, ELIMIT.
    zcx::view view(std::string_view key) const { return detail::view_of(handle(), key); }
    // The same; an empty view when there is none, or it expired.
    zcx::view find(std::string_view key) const
    {
        zcx_view *made = nullptr;
        detail::no_error why;
        zcx_status status = zcx_store_view(&made, handle(), key.data(), key.size(), &why);
        if (status != ZCX_OK && status != ZCX_ENOTFOUND && status != ZCX_EEXPIRED)
            detail::raise(status, why);
        return zcx::view(made);
    }

    // Waits until `key` has a record of a later transaction than `after` (0: any), and holds it.
    // ETIMEDOUT, EEXPIRED, EDELETED (there was one, `after`), EFAILED (an error record says why).
    zcx::view wait(std::string_view key, milliseconds timeout = forever,
                   std::uint64_t after = 0) const
    {
        zcx_view *made;
        detail::check(zcx_store_wait, &made, handle(), key.data(), key.size(), after,
                      timeout.count());
        return zcx::view(made);
    }

    // Was a record there? Views of it stay valid.
    bool erase(std::string_view key)
    {
        detail::no_error why;
        zcx_status status = zcx_store_delete(handle(), key.data(), key.size(), &why);
        if (status != ZCX_OK && status != ZCX_ENOTFOUND) detail::raise(status, why);
        return status == ZCX_OK;
    }
    bool exists(std::string_view key) const // an expired record does not
    {
        bool found;
        detail::check(zcx_store_exists, &found, handle(), key.data(), key.size());
        return found;
    }
    std::uint64_t count() const // of records, expired ones that no sweep has met yet included
    {
        std::uint64_t found;
        detail::check(zcx_store_count, &found, handle());
        return found;
    }

    zcx::batch batch()
    {
        zcx_batch *made;
        detail::check(zcx_store_batch, &made, handle());
        return zcx::batch(made);
    }
    zcx::scan scan(const scan_options &options = {}) const
    {
        auto bound = [](const std::string &text) { return text.empty() ? nullptr : text.data(); };
        zcx_scan *made;
        zcx_scan_options given{};
        given.struct_size = sizeof given;
        given.prefix = bound(options.prefix);
        given.prefix_length = options.prefix.size();
        given.from = bound(options.from);
        given.from_length = options.from.size();
        given.to = bound(options.to);
        given.to_length = options.to.size();
        given.limit = options.limit;
        given.flags = (options.reverse ? ZCX_SCAN_REVERSE : 0) |
                      (options.snapshot ? ZCX_SCAN_SNAPSHOT : 0) |
                      (options.expired ? ZCX_SCAN_EXPIRED : 0);
        detail::check(zcx_store_scan, &made, handle(), &given);
        return zcx::scan(made);
    }

    // Looking after it, as JSON text (docs/stat.md, zcx.h).
    std::string stat() const { return report(zcx_store_stat); }
    std::string check() const { return report(zcx_store_check); }
    std::string sweep(bool trim = false) // trim: give the memory of idle slots back
    {
        return report(zcx_store_sweep, trim ? ZCX_SWEEP_TRIM : 0);
    }

    explicit operator bool() const noexcept { return static_cast<bool>(store_); }
    zcx_store *handle() const { return detail::use(store_, "store"); }

private:
    template <typename F, typename... More> std::string report(F make, More... more) const
    {
        char *json;
        detail::check(make, &json, handle(), more...);
        std::unique_ptr<char, detail::dropper<zcx_free>> owned(json);
        return owned.get();
    }

    static void drop(zcx_store *store) noexcept { (void)zcx_store_close(store, nullptr); }
    detail::owner<zcx_store, &store::drop> store_;
};

} // namespace zcx
