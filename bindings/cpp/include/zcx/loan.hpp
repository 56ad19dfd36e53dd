// Memory of the store, to build a payload in; and many puts as one.
#pragma once

#include "view.hpp"

namespace zcx
{

// Used by one thread at a time. A loan that is neither published nor discarded is discarded.
class loan
{
public:
    loan() noexcept = default;
    loan(zcx_loan *owned, std::uint64_t size) noexcept : loan_(owned), size_(size) {}

    // What was asked for: 64-byte aligned, not zeroed. Nobody may use it after publish.
    std::span<std::byte> bytes() const
    {
        return {static_cast<std::byte *>(zcx_loan_data(handle())), size_};
    }
    template <typename T> std::span<T> as() const { return as_elements<T>(bytes()); }
    std::uint64_t capacity() const { return zcx_loan_capacity(handle()); } // at least that many

    // Makes the whole loan, or its first `length` bytes, the payload at `key`. Returns LMDB's
    // transaction id. On an error the loan is still there.
    std::uint64_t publish(std::string_view key, const envelope &envelope = {})
    {
        return publish(key, size_, envelope);
    }
    std::uint64_t publish(std::string_view key, std::uint64_t length, const envelope &envelope = {})
    {
        std::uint64_t transaction;
        zcx_envelope said = detail::to_core(envelope);
        detail::check(zcx_loan_publish, handle(), key.data(), key.size(), length, &said,
                      &transaction);
        (void)loan_.release();
        return transaction;
    }
    // An array in its place: `envelope` says the rest.
    template <element T>
    std::uint64_t publish_array(std::string_view key, const std::vector<std::uint64_t> &shape,
                                envelope envelope = {}, char order = 'C')
    {
        return publish(
            key, detail::as_numpy(std::move(envelope), {zcx::dtype<T>(), shape, order, bytes()}));
    }
    // The same as publish, and a view of what was published.
    view publish_view(std::string_view key, std::uint64_t length, const envelope &envelope = {})
    {
        zcx_view *made;
        zcx_envelope said = detail::to_core(envelope);
        detail::check(zcx_loan_publish_view, &made, handle(), key.data(), key.size(), length, &said,
                      nullptr);
        (void)loan_.release();
        return view(made);
    }

    void discard() noexcept { loan_.reset(); }
    explicit operator bool() const noexcept { return static_cast<bool>(loan_); }
    zcx_loan *handle() const { return detail::use(loan_, "loan"); }

private:
    friend class batch;
    detail::owner<zcx_loan, zcx_loan_discard> loan_;
    std::uint64_t size_ = 0;
};

// Many puts and deletes in one atomic transaction. Used by one thread at a time. A batch that is
// not committed does nothing.
class batch
{
public:
    batch() noexcept = default;
    explicit batch(zcx_batch *owned) noexcept : batch_(owned) {}

    // Copies the payload now; it is seen by others at commit. Later entries of a key win.
    void put(std::string_view key, bytes data, const envelope &envelope = {})
    {
        zcx_envelope said = detail::to_core(envelope);
        detail::check(zcx_batch_put, handle(), key.data(), key.size(), data.data(), data.size(),
                      &said);
    }
    void put(std::string_view key, std::string_view text, const envelope &envelope = {})
    {
        put(key, std::as_bytes(std::span(text)), envelope);
    }
    void put(std::string_view key, const array &array, const envelope &envelope = {})
    {
        put(key, array.data, detail::as_numpy(envelope, array));
    }
    template <detail::object Object>
    void put(std::string_view key, const Object &object, const envelope &envelope = {})
    {
        value whole(object);
        auto build = detail::packing(whole);
        std::vector<detail::block> memory(packer::count(build) / sizeof(detail::block) + 1);
        std::span<std::byte> place = std::as_writable_bytes(std::span(memory));
        put(key, place.first(packer::write(build, place)), detail::as_msgpack(envelope));
    }
    // Takes a loan over, without a copy; on an error it stays the caller's.
    void publish(loan &&loan, std::string_view key, const envelope &envelope = {})
    {
        std::uint64_t size = loan.size_;
        publish(std::move(loan), key, size, envelope);
    }
    void publish(loan &&loan, std::string_view key, std::uint64_t length,
                 const envelope &envelope = {})
    {
        zcx_envelope said = detail::to_core(envelope);
        detail::check(zcx_batch_publish, handle(), loan.handle(), key.data(), key.size(), length,
                      &said);
        (void)loan.loan_.release();
    }
    // Deleting what is not there is no error.
    void erase(std::string_view key)
    {
        detail::check(zcx_batch_delete, handle(), key.data(), key.size());
    }

    // All or nothing. On an error the batch is still there.
    std::uint64_t commit()
    {
        std::uint64_t transaction;
        detail::check(zcx_batch_commit, handle(), &transaction);
        (void)batch_.release();
        return transaction;
    }

    void discard() noexcept { batch_.reset(); }
    explicit operator bool() const noexcept { return static_cast<bool>(batch_); }
    zcx_batch *handle() const { return detail::use(batch_, "batch"); }

private:
    detail::owner<zcx_batch, zcx_batch_discard> batch_;
};

} // namespace zcx
