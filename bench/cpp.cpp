// What the C++ headers add to a view and its release in C, interleaved in one run. Prints one line:
// the figure's name, the median of the rounds, C's, and the ratio.
#include <zcx.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace
{

constexpr int rounds = 101, repeats = 10'000;

// Nanoseconds that one of `repeats` takes.
template <typename Work> double clock(Work work)
{
    auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < repeats; i++)
        work();
    std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    return took.count() / repeats;
}

double median(std::vector<double> values)
{
    std::ranges::nth_element(values, values.begin() + rounds / 2);
    return values[rounds / 2];
}

void view_and_release(zcx::store &store)
{
    std::vector<double> cpp, c;
    std::vector<std::byte> large(1'000'000);
    store.put("large", large);
    for (int i = 0; i < rounds; i++) {
        cpp.push_back(clock([&] {
            zcx::view view = store.view("large");
            if (view.bytes().size() != large.size()) abort();
        }));
        zcx_error error = ZCX_ERROR_INIT;
        c.push_back(clock([&] {
            zcx_view *view;
            if (zcx_store_view(&view, store.handle(), "large", 5, &error) ||
                zcx_view_length(view) != large.size())
                abort();
            zcx_view_release(view);
        }));
    }
    printf("%-44s %10.1f %-4s %-34s %10.1f  ratio %.2f (at most %.2f)\n", "view+release in C++",
           median(cpp), "ns", "the same in C", median(c), median(cpp) / median(c), 1.1);
}

} // namespace

int main()
{
    char directory[] = "/dev/shm/zcx-bench-XXXXXX";
    if (!mkdtemp(directory)) {
        perror("mkdtemp");
        return 1;
    }
    struct clean_up {
        const char *path;
        ~clean_up() { std::filesystem::remove_all(path); }
    } clean_up{directory};
    try {
        zcx::store store(directory, {.budget = 64 << 20});
        view_and_release(store);
        return 0;
    } catch (const zcx::error &failed) {
        fprintf(stderr, "%s: %s\n", zcx_status_name(failed.status()), failed.what());
        return 1;
    }
}
