// One call of a calculator, step by step; zcx_calculator.h says who does what when.
#pragma once

#include "reference.hpp"
#include "view.hpp"

namespace zcx
{

// A calculator's configuration and store, for a callee or caller of one's own. May be used by all
// threads at once; calls and results may outlive it.
class exchange
{
public:
    exchange() noexcept = default;
    explicit exchange(const std::string &json)
    {
        zcx_exchange *made;
        detail::check(zcx_exchange_open, &made, json.c_str());
        exchange_.reset(made);
    }
    // Deletes the records that released results left, now instead of at the next call.
    void sweep() { detail::check(zcx_exchange_sweep, handle()); }
    void close() noexcept { exchange_.reset(); }
    zcx_exchange *handle() const { return detail::use(exchange_, "exchange"); }

private:
    detail::owner<zcx_exchange, zcx_exchange_close> exchange_;
};

// A call, and its result for as long as it lives. Used by one thread at a time.
class call
{
public:
    call() noexcept = default;
    explicit call(zcx_call *owned) noexcept : call_(owned) {}
    explicit call(const exchange &of) : call(open(of.handle())) {}

    std::string id() const { return zcx_call_id(handle()); } // 16 hex digits
    bool input_by_reference(std::uint64_t size) const
    {
        return zcx_call_input_by_reference(handle(), size);
    }
    bool output_by_reference(std::uint64_t size) const
    {
        return zcx_call_output_by_reference(handle(), size);
    }

    // The caller gives the input, once: memory to fill and submit; a view that it holds until the
    // answer is in; a reference that an earlier call returned; or nothing.
    std::span<std::byte> input(std::uint64_t size)
    {
        void *data;
        detail::check(zcx_call_input, &data, handle(), size);
        return {static_cast<std::byte *>(data), size};
    }
    void submit(std::uint64_t length, const envelope &envelope = {})
    {
        zcx_envelope said = detail::to_core(envelope);
        detail::check(zcx_call_submit, handle(), length, &said);
    }
    void give(const view &view) { give(view.handle()); }
    void give(const view &&) = delete; // has to live until the answer is in
    void give(zcx_view *view) { detail::check(zcx_call_input_view, handle(), view); }
    void give(const reference &reference)
    {
        detail::check(zcx_call_input_reference, handle(), reference.handle());
    }
    void give(bytes data, const envelope &envelope = {})
    {
        zcx_copy(input(data.size()).data(), data.data(), data.size());
        submit(data.size(), envelope);
    }
    void give(const array &array) { give(array.data, detail::as_numpy({}, array)); }
    template <detail::object Object> void give(const Object &object)
    {
        if constexpr (std::same_as<Object, value>)
            build_input(detail::packing(object));
        else
            give(value(object));
    }
    void skip_input() { detail::check(zcx_call_skip_input, handle()); }

    // The callee reads the input, valid until the answer is in, and answers or fails.
    payload read() const { return get(zcx_call_read); }
    view take_input() { return view(zcx_call_take_input(handle())); } // may be empty
    std::span<std::byte> output(std::uint64_t size)
    {
        void *data;
        detail::check(zcx_call_output, &data, handle(), size);
        return {static_cast<std::byte *>(data), size};
    }
    void answer(std::uint64_t length, const envelope &envelope = {})
    {
        zcx_envelope said = detail::to_core(envelope);
        detail::check(zcx_call_answer, handle(), length, &said);
    }
    void answer(const array &array)
    {
        zcx_copy(output(array.data.size()).data(), array.data.data(), array.data.size());
        answer(array.data.size(), detail::as_numpy({}, array));
    }
    void answer(const value &object)
    {
        auto build = detail::packing(object);
        std::span<std::byte> place = output(packer::count(build));
        answer(packer::write(build, place), detail::as_msgpack({}));
    }
    void fail(const std::string &message, const std::string &trace = {})
    {
        zcx_call_fail(handle(), message.c_str(), trace.empty() ? nullptr : trace.c_str());
    }

    // To a callee that understands references: the request (empty: the payload itself goes to it),
    // and its answer (empty: it answered with anything but a reference).
    reference request()
    {
        zcx_reference *made;
        detail::check(zcx_call_request, &made, handle());
        return reference(made);
    }
    void accept(const reference &answer)
    {
        detail::check(zcx_call_accept, handle(), answer ? answer.handle() : nullptr);
    }

    // After calculator::send. False: it is still under way. EFAILED (with the calculator's
    // message), EDEAD (workers died over it), EDELETED, EEXPIRED, ECANCELLED end the call.
    bool wait(milliseconds timeout = forever)
    {
        detail::no_error why;
        zcx_status status = zcx_call_wait(handle(), timeout.count(), &why);
        if (status != ZCX_OK && status != ZCX_ETIMEDOUT) detail::raise(status, why);
        return status == ZCX_OK;
    }
    // Nobody wants the answer any more.
    void cancel() { detail::check(zcx_call_cancel, handle()); }

    // The caller reads the result, valid as long as the call. EFAILED when the callee failed.
    payload result() const & { return get(zcx_call_result); }
    payload result() const && = delete;
    zcx_view *result_view() const { return zcx_call_result_view(handle()); } // the call's; nullable
    reference result_reference() // empty: it came directly
    {
        zcx_reference *made;
        detail::check(zcx_call_result_reference, &made, handle());
        return reference(made);
    }
    void keep_result() { zcx_call_keep_result(handle()); } // leaves the record to its TTL
    std::string trace() const                              // of a failed callee; empty: none
    {
        const char *found = zcx_call_trace(handle());
        return found ? found : "";
    }

    void close() noexcept { call_.reset(); }
    explicit operator bool() const noexcept { return static_cast<bool>(call_); }
    zcx_call *handle() const { return detail::use(call_, "call"); }

    static zcx_call *open(zcx_exchange *exchange)
    {
        zcx_call *made;
        detail::check(zcx_call_open, &made, exchange);
        return made;
    }

private:
    template <typename Build> void build_input(Build build)
    {
        std::span<std::byte> place = input(packer::count(build));
        submit(packer::write(build, place), detail::as_msgpack({}));
    }

    template <typename F> payload get(F function) const
    {
        const void *data;
        std::uint64_t length;
        zcx_envelope said{};
        said.struct_size = sizeof said;
        detail::check(function, &data, &length, &said, handle());
        return {detail::as_span(data, length), detail::from_core(said)};
    }

    detail::owner<zcx_call, zcx_call_close> call_;
};

} // namespace zcx
