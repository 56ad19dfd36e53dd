// The one exception of zcx. Uses zcx.h's types and none of its functions, so plug-ins include it
// too.
#pragma once

#if __cplusplus < 202002L
#error "zcx for C++ needs C++20: set(CMAKE_CXX_STANDARD 20), or -std=c++20"
#endif

#include <zcx.h>

#include <stdexcept>
#include <string>

namespace zcx
{

// status(): which of zcx.h's statuses, to tell failures apart; cause(): errno, LMDB's code
// (negative), or 0; what(): one sentence with the names and numbers that matter.
class error : public std::runtime_error
{
public:
    error(zcx_status status, int cause, const std::string &sentence)
        : std::runtime_error(sentence), status_(status), cause_(cause)
    {
    }
    zcx_status status() const noexcept { return status_; }
    int cause() const noexcept { return cause_; }

private:
    zcx_status status_;
    int cause_;
};

} // namespace zcx
