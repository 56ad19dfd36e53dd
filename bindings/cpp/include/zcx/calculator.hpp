// Calculators, by their configuration.
#pragma once

#include "call.hpp"

namespace zcx
{

// A calculator's answer, read where it lies. Holds its record, which is deleted after the result is
// gone. Moving a result does not move what it says.
class result
{
public:
    explicit result(call &&answered) : call_(std::move(answered)), payload_(call_.result()) {}

    zcx::bytes bytes() const & { return payload().bytes; }
    template <typename T> std::span<const T> as() const & { return payload().as<T>(); }
    std::string_view text() const & { return payload().text(); }
    zcx::array array() const & { return payload().array(); }
    value unpack() const & { return payload().unpack(); }
    const zcx::payload &payload() const & { return call_.handle(), payload_; }

    zcx::bytes bytes() const && = delete;
    template <typename T> std::span<const T> as() const && = delete;
    std::string_view text() const && = delete;
    zcx::array array() const && = delete;
    value unpack() const && = delete;
    const zcx::payload &payload() const && = delete;

    const zcx::envelope &envelope() const & { return payload().envelope; }
    zcx::reference reference() { return call_.result_reference(); } // empty: it came directly
    zcx_view *view() const { return call_.result_view(); }          // its own; nullptr: directly
    void keep() { call_.keep_result(); }                            // leaves the record to its TTL
    void release() noexcept { call_.close(); }

private:
    call call_;
    zcx::payload payload_;
};

// May be called by all threads at once; calls of a plug-in that is not thread-safe wait for each
// other. A plug-in's code runs with all rights of this process, and its crash is ours.
class calculator
{
public:
    // One JSON object; zcx_exchange_open in zcx_calculator.h lists the options.
    explicit calculator(const std::string &json)
    {
        zcx_calculator *made;
        detail::check(zcx_calculator_open, &made, json.c_str());
        calculator_.reset(made);
    }

    // Its answer to an array, an object (value, map, list), a view, a result (its record goes on,
    // nothing is put), a reference, or bytes and what they are. EFAILED names the calculator.
    template <typename... Input> result calculate(const Input &...input) const
    {
        zcx::call call = begin();
        give(call, input...);
        run(call);
        return result(std::move(call));
    }

    // The same without waiting for the worker of a `queue`: then call::wait, and
    // result(move(call)). A view or result that is given has to live until the answer is in.
    template <typename... Input> zcx::call send(const Input &...input) const
    {
        zcx::call call = begin();
        give(call, input...);
        send(call);
        return call;
    }

    // The same in steps.
    zcx::call begin() const { return zcx::call(zcx::call::open(exchange())); }
    void send(zcx::call &call) const
    {
        detail::check(zcx_calculator_send, handle(), call.handle());
    }
    void run(zcx::call &call) const { detail::check(zcx_calculator_call, handle(), call.handle()); }

    std::string name() const { return zcx_exchange_name(exchange()); }
    // Holds a payload of its store, which then is an input that nothing is put for.
    zcx::view view(std::string_view key) const
    {
        if (zcx_store *store = zcx_exchange_store(exchange())) return detail::view_of(store, key);
        throw error(ZCX_ENOTFOUND, 0, "calculator '" + name() + "' has no store");
    }
    // Deletes the records of released results now instead of at the next call.
    void sweep() { detail::check(zcx_exchange_sweep, exchange()); }

    // EBUSY while calls run in it. Results stay valid.
    void close()
    {
        if (!calculator_) return;
        detail::check(zcx_calculator_close, calculator_.get());
        (void)calculator_.release();
    }
    zcx_calculator *handle() const { return detail::use(calculator_, "calculator"); }
    zcx_exchange *exchange() const { return zcx_calculator_exchange(handle()); }

private:
    void give(zcx::call &call, const array &array) const
    {
        if (zcx_exchange_format(exchange()) == ZCX_NUMPY)
            call.give(array);
        else
            call.give(value(array));
    }
    void give(zcx::call &call, const result &result) const
    {
        if (zcx_view *view = result.view())
            call.give(view);
        else
            call.give(result.bytes(), result.envelope());
    }
    void give(zcx::call &call, const zcx::view &view) const { call.give(view); }
    void give(zcx::call &call, const auto &...input) const { call.give(input...); }

    static void drop(zcx_calculator *calculator) noexcept
    {
        (void)zcx_calculator_close(calculator, nullptr);
    }
    detail::owner<zcx_calculator, &calculator::drop> calculator_;
};

} // namespace zcx
