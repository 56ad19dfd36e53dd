// A plug-in that does what its option "do" says, most of it wrong.
#include <zcx_plugin.hpp>

#include <atomic>
#include <new>

class odd
{
public:
    explicit odd(zcx::plugin::options &options) : what(options.string("do"))
    {
        if (what == "no instance") throw std::runtime_error("today is Sunday, 100% sure");
        if (what == "no instance of an int") throw 7;
        if (what == "json") json = options.json();
        if (what == "options") check(options);
    }

    void calculate(zcx::plugin::call &call) // not const: one call at a time
    {
        if (++running != 1) throw std::logic_error("two calls at once");
        struct leave {
            std::atomic<int> &running;
            ~leave() { running--; }
        } leave{running};
        if (what == "throw") throw std::runtime_error("no data for 2013, 100% sure");
        if (what == "throw an int") throw 7;
        if (what == "no memory") throw std::bad_alloc();
        if (what == "nothing") return;
        if (what == "twice") call.output(1), call.output(1);
        if (what == "swallow") swallow(call);
        if (what == "past the end") past_the_end(call);
        if (what == "echo") echo(call);
        if (what == "rows") rows(call);
        if (what == "json") text(call, json);
        if (what == "what is there") what_is_there(call);
        if (what == "huge") call.answer_array<double>({UINT64_MAX, 2});
    }

private:
    static void check(zcx::plugin::options &options)
    {
        if (options.number("number", 1) != 2.5 || options.number("none", 1) != 1 ||
            !options.boolean("yes", false) || options.boolean("none", false) ||
            options.string("text") != "hello" || options.string("none", "x") != "x" ||
            options.optional_string("none") || options.numbers("list", {}) != std::vector{1., 2.} ||
            options.numbers("none", {3}) != std::vector{3.})
            throw std::logic_error("the options are not what the test gave");
    }

    // A failure stays one, caught or not.
    static void swallow(zcx::plugin::call &call)
    {
        try {
            call.array<double>("no such array");
        } catch (const std::exception &) {
        }
        text(call, "all is well");
    }

    static void past_the_end(zcx::plugin::call &call)
    {
        std::span<std::byte> out = call.output(5'000);
        out.data()[out.size()] = std::byte(1);
        call.answer(out.size(), "raw");
    }

    static void echo(zcx::plugin::call &call)
    {
        std::span<std::byte> out = call.output(call.input().size());
        std::ranges::copy(call.input(), out.begin());
        call.answer(out.size(), std::string(call.format()).c_str());
    }

    static void rows(zcx::plugin::call &call)
    {
        std::span<std::int32_t> out = call.answer_array<std::int32_t>({1'000, 2});
        std::ranges::fill(out, 9);
        call.answer_rows(3);
    }

    static void text(zcx::plugin::call &call, std::string_view text)
    {
        std::span<std::byte> out = call.output(text.size());
        std::ranges::copy(std::as_bytes(std::span(text)), out.begin());
        call.answer(out.size(), "json");
    }

    static void what_is_there(zcx::plugin::call &call)
    {
        std::string said(call.format());
        if (call.content_type()) said += " " + std::string(*call.content_type());
        for (const char *name : {"a", "b"})
            if (auto found = call.format() == "msgpack" ? call.optional_array(name) : std::nullopt)
                said += std::string(" ") + name + " " + found->dtype + found->order;
        text(call, said);
    }

    std::string what, json;
    std::atomic<int> running = 0;
};

ZCX_PLUGIN("odd", odd)
