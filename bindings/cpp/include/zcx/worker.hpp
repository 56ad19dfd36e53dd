// Taking requests from a queue.
#pragma once

#include "call.hpp"

namespace zcx
{

// Used by all threads at once. What it takes is a call whose input is given: the callee's part of
// zcx::call answers or fails it, or calculator::run does so by a plug-in.
//
//     while (zcx::call call = worker.take()) {
//         zcx::value input = call.read().unpack();
//         …
//         call.answer(zcx::array::of(values));
//     }
class worker
{
public:
    // A calculator's configuration with its `queue`.
    explicit worker(const std::string &json)
    {
        zcx_worker *made;
        detail::check(zcx_worker_open, &made, json.c_str());
        worker_.reset(made);
    }

    // The next request; empty once the worker was stopped. ETIMEDOUT. A call that ends unanswered
    // has failed.
    call take(milliseconds timeout = forever)
    {
        zcx_call *made = nullptr;
        detail::no_error why;
        zcx_status status = zcx_worker_take(&made, handle(), timeout.count(), &why);
        if (status != ZCX_OK && status != ZCX_ECLOSED) detail::raise(status, why);
        return call(made);
    }

    void stop() { zcx_worker_stop(handle()); } // also in a signal handler

    // EBUSY while a take waits. Calls that were taken stay valid.
    void close()
    {
        if (!worker_) return;
        detail::check(zcx_worker_close, worker_.get());
        (void)worker_.release();
    }
    zcx_worker *handle() const { return detail::use(worker_, "worker"); }

private:
    static void drop(zcx_worker *worker) noexcept { (void)zcx_worker_close(worker, nullptr); }
    detail::owner<zcx_worker, &worker::drop> worker_;
};

} // namespace zcx
