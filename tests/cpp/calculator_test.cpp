// Calculators called from C++, and plug-ins in C++: every way to answer and to fail.
#include "calculator_fixture.hpp"

#include <cmath>
#include <numeric>
#include <thread>

using zcx::array;

static std::vector<double> ramp(std::size_t size)
{
    std::vector<double> out(size);
    std::iota(out.begin(), out.end(), -10.0);
    return out;
}

static bool clipped(std::span<const double> out, std::span<const double> in)
{
    return std::ranges::equal(out, in, {}, {}, [](double x) { return std::clamp(x, 0.0, 5.0); });
}

TEST_CASE("every leg, every mode, the store or not")
{
    place at;
    for (const char *mode : {"input", "output", "both"})
        for (const char *format : {"msgpack", "numpy"})
            for (std::size_t size : {0, 1, 10, 127, 128, 1'000, 100'000}) {
                CAPTURE(mode);
                CAPTURE(size);
                std::string more = std::string(R"(, "lmdb_exchange_mode": ")") + mode +
                                   R"(", "lmdb_data_format": ")" + format + '"';
                std::vector<double> in = ramp(size);
                zcx::calculator calculator = clip(&at, more), direct = clip(nullptr);
                zcx::result result = calculator.calculate(array::of(in));
                CHECK(clipped(result.array().as<double>(), in));
                zcx::result private_result = direct.calculate(array::of(in));
                CHECK(clipped(private_result.array().as<double>(), in));
            }
}

