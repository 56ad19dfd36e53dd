// zcx for C++20: hand large payloads between languages in place, by reference. Link zcx::zcx.
//
//     zcx::store store("/dev/shm/demo");
//     zcx::loan loan = store.loan(8'000);               // memory of the store
//     std::ranges::fill(loan.as<double>(), 1.0);        // built in place
//     loan.publish_array<double>("prices", {10, 100});
//     zcx::view view = store.view("prices");            // read in place, held
//     std::span<const double> prices = view.array().as<double>();
//
// Everything is move-only, ends with its scope, and fails by throwing zcx::error. zcx.h's rules
// hold (units, limits, threads, fork); its names do too: zcx::view is zcx_view. An object that was
// closed or moved from throws ECLOSED. A plug-in includes zcx_plugin.hpp instead and links nothing.
#pragma once

#include "zcx/calculator.hpp"
#include "zcx/store.hpp"
#include "zcx/worker.hpp"
