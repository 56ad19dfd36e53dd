#include <zcx_plugin.hpp>

#include <algorithm>

class scale
{
public:
    explicit scale(zcx::plugin::options &options) : factor(options.number("factor", 2)) {}

    void calculate(zcx::plugin::call &call) const
    {
        zcx::array in = call.array<double>();
        std::span<double> out = call.answer_like<double>(in);
        std::ranges::transform(in.as<double>(), out.begin(),
                               [this](double x) { return factor * x; });
    }

private:
    double factor;
};

ZCX_PLUGIN("scale", scale)
