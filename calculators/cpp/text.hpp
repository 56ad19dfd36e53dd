// Numbers as messages show them: 0.5, not 0.500000.
#pragma once

#include <sstream>
#include <string>

inline std::string text_of(double number)
{
    std::ostringstream out;
    out << number;
    return out.str();
}
