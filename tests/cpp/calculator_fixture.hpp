// What the tests of calculators share: configurations.
#pragma once

#include "fixture.hpp"

#include <memory>

#define CALCULATOR(name) ZCX_BINARY_DIR "/calculators/cpp/" name ".so"
#define PLUGIN(name) ZCX_BINARY_DIR "/tests/cpp/plugins/" name ".so"

// `more`: further options, each with a comma before it.
inline std::string config(const place *at, const std::string &plugin, const std::string &type,
                          const std::string &options, const std::string &more = "")
{
    std::string json = R"({"name": "calc", "calculator": "cpp", "plugin": ")" + plugin +
                       R"(", "type": ")" + type + R"(", "options": )" + options;
    if (at) json += R"(, "lmdb_enabled": true, "lmdb_db_path": ")" + at->in.path + '"';
    return json + more + "}";
}

inline zcx::calculator odd(const place *at, const std::string &what)
{
    return zcx::calculator(config(at, PLUGIN("odd"), "odd", R"({"do": ")" + what + "\"}"));
}

inline zcx::calculator clip(const place *at, const std::string &more = "")
{
    return zcx::calculator(config(at, CALCULATOR("transform"), "transform",
                                  R"({"operation": "clip", "low": 0, "high": 5})", more));
}