TEST_CASE("a result is read in the store, and its record goes after it")
{
    place at;
    zcx::calculator calculator = clip(&at);
    CHECK(calculator.name() == "calc");
    std::vector<double> in = ramp(10'000);
    {
        zcx::result result = calculator.calculate(array::of(in));
        auto entry = at.store.scan().next();
        REQUIRE(entry);
        CHECK(entry->key.starts_with("output:calc:"));
        CHECK(result.envelope().dtype == "<f8");
        zcx::view view = at.store.view(entry->key);
        CHECK(view.bytes().data() != nullptr);
        CHECK(result.view());
        zcx::result moved = std::move(result);
        CHECK(clipped(moved.array().as<double>(), in));
        FAILS(ZCX_ECLOSED, result.bytes(), "closed"); // NOLINT: moved from
        calculator.sweep();
        CHECK(at.store.count() == 1);
    }
    calculator.sweep();
    CHECK(at.store.count() == 0);
}

TEST_CASE("chaining puts nothing twice")
{
    place at;
    zcx::calculator first = clip(&at), second = clip(&at);
    std::vector<double> in = ramp(100'000);
    at.store.put("mine", array::of(in));
    {
        zcx::view view = at.store.view("mine");
        zcx::result one = first.calculate(view), two = second.calculate(one);
        CHECK(at.store.count() == 3); // mine and two outputs: no input was put
        CHECK(clipped(two.array().as<double>(), in));
    }
    first.sweep();
    second.sweep();
    CHECK(at.store.count() == 1);

    zcx::calculator direct = clip(nullptr);
    zcx::result one = direct.calculate(array::of(in)), two = direct.calculate(one);
    CHECK(!one.view());
    CHECK(first.view("mine").envelope().length == 800'000);
    FAILS(ZCX_ENOTFOUND, direct.view("mine"), "'calc' has no store");
    CHECK(clipped(two.array().as<double>(), in));
}

TEST_CASE("references travel as bytes")
{
    place at;
    zcx::calculator calculator = clip(&at, R"(, "lmdb_exchange_mode": "reference")");
    std::vector<double> in{-1, 1, 100};
    zcx::result result = calculator.calculate(array::of(in));
    zcx::reference reference = result.reference();
    REQUIRE(reference);
    CHECK(reference.written());
    for (zcx_encoding encoding : {ZCX_ENCODING_MSGPACK, ZCX_ENCODING_JSON}) {
        std::vector<std::byte> sent = reference.write(encoding);
        CHECK(zcx::reference::is(encoding, sent));
        zcx::reference read = zcx::reference::parse(encoding, sent);
        CHECK(read.text(ZCX_REFERENCE_DB_PATH) == at.in.path);
        CHECK(!read.text(ZCX_REFERENCE_FORMAT)->empty());
        CHECK(!read.data());
        zcx::result again = calculator.calculate(read);
        CHECK(again.array().as<double>()[2] == 5);
    }
    FAILS(ZCX_ECORRUPT, zcx::reference::parse(ZCX_ENCODING_JSON, {}), "reference");
}

TEST_CASE("objects and bytes go in too")
{
    place at;
    zcx::calculator seen = odd(&at, "what is there"), echo = odd(&at, "echo");
    std::vector<float> a{1, 2};
    zcx::result result = seen.calculate(zcx::map{{"a", array::of(a)}, {"c", 1}});
    CHECK(result.text() == "msgpack a <f4C");
    std::string text(5'000, 'x');
    zcx::envelope envelope{.format = ZCX_JSON, .content_type = "text/plain"};
    zcx::result typed = seen.calculate(std::as_bytes(std::span(text)), envelope);
    CHECK(typed.text() == "json text/plain");
    zcx::result echoed = echo.calculate(std::as_bytes(std::span(text)), envelope);
    CHECK(echoed.text() == text);
    CHECK(echoed.envelope().format == ZCX_JSON);
    zcx::result list = echo.calculate(zcx::list{1, "two"});
    zcx::value items = list.unpack();
    CHECK(items.list()[1].text() == "two");
    zcx::result rows = odd(&at, "rows").calculate(std::as_bytes(std::span(text)));
    CHECK(rows.array().shape == std::vector<std::uint64_t>{3, 2});
    CHECK(rows.array().as<std::int32_t>()[5] == 9);
}

TEST_CASE("what a plug-in throws is the caller's error")
{
    place at;
    struct bad {
        const char *what;
        zcx_status status;
        const char *says;
    };
    for (bad bad :
         {bad{"throw", ZCX_EFAILED, "no data for 2013, 100% sure"},
          bad{"throw an int", ZCX_EFAILED, "no std::exception"},
          bad{"no memory", ZCX_EFAILED, "bad_alloc"},
          bad{"nothing", ZCX_EFAILED, "without an answer"},
          bad{"twice", ZCX_EFAILED, "answered twice"}, bad{"swallow", ZCX_EFAILED, "no such array"},
          bad{"past the end", ZCX_EFAILED, "past"}, bad{"huge", ZCX_ELIMIT, "limit"}})
        for (const place *where : std::initializer_list<const place *>{&at, nullptr}) {
            CAPTURE(bad.what);
            zcx::calculator calculator = odd(where, bad.what);
            FAILS(bad.status, calculator.calculate(zcx::map{}), "calculator 'calc'", bad.says);
            zcx::call call = calculator.begin();
            call.give(zcx::map{});
            FAILS(bad.status, (calculator.run(call), 0), bad.says);
            FAILS(ZCX_EFAILED, call.result(), bad.says);
        }
    CHECK(at.store.count() == 0);
}

TEST_CASE("what a constructor throws is the opening's error, and options are checked")
{
    FAILS(ZCX_EINVAL, odd(nullptr, "no instance"), "calc", "today is Sunday, 100% sure");
    FAILS(ZCX_EINVAL, odd(nullptr, "no instance of an int"), "no std::exception");
    auto open = [](const std::string &options) {
        return zcx::calculator(config(nullptr, PLUGIN("odd"), "odd", options));
    };
    open(R"({"do": "options", "number": 2.5, "yes": true, "text": "hello", "list": [1, 2]})");
    FAILS(ZCX_EINVAL, open(R"({"do": 7})"), "'do' is 7");
    FAILS(ZCX_EINVAL, open(R"({"do": "x", "other": 1})"), "'other'");
    std::string json = R"({"do": "json", "rest": [1]})";
    zcx::result result = open(json).calculate(zcx::map{});
    CHECK(result.text().find("rest") != std::string::npos);

    auto named = [](const char *plugin, const char *type) {
        return zcx::calculator(config(nullptr, plugin, type, "{}"));
    };
    FAILS(ZCX_ENOTFOUND, named("/no/such.so", "x"), "/no/such.so");
    FAILS(ZCX_EINVAL, named(PLUGIN("odd"), "even"), "'even'", "'odd'");
    FAILS(ZCX_EINVAL, zcx::calculator("{}"), "name");
    FAILS(ZCX_EINVAL, zcx::calculator("no JSON"), "");
}

TEST_CASE("a call in steps, used wrongly and rightly")
{
    place at;
    zcx::calculator calculator = clip(&at);
    std::vector<double> in = ramp(1'000);
    zcx::call call = calculator.begin();
    CHECK(call.id().size() == 16);
    CHECK(call.input_by_reference(5'000));
    CHECK(!call.output_by_reference(5));
    FAILS(ZCX_EINVAL, call.result(), "has no input yet");
    std::span<std::byte> place = call.input(8'000);
    std::ranges::copy(std::as_bytes(std::span(in)), place.begin());
    call.submit(8'000, {.format = ZCX_NUMPY, .dtype = "<f8", .shape = {1'000}});
    FAILS(ZCX_EINVAL, call.input(1), "has its input");
    calculator.run(call);
    CHECK(clipped(call.result().as<double>(), in));
    CHECK(call.result_reference());
    CHECK(call.trace().empty());
    call.keep_result();
    call.close();
    call.close();
    FAILS(ZCX_ECLOSED, call.result(), "the call is closed");
    calculator.sweep();
    CHECK(at.store.count() == 1); // kept
}

TEST_CASE("an exchange has both sides of a call")
{
    place at;
    zcx::exchange exchange(R"({"name": "x", "calculator": "cpp", "lmdb_enabled": true,
        "lmdb_db_path": ")" +
                           at.in.path + "\"}");
    zcx::call call(exchange);
    std::vector<double> in = ramp(1'000);
    call.give(zcx::map{{"x", array::of(in)}});
    zcx::reference request = call.request();
    REQUIRE(request);
    CHECK(request.text(ZCX_REFERENCE_INPUT_KEY) == "input:x:" + call.id());
    {
        zcx::value read = call.read().unpack();
        CHECK(read["x"].array().as<double>()[0] == -10);
    }
    zcx::view input = call.take_input();
    CHECK(input);
    call.answer(array::of(in));
    CHECK(call.result().array().count() == 1'000);
    input.release();

    zcx::call failing(exchange);
    failing.skip_input();
    failing.fail("no data", "line 7");
    FAILS(ZCX_EFAILED, failing.result(), "'x': no data");
    CHECK(failing.trace() == "line 7");

    zcx::call refused(exchange);
    refused.give(zcx::value("small"));
    CHECK(refused.read().unpack().text() == "small");
    REQUIRE(refused.request());
    FAILS(ZCX_EFAILED, (refused.accept({}), 0), "'x'");
    exchange.close();
    FAILS(ZCX_ECLOSED, zcx::call(exchange), "the exchange is closed");
    CHECK(call.result().array().count() == 1'000); // outlives its exchange
}

TEST_CASE("closing: EBUSY under calls, results outlive it")
{
    place at;
    zcx::calculator calculator = clip(&at);
    std::vector<double> in = ramp(1'000);
    zcx::result result = calculator.calculate(array::of(in));
    calculator.close();
    calculator.close();
    CHECK(clipped(result.array().as<double>(), in));
    FAILS(ZCX_ECLOSED, calculator.calculate(array::of(in)), "the calculator is closed");
    result.release();
    FAILS(ZCX_ECLOSED, result.bytes(), "closed");
}

TEST_CASE("all threads may call, one at a time where calculate() is not const")
{
    place at;
    zcx::calculator shared = clip(&at), alone = odd(&at, "echo");
    std::vector<double> in = ramp(1'000);
    std::atomic<int> wrong = 0;
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < 4; thread++)
            threads.emplace_back([&] {
                for (int i = 0; i < 100; i++) {
                    zcx::result one = shared.calculate(array::of(in));
                    if (!clipped(one.array().as<double>(), in)) wrong++;
                    zcx::result two = alone.calculate(array::of(in));
                    if (two.array().count() != 1'000) wrong++;
                }
            });
    }
    CHECK(wrong == 0);
    shared.sweep();
    alone.sweep();
    CHECK(at.store.count() == 0);
}
