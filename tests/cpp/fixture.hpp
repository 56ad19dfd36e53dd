// What the C++ tests share: a directory of its own for each test, gone afterwards also when the
// test is killed; and an assertion on failures.
#pragma once

#include <zcx.hpp>

#include <algorithm>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

// The expression must throw a zcx::error of that status, whose sentence has each of the words.
#define FAILS(wanted, expression, ...)                                                             \
    do {                                                                                           \
        bool thrown_ = false;                                                                      \
        try {                                                                                      \
            (void)(expression);                                                                    \
        } catch (const zcx::error &error_) {                                                       \
            thrown_ = true;                                                                        \
            CHECK_MESSAGE(error_.status() == (wanted),                                             \
                          #expression ": " << std::string(error_.what()));                         \
            for (const std::string &word_ : std::vector<std::string>{__VA_ARGS__})                 \
                CHECK_MESSAGE(std::string(error_.what()).find(word_) != std::string::npos,         \
                              "no \"" << word_ << "\" in: " << std::string(error_.what()));        \
        }                                                                                          \
        CHECK_MESSAGE(thrown_, #expression " threw nothing");                                      \
    } while (0)

// A new directory in memory. A child that outlives us, whatever kills us, removes it: it waits for
// the end of a pipe that only we hold open.
class directory
{
public:
    directory()
    {
        char name[] = "/dev/shm/zcx-test-XXXXXX";
        int ends[2];
        REQUIRE(mkdtemp(name));
        REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
        path = name;
        keeper_ = fork();
        if (keeper_ == 0) keep(ends[0]);
        close(ends[0]);
        end_ = ends[1];
    }
    ~directory()
    {
        close(end_);
        waitpid(keeper_, nullptr, 0);
    }
    directory(const directory &) = delete;

    std::string path;

private:
    [[noreturn]] void keep(int end) const
    {
        char byte;
        setsid();
        for (int file = 3; file < 64; file++)
            if (file != end) close(file);
        while (read(end, &byte, 1) > 0)
            ;
        execlp("rm", "rm", "-rf", path.c_str(), nullptr);
        _exit(1);
    }

    pid_t keeper_;
    int end_;
};

inline constexpr std::uint64_t budget = std::uint64_t(64) << 20;

// A directory and a store in it.
struct place {
    directory in;
    zcx::store store{in.path, {.budget = budget}};
};

template <typename T> bool same(std::span<const T> one, std::span<const T> other)
{
    return std::ranges::equal(one, other);
}
