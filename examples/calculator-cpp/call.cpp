// Usage: call <absolute path of scale.so>
#include <zcx.hpp>

#include <iostream>

int main(int, char **arguments)
{
    try {
        zcx::calculator scale(R"({"name": "scale", "calculator": "cpp", "type": "scale",
            "options": {"factor": 3}, "lmdb_enabled": true, "plugin": ")" +
                              std::string(arguments[1]) + "\"}");
        std::vector<double> numbers(1'000'000, 14);
        zcx::result result = scale.calculate(zcx::array::of(numbers));
        std::span<const double> scaled = result.array().as<double>(); // in the store
        std::cout << scaled.size() << " numbers, the last one is " << scaled.back() << '\n';
    } catch (const zcx::error &failed) {
        std::cerr << failed.what() << '\n';
        return 1;
    }
}
